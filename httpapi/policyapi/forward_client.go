package policyapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// describing are all headers that may describe a request: the usual ones, which some proxies set by themselves, and those that
// the rules name.
func (a *api) describing() []headers {
	rules := a.options.Rules()
	if rules == nil {
		return usualHeaders
	}
	return append(slices.Clip(usualHeaders), rules.headers...)
}

// clientNames reports whether resource or action in the query may be the client's. Some proxies keep the client's query on the
// question (Caddy does, unless its uri ends in a question mark) and describe the request beside it: what the client chose is in
// both. A query that may be read in different ways may say anything.
func clientNames(r *httpapi.Request, h headers) bool {
	for _, uri := range r.Header[h.uri] {
		_, raw, _ := strings.Cut(uri, "?")
		theirs, err := url.ParseQuery(raw)
		if err != nil || strings.Contains(raw, "#") || share(r.Query["rid"], theirs["rid"]) || share(r.Query["action"], theirs["action"]) {
			return true
		}
	}
	return false
}

func share(a, b []string) bool {
	return slices.ContainsFunc(a, func(value string) bool { return slices.Contains(b, value) })
}

// sameOrigin refuses a request of a browser that another site caused and that its cookie alone vouches for, unless its method
// is safe: by the rules of net/http, against the host that the proxy's client asked.
func (a *api) sameOrigin(r *httpapi.Request, q asking) error {
	if !r.Caller.FromCookie || a.crossOrigin.Check(&http.Request{Method: q.method, Host: q.host, Header: r.Header}) == nil {
		return nil
	}
	a.turnAway(r, q, "cross-origin request")
	return fault.New(fault.CrossOrigin, "Cross-origin request with a cookie was refused.")
}
