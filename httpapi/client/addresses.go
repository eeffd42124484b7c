package client

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// addresses are the base URLs of a Client, and which of them answered last.
type addresses struct {
	list []string

	mu   sync.Mutex // guards last
	last string     // "" until one has answered
}

func newAddresses(o Options) (*addresses, error) {
	list := o.Addresses
	if secret, ok := o.Credentials.(secretCredentials); ok && len(list) == 0 && secret.err == nil {
		list = []string{secret.base}
	}
	if len(list) == 0 {
		return nil, errors.New("no address: name at least one, such as https://master.mesos")
	}
	a := &addresses{}
	var problems []error
	for _, text := range list {
		base, err := parseBase(text)
		if err != nil {
			problems = append(problems, err)
		} else if !slices.Contains(a.list, base) {
			a.list = append(a.list, base)
		}
	}
	return a, errors.Join(problems...)
}

// parseBase checks a base URL and takes the slash from its end. Its errors do not show a password that somebody put there: what cannot be
// read as a URL is not shown at all, nor what has an @.
func parseBase(text string) (string, error) {
	const form = "must be http or https, a host, a port and at most a path, like https://master.mesos"
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("an address is no URL: it " + form)
	case u.User != nil:
		return "", fmt.Errorf("the address of %s must not hold a user or a password", u.Host)
	case strings.Contains(text, "@"):
		return "", errors.New("an address with @ is none: it " + form)
	case !webURL(u) || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("address %q: %s", text, form)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// order is the order in which the addresses are tried now.
func (a *addresses) order() []string {
	a.mu.Lock()
	last := a.last
	a.mu.Unlock()
	if last == "" || last == a.list[0] {
		return a.list
	}
	order := make([]string, 0, len(a.list))
	order = append(order, last)
	for _, address := range a.list {
		if address != last {
			order = append(order, address)
		}
	}
	return order
}

// answered remembers an address that serves requests.
func (a *addresses) answered(address string) {
	a.mu.Lock()
	a.last = address
	a.mu.Unlock()
}
