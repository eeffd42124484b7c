package pageapi

import (
	"context"
	"net/http"
	"net/url"

	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/page"
)

// Home is what stands at `/` for somebody with a browser: who is signed in and the way out, or the way in. It goes with the row of
// that path (dcosapi.Options).
func (a *API) Home(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	uid, ok := r.Visitor(ctx)
	if !ok {
		return elsewhere(loginPath, url.Values{"iam-error": r.Query["iam-error"]}), nil
	}
	u, _ := r.State.User(uid)
	return page.Home(page.HomeData{Cluster: a.ClusterName, UID: uid, Description: u.Description, Error: problem(r.Query)}), nil
}

// logout forgets the browser's login. The token itself lives on until it ends or is revoked (hostile L24).
func (a *API) logout(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := a.sameSite(r); err != nil {
		return nil, err
	}
	resp := elsewhere(loginPath, url.Values{"signed-out": {"1"}})
	resp.Cookies = login.SignOutCookies()
	return resp, nil
}

// elsewhere sends a browser to another page, with a query of what is not empty.
func elsewhere(path string, query url.Values) *httpapi.Response {
	for name, values := range query {
		if len(values) != 1 || values[0] == "" {
			delete(query, name)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return &httpapi.Response{Status: http.StatusSeeOther, Header: http.Header{"Location": {path}, "Cache-Control": {"no-store"}}}
}
