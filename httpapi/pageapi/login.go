package pageapi

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/page"
)

// show is the login page. What went wrong before comes in the query, in words that another row of this origin chose (contract 5.3).
func (a *API) show(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	target, err := targetOf(r.Query["target"])
	if err != nil {
		return nil, err
	}
	return a.render(r, page.LoginData{Target: target, Error: problem(r.Query), Notice: a.notice(r.Query)}), nil
}

// targetOf checks where a login is to lead.
func targetOf(values []string) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	target, err := flow.Target(values[0])
	if err != nil || len(values) > 1 {
		return "", fault.New(fault.BadRequest, "The link that you followed leads to a place that is not part of this site.")
	}
	return target, nil
}

// notice says what went well before, and what a command line that sends people here cannot do any more.
func (a *API) notice(query url.Values) string {
	switch {
	case query.Has("signed-out"):
		return "You are signed out."
	case a.Edition == httpapi.Open && query.Has("redirect_uri"):
		return "This cluster gives no ID token to the command line. Log in there with a password: dcos auth login --provider=dcos-users"
	}
	return ""
}

// problem is what is said of ?iam-error=. Whoever makes a link chooses it, so no words are shown but our own.
func problem(query url.Values) string {
	switch text := query.Get("iam-error"); {
	case text == "":
		return ""
	case page.IsUnknownProvider(text):
		return "Signing in did not work: " + text
	}
	return "Signing in did not work."
}

func shortened(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// render adds to the page what belongs to the cluster and to the browser.
func (a *API) render(r *httpapi.Request, d page.LoginData) *httpapi.Response {
	field, cookie := a.proof(r)
	d.Cluster, d.Form, d.Providers = a.ClusterName, field, providers(r, d.Target)
	resp := page.Login(d)
	resp.Cookies = cookie
	return resp
}

// maxDescription is how much of a provider's description is on its button, in characters.
const maxDescription = 80

// providers are the buttons: one for every identity provider.
func providers(r *httpapi.Request, target string) (buttons []page.Provider) {
	for p := range r.State.Providers() {
		parameter, kind := "oidc-provider", "OpenID Connect"
		if p.Type() == iam.SAML {
			parameter, kind = "saml-provider", "SAML"
		}
		query := url.Values{parameter: {p.ID}}
		if target != "" {
			query.Set("target", target)
		}
		text := shortened(cmp.Or(strings.TrimSpace(p.Description), p.ID), maxDescription)
		buttons = append(buttons, page.Provider{Description: text, Kind: kind, URL: startPath + "?" + query.Encode()})
	}
	return buttons
}

// login takes the form.
func (a *API) login(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := a.sameSite(r); err != nil {
		return nil, err
	}
	target, err := targetOf(r.Form["target"])
	if err != nil {
		return nil, err
	}
	if err := a.proved(r); err != nil {
		return nil, err
	}
	uid, password := value(r, "uid"), value(r, "password")
	if uid == "" || password == "" {
		return nil, fault.New(fault.BadRequest, "Type your user name and your password.")
	}
	return a.Login.Password(ctx, r, uid, password, func(s login.Session) *httpapi.Response { return a.arrived(target, s) })
}

// arrived is where a login ends: on the token page for somebody with a command line, else where it was to lead (contract 5.7).
func (a *API) arrived(target string, s login.Session) *httpapi.Response {
	if target == flow.TokenPage {
		return page.Token(s.Token)
	}
	return &httpapi.Response{Status: http.StatusSeeOther, Header: http.Header{"Location": {cmp.Or(target, "/")}}, Cookies: a.Login.Cookies(s, false)}
}

// again shows the form once more and says why. The password is never in it.
func (a *API) again(r *httpapi.Request, f *fault.Error) *httpapi.Response {
	if f == errOtherSite {
		return a.failed(r, f)
	}
	target, err := targetOf(r.Form["target"])
	if err != nil {
		return a.failed(r, f)
	}
	d := page.LoginData{Target: target, UID: shortened(value(r, "uid"), iam.MaxUID), Error: sentence(f)}
	d.Retype = d.UID != ""
	return a.render(r, d)
}

// failed is the page of a fault that no form mends.
func (a *API) failed(_ *httpapi.Request, f *fault.Error) *httpapi.Response {
	return page.Error("You are not signed in", sentence(f), loginPath)
}
