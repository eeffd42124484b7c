package main

import (
	"errors"
	"strings"
)

// usageError is a mistake in the command line, the environment or the configuration
// file: it ends the program with status 2, before anything was touched.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func isUsage(err error) bool {
	var u usageError
	return errors.As(err, &u)
}

// problems collects everything that is wrong with a configuration, so that whoever
// mends it mends it once.
type problems []string

func (p *problems) add(text string) { *p = append(*p, text) }

// addAll adds an error, or each of those that were joined into it.
func (p *problems) addAll(err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		p.add(err.Error())
		return
	}
	for _, e := range joined.Unwrap() {
		p.addAll(e)
	}
}

// err is nil when there are none.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return usageError{errors.New("the configuration is wrong:\n  - " + strings.Join(p, "\n  - "))}
}
