package policyapi

import (
	"context"
	"net/http"
	"strings"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// headers are the names, in canonical spelling, under which a proxy says what it asks about.
type headers struct {
	method, uri string
	host        string // "" means Host
}

// usualHeaders are what nginx configurations set by custom, and what Traefik and others set by themselves.
var usualHeaders = []headers{
	{method: "X-Original-Method", uri: "X-Original-Uri"},
	{method: "X-Forwarded-Method", uri: "X-Forwarded-Uri", host: "X-Forwarded-Host"},
}

// headerUID tells the proxy who its client is.
const headerUID = "X-Gatehouse-Uid"

// denied is the one answer to whoever is known and may not. Its type is that of all errors (contract 0.3).
var denied = []byte(`{"title":"403 Forbidden","description":"You are not allowed to do this.","code":"ERR_FORBIDDEN"}`)

const errorContentType = "application/json; charset=UTF-8"

// authorize answers GET authorize: about the resource and action in the query, which the configuration of a proxy has put
// there, else about the request that headers describe.
func (a *api) authorize(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if r.Query.Has("rid") || r.Query.Has("action") {
		return a.authorizeNamed(r)
	}
	rules, err := a.rules()
	if err != nil {
		return nil, err
	}
	q, err := rules.described(r)
	if err != nil {
		return nil, err
	}
	return a.byRules(r, rules, q)
}

func (a *api) authorizeNamed(r *httpapi.Request) (*httpapi.Response, error) {
	for _, h := range a.describing() {
		q := h.read(r)
		if clientNames(r, h) {
			a.turnAway(r, q, "the client may have named resource or action")
			return verdictOf(r, false), nil
		}
		if len(r.Header[h.method]) > 0 {
			if err := a.sameOrigin(r, q); err != nil {
				return nil, err
			}
		}
	}
	rid, err := parameter(r.Query, "rid")
	if err != nil {
		return nil, err
	}
	if err := iam.ValidateRID(rid); err != nil {
		return nil, err
	}
	action, err := actionParameter(r.Query)
	if err != nil {
		return nil, err
	}
	return verdictOf(r, a.decide(r, fromProxy, question{r.Caller.UID, rid, action})), nil
}

// authorizePath answers whatever is asked below authorize/: the request's own method and path, behind that prefix, are what it
// is about. Its query is the client's, and ignored.
func (a *api) authorizePath(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	rules, err := a.rules()
	if err != nil {
		return nil, err
	}
	target := strings.TrimPrefix(r.Target, authorizePath)
	return a.byRules(r, rules, asking{method: r.Method, host: r.Host, target: target})
}

func (a *api) rules() (*Rules, error) {
	if rules := a.options.Rules(); rules != nil {
		return rules, nil
	}
	return nil, fault.New(fault.BadRequest, "Expected query parameters `rid` and `action`: this master has no rules (--authorize-rules).")
}

// described reads the request that headers describe. A client could add what its proxy does not set: two descriptions, or one
// in two parts, are none.
func (s *Rules) described(r *httpapi.Request) (asking, error) {
	var used *headers
	for i := range s.headers {
		h := &s.headers[i]
		if len(r.Header[h.uri]) == 0 {
			continue
		}
		if used != nil {
			return asking{}, nil
		}
		used = h
	}
	if used == nil {
		return asking{}, fault.New(fault.BadRequest, "Expected query parameters `rid` and `action`, or the header `%s`.", s.headers[0].uri)
	}
	return used.read(r), nil
}

// read takes the request that these headers describe.
func (h *headers) read(r *httpapi.Request) asking {
	q := asking{method: single(r.Header[h.method]), target: single(r.Header[h.uri]), host: r.Host}
	if h.host != "" {
		q.host = single(r.Header[h.host])
	}
	return q
}

// single is the one value of a header, "" when there are several.
func single(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// byRules decides about a request of a proxy's client.
func (a *api) byRules(r *httpapi.Request, rules *Rules, q asking) (*httpapi.Response, error) {
	if err := a.sameOrigin(r, q); err != nil {
		return nil, err
	}
	need, err := rules.find(q)
	switch {
	case err != nil:
		a.turnAway(r, q, err.Error())
		return verdictOf(r, false), nil
	case need.anyone:
		a.settle(r, q, true, "every user")
		return verdictOf(r, true), nil
	}
	return verdictOf(r, a.decide(r, fromProxy, question{r.Caller.UID, need.rid, need.action})), nil
}

// settle counts and records a decision about a request that is not about a resource.
func (a *api) settle(r *httpapi.Request, q asking, allowed bool, why string) {
	path, _, _ := strings.Cut(q.target, "?")
	a.meter.count(r, fromProxy, allowed)
	record(r, r.Caller.UID, q.method, path, allowed, why)
}

// turnAway counts and records that a request is refused.
func (a *api) turnAway(r *httpapi.Request, q asking, why string) { a.settle(r, q, false, why) }

// verdictOf renders a decision for a proxy: 200 with the uid, or 403.
func verdictOf(r *httpapi.Request, allowed bool) *httpapi.Response {
	if allowed {
		return &httpapi.Response{Status: http.StatusOK, Header: http.Header{headerUID: {r.Caller.UID}}}
	}
	return &httpapi.Response{Status: http.StatusForbidden, Raw: denied, ContentType: errorContentType}
}
