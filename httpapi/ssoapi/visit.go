package ssoapi

import (
	"errors"
	"strings"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/flow"
)

// visit is a browser that comes back from an identity provider.
type visit struct {
	api  *api
	r    *httpapi.Request
	kind string // iam.OIDC or iam.SAML

	// provider is the one that is believed to have sent the browser: of SAML the one of the path, of OpenID Connect that of the flow.
	provider string
	// cookie is the id of the flow whose cookie came along, "" while none did.
	cookie string
	// flow is nil until the cookie was opened.
	flow *flow.Flow
	uid  string // once the provider has said it, for the records
	// spent says that something was used up, so that the request cannot be run again.
	spent bool
}

// known opens the cookie of the flow with that id, which came back from outside. It reports false when there is none.
func (v *visit) known(id string) (bool, error) {
	if !flow.ValidID(id) {
		return false, refused("The answer does not say to which login it belongs.")
	}
	text, ok := v.r.Cookie(flow.CookieName(id))
	if !ok {
		return false, nil
	}
	v.cookie = id
	f, err := v.api.sealer(v.r.State).OpenFlow(text)
	if err != nil || f.ID != id || f.Type != v.kind || v.provider != "" && f.Provider != v.provider {
		return false, refused("The answer belongs to another login than the one that this browser began.")
	}
	v.flow, v.provider = &f, f.Provider
	return true, nil
}

// resume finds the flow of this browser, which is good for one login: whoever gives something out, or asks somebody for it, spends it
// first (hostile O1, O13). An answer for which neither is done uses nothing up, as it would be memory that strangers can fill.
func (v *visit) resume(id string) (*iam.Provider, error) {
	ok, err := v.known(id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, refused(v.noCookie())
	}
	return v.timely(v.r.State)
}

// timely judges the flow against the present: its age, the term and the configuration that it began with.
func (v *visit) timely(s *state.State) (*iam.Provider, error) {
	switch p, ok := s.Provider(v.flow.Provider); {
	case v.r.Time.After(v.flow.Ends()):
		return nil, refused("The login took longer than 10 minutes.")
	case v.flow.Term != v.r.Term || !v.r.Lead:
		return nil, errTerm
	case !ok || p.Type() != v.kind || p.Version != v.flow.Version:
		return nil, errProvider
	default:
		return p, nil
	}
}

var (
	errTerm     = refused("The cluster has another leader than when the login began.")
	errProvider = refused("The login provider was changed or removed since the login began.")
	errUsed     = refused("The answer of the login provider was used before.")
)

// spend uses all of that up or nothing. Of several requests with the same item one goes on.
func (v *visit) spend(items ...flow.Item) error {
	err := v.api.used.Take(login.ClientOf(v.r.Client), v.r.Time, items...)
	v.spent = v.spent || err == nil
	switch {
	case errors.Is(err, flow.ErrUsed):
		return errUsed
	case errors.Is(err, flow.ErrShare):
		return errShare
	case err != nil:
		return errFull
	}
	return nil
}

// item is the flow of the visit as something to be spent.
func (v *visit) item() flow.Item { return flow.Item{ID: "flow " + v.flow.ID, Until: v.flow.Ends()} }

// noCookie explains to a person what is needed so that the next login works. Nothing of the request is in it.
func (v *visit) noCookie() string {
	text := "This browser has not begun the login, or does not keep cookies, which are needed."
	if addresses := v.addresses(); len(addresses) > 0 {
		text += " Begin at " + strings.Join(addresses, " or ") + " and not under another name."
	}
	return text
}

// addresses are those under which the cluster is known to the identity providers that the browser can come from.
func (v *visit) addresses() (list []string) {
	seen := map[string]bool{}
	for p := range v.r.State.Providers() {
		base := baseURL(p)
		if p.Type() != v.kind || v.provider != "" && p.ID != v.provider || seen[base] || len(list) == maxAddresses {
			continue
		}
		seen[base] = true
		list = append(list, base)
	}
	return list
}

const maxAddresses = 3

// baseURL is the address of the cluster as browsers see it, as the provider was told.
func baseURL(p *iam.Provider) string {
	if p.SAML != nil {
		return strings.TrimRight(p.SAML.BaseURL, "/") + "/"
	}
	return strings.TrimRight(p.OIDC.BaseURL, "/") + "/"
}

// only returns the one value of a parameter, "" when there is none. Two values have no meaning: who checks one might use the other.
func only(values []string) (string, error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", refused("The answer has a parameter twice.")
}
