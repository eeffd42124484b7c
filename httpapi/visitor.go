package httpapi

import (
	"context"
	"strings"
)

// AcceptsPages reports whether the client names text/html among what it accepts, as browsers do. Programs that accept everything do
// not mean pages.
func (r *Request) AcceptsPages() bool {
	return strings.Contains(strings.ToLower(strings.Join(r.Header["Accept"], ",")), "text/html")
}

// Visitor is the uid of whom the cookie of a browser belongs to, for a page that greets its reader; false when to nobody. It is for
// Public rows, which otherwise know no caller. A state that does not know key or user of the token is made current first; State
// is then that one.
func (r *Request) Visitor(ctx context.Context) (uid string, ok bool) {
	cred, err := cookieCredential(r.exchange.r)
	if err != nil {
		return "", false
	}
	b := r.server.local()
	caller, err := r.server.authenticate(b, cred)
	if err == errBehind || err != nil && !r.server.fresh.heard() {
		if b, err = r.server.confirm(ctx); err != nil {
			return "", false
		}
		caller, err = r.server.authenticate(b, cred)
	}
	if err != nil {
		return "", false
	}
	r.basis(b)
	return caller.UID, true
}
