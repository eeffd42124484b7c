package ssoapi

import (
	"net/http"
	"slices"
	"strings"

	"gatehouse/httpapi"
	"gatehouse/httpapi/login/flow"
)

// cookiePath is where the cookies of flows are sent to: the rows of this package.
const cookiePath = prefix + "/auth"

// The cookies of flows that a browser keeps while another one begins: what it sends must fit the buffers of proxies.
const (
	maxOther      = 2       // flows
	maxOtherBytes = 3 << 10 // in their cookies
	maxCleared    = 8       // cookies that one answer clears
)

// cookie carries a sealed flow. Lax: it must come along when the identity provider sends the browser back, which is a
// navigation from another site (hostile O1, O16).
func (a *api) cookie(id, sealed string) *http.Cookie {
	return a.named(flow.CookieName(id), sealed, int(flow.FlowLife.Seconds()))
}

func (a *api) named(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: cookiePath, MaxAge: maxAge, HttpOnly: true, Secure: a.Secure, SameSite: http.SameSiteLaxMode}
}

// cleared takes the cookie of a flow away.
func (a *api) cleared(id string) *http.Cookie { return a.named(flow.CookieName(id), "", -1) }

// other is a cookie of another flow of a browser.
type other struct {
	name    string
	size    int
	started int64 // 0 for what is no flow of ours
}

// crowd clears the cookies of flows that are too many in one browser, the oldest first, so that what it sends stays small.
func (a *api) crowd(r *httpapi.Request) (clear []*http.Cookie) {
	others := a.others(r)
	kept, bytes := 0, 0
	for _, o := range others {
		if o.started > 0 && kept < maxOther && bytes+o.size <= maxOtherBytes {
			kept, bytes = kept+1, bytes+o.size
		} else if len(clear) < maxCleared {
			clear = append(clear, a.named(o.name, "", -1))
		}
	}
	return clear
}

// others are the cookies of flows that came with the request, the latest first.
func (a *api) others(r *httpapi.Request) (list []other) {
	sealer := a.sealer(r.State)
	for _, c := range (&http.Request{Header: http.Header{"Cookie": r.Header["Cookie"]}}).Cookies() {
		if !strings.HasPrefix(c.Name, flow.CookiePrefix) || len(c.Name) > len(flow.CookiePrefix)+16 {
			continue
		}
		o := other{name: c.Name, size: len(c.Name) + len(c.Value)}
		if f, err := sealer.OpenFlow(c.Value); err == nil && !r.Time.After(f.Ends()) {
			o.started = f.Started
		}
		list = append(list, o)
	}
	slices.SortStableFunc(list, func(a, b other) int { return int(b.started - a.started) })
	return list
}
