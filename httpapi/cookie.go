package httpapi

import (
	"net/http"
	"strings"
)

// ownCookies begins the names of the cookies that belong to rows and not to the caller's authentication: they go along when a request
// is handed to the leader. The cookie with the token does not; it goes as a credential.
const ownCookies = "gatehouse-"

// Cookie returns the value of a cookie that the browser sent. Two of one name have no meaning: one of them was planted by another host of
// the domain.
func (r *Request) Cookie(name string) (value string, ok bool) {
	found := cookies(r.Header, func(have string) bool { return have == name })
	if len(found) == 0 {
		return "", false
	}
	for _, c := range found[1:] {
		if c.Value != found[0].Value {
			return "", false
		}
	}
	return found[0].Value, true
}

// CookiesOf returns the cookies whose names begin with a prefix, in the order in which they came.
func (r *Request) CookiesOf(prefix string) []*http.Cookie {
	return cookies(r.Header, func(have string) bool { return strings.HasPrefix(have, prefix) })
}

func cookies(h http.Header, want func(name string) bool) (found []*http.Cookie) {
	if len(h["Cookie"]) == 0 {
		return nil
	}
	for _, c := range (&http.Request{Header: h}).Cookies() {
		if want(c.Name) {
			found = append(found, c)
		}
	}
	return found
}

// handedOn is the Cookie header for the leader, "" when there is none.
func handedOn(h http.Header) string {
	var pairs []string
	for _, c := range cookies(h, func(name string) bool { return strings.HasPrefix(name, ownCookies) }) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}
