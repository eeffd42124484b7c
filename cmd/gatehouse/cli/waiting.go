package cli

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"gatehouse/httpapi/client"
)

// waiting tells a person at a terminal, once, that the client tries again because no master serves. The client logs every attempt
// that failed.
type waiting struct {
	a    *app
	once *sync.Once
}

// patientLogger is for the client of a verb; scripts need no such news.
func (a *app) patientLogger() *slog.Logger {
	if !a.terminalIn() {
		return nil
	}
	return slog.New(waiting{a, &sync.Once{}})
}

func (w waiting) Enabled(context.Context, slog.Level) bool { return true }
func (w waiting) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w waiting) WithGroup(string) slog.Handler            { return w }

func (w waiting) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(attr slog.Attr) bool {
		if err, ok := attr.Value.Any().(error); ok && client.Unavailable(err) {
			w.once.Do(func() { fmt.Fprintf(w.a.env.Stderr, "No master serves this yet; trying for %s.\n", span(patience)) })
		}
		return true
	})
	return nil
}
