package pageapi

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// formLife is how long a page may be open before its form is sent.
const formLife = time.Hour

// formCookie binds forms to a browser. It is sent with no request that another site causes.
const formCookie = "gatehouse-form"

// The labels under which the two halves of a proof are sealed.
const (
	cookieLabel = "page-form-cookie"
	fieldLabel  = "page-form"
)

// ticket is what cookie and form field both hold: random bytes, and when they end in Unix seconds. Every master can make and open
// one, so the form may be sent to another master than the one that showed it.
type ticket [24]byte

func newTicket(now time.Time) (t ticket) {
	rand.Read(t[:16])
	binary.BigEndian.PutUint64(t[16:], uint64(now.Add(formLife).Unix()))
	return t
}

// left is how long the ticket is still good for.
func (t ticket) left(now time.Time) time.Duration {
	return time.Unix(int64(binary.BigEndian.Uint64(t[16:])), 0).Sub(now)
}

func (a *API) seal(r *httpapi.Request, label string, t ticket) string {
	return base64.RawURLEncoding.EncodeToString(a.Keys.Seal(label, t[:], clusterOf(r)))
}

// open reads a half of a proof that is still good.
func (a *API) open(r *httpapi.Request, label, text string) (t ticket, ok bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return t, false
	}
	plain, err := a.Keys.Open(label, sealed, clusterOf(r))
	if err != nil || len(plain) != len(t) {
		return t, false
	}
	copy(t[:], plain)
	return t, t.left(r.Time) > 0
}

// clusterOf is the additional data: a key file that was copied to another cluster opens nothing of this one.
func clusterOf(r *httpapi.Request) []byte { return []byte(r.State.Meta().ClusterID) }

// proof returns the value for a form, and the cookie that belongs to it. A browser that has a cookie keeps it while half of its life
// is left, so that forms in several tabs are good at the same time; the cookie is nil then.
func (a *API) proof(r *httpapi.Request) (field string, cookie []*http.Cookie) {
	if text, ok := r.Cookie(formCookie); ok {
		if t, ok := a.open(r, cookieLabel, text); ok && t.left(r.Time) > formLife/2 {
			return a.seal(r, fieldLabel, t), nil
		}
	}
	t := newTicket(r.Time)
	return a.seal(r, fieldLabel, t), []*http.Cookie{{
		Name: formCookie, Value: a.seal(r, cookieLabel, t), Path: loginPath, MaxAge: int(formLife.Seconds()),
		HttpOnly: true, Secure: a.Login.SecureCookies(), SameSite: http.SameSiteStrictMode,
	}}
}

var (
	errOtherSite = fault.New(fault.CrossOrigin, "This form was sent by another site, so nothing was done.")
	errNoProof   = fault.New(fault.CrossOrigin, "This page was open for too long, or your browser does not keep cookies, which signing in needs. Try again.")
)

// sameSite refuses what the browser says comes from another site (hostile H22).
func (a *API) sameSite(r *httpapi.Request) error {
	if a.origin.Check(&http.Request{Method: r.Method, Host: r.Host, Header: r.Header, URL: &url.URL{Path: r.Route.Path}}) != nil {
		return errOtherSite
	}
	return nil
}

// proved refuses a form that this browser did not get from here.
func (a *API) proved(r *httpapi.Request) error {
	text, _ := r.Cookie(formCookie)
	cookie, ok := a.open(r, cookieLabel, text)
	field, same := a.open(r, fieldLabel, value(r, "form"))
	if !ok || !same || !bytes.Equal(cookie[:], field[:]) {
		return errNoProof
	}
	return nil
}

// value is a field of the form.
func value(r *httpapi.Request, name string) string {
	if values := r.Form[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}
