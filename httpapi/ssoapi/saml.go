package ssoapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/login/saml"
)

func samlConfig(p *iam.Provider) saml.Config {
	return saml.Config{ID: p.ID, BaseURL: p.SAML.BaseURL, Metadata: p.SAML.Metadata, Version: p.Version}
}

// samlCallback takes the answer of a SAML identity provider (contract 5.6). It is a POST from another site, to which browsers send no
// Lax cookie: who has none is redirected with what was verified, sealed, and comes back with the cookie (samlHandle). So the answer
// alone logs nobody in, in whatever browser it is posted (hostile O16, M16).
func (a *api) samlCallback(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	v := &visit{api: a, r: r, kind: iam.SAML, provider: r.Param("provider")}
	resp, err := v.assertion(ctx)
	return v.answer(ctx, resp, err)
}

func (v *visit) assertion(ctx context.Context) (*httpapi.Response, error) {
	p, ok := v.r.State.Provider(v.provider)
	if !ok || p.Type() != iam.SAML {
		return nil, errProvider
	}
	response, err := only(v.r.Form["SAMLResponse"])
	if err != nil {
		return nil, err
	}
	id, err := only(v.r.Form["RelayState"])
	if err != nil {
		return nil, err
	}
	came, err := v.known(id)
	if err == nil && came {
		_, err = v.resume(id)
	}
	if err != nil {
		return nil, err
	}
	who, err := v.verified(ctx, p, response, id)
	if err != nil {
		return nil, err
	}
	first := []flow.Item{{ID: "assertion " + p.ID + " " + who.ID, Until: who.NotOnOrAfter}} // hostile M15
	if came {
		first = append(first, v.item())
	}
	if err := v.spend(first...); err != nil {
		return nil, err
	}
	if !came {
		return v.handOver(p, id, who), nil
	}
	return v.finish(ctx, login.Named(who.UID, who.UID, who.Description))
}

// verified is what the answer vouches for. Anybody may send one, so few are looked at at once.
func (v *visit) verified(ctx context.Context, p *iam.Provider, response, id string) (saml.Assertion, error) {
	release, err := v.api.verifying.take(ctx, login.ClientOf(v.r.Client))
	if err != nil {
		return saml.Assertion{}, err
	}
	defer release()
	who, err := v.api.SAML.Verify(samlConfig(p), []byte(response), requestID(id), v.r.Time)
	if err == nil && len(who.UID) > maxName {
		return who, fault.New(fault.CannotImportUser, "Cannot import user: the name is longer than %d bytes", maxName)
	}
	return who, err
}

// The most of what an identity provider says that is used, in bytes: it goes into a URL. Longer names are refused: cut, two of them
// could be one.
const (
	maxName        = 2 * iam.MaxUID
	maxDescription = 256
)

// handOver sends the browser back to fetch its cookie.
func (v *visit) handOver(p *iam.Provider, id string, who saml.Assertion) *httpapi.Response {
	h := flow.Handle{
		Flow: id, Provider: p.ID, Version: p.Version, Term: v.r.Term, Ends: v.r.Time.Add(flow.HandleLife).Unix(),
		Name: who.UID, Description: cut(who.Description, maxDescription),
	}
	q := url.Values{"handle": {v.api.sealer(v.r.State).SealHandle(h)}}
	path := strings.ReplaceAll(samlPaths, ":provider", url.PathEscape(p.ID)) + "/acs-callback?"
	return redirect(http.StatusSeeOther, path+q.Encode())
}

func cut(s string, limit int) string {
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// samlHandle ends a login through SAML in the browser that began it.
func (a *api) samlHandle(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	v := &visit{api: a, r: r, kind: iam.SAML, provider: r.Param("provider")}
	resp, err := v.handle(ctx)
	return v.answer(ctx, resp, err)
}

func (v *visit) handle(ctx context.Context) (*httpapi.Response, error) {
	text, err := only(v.r.Query["handle"])
	if err != nil {
		return nil, err
	}
	h, err := v.api.sealer(v.r.State).OpenHandle(text)
	switch {
	case err != nil || h.Provider != v.provider:
		return nil, refused("The answer does not say to which login it belongs.")
	case v.r.Time.After(time.Unix(h.Ends, 0)):
		return nil, refused("The answer of the login provider has expired.")
	case h.Term != v.r.Term:
		return nil, errTerm
	}
	p, err := v.resume(h.Flow)
	if err != nil {
		return nil, err
	}
	if p.Version != h.Version {
		return nil, errProvider
	}
	if err := v.spend(v.item()); err != nil { // and with the flow its handle
		return nil, err
	}
	return v.finish(ctx, login.Named(h.Name, h.Name, h.Description))
}

// acsAnswer is SAMLACSCallbackUrlObject of the published description.
type acsAnswer struct {
	URL string `json:"acs-callback-url"`
}

// samlACS tells where the identity provider is to send answers. It follows from the configuration, never from the Host of the
// request (hostile M25, H18).
func (a *api) samlACS(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := samlProvider(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: acsAnswer{saml.ACSURL(samlConfig(p))}}, nil
}

// samlMetadata is what an identity provider wants to know of this cluster.
func (a *api) samlMetadata(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := samlProvider(r)
	if err != nil {
		return nil, err
	}
	text, err := a.SAML.Metadata(samlConfig(p))
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Raw: text, ContentType: "application/samlmetadata+xml"}, nil
}

func samlProvider(r *httpapi.Request) (*iam.Provider, error) {
	p, ok := r.State.Provider(r.Param("provider"))
	if !ok || p.Type() != iam.SAML {
		return nil, unknownProvider(r.Param("provider"))
	}
	return p, nil
}

func unknownProvider(id string) error {
	return fault.New(fault.UnknownProvider, "The login provider with ID '%s' is not known", id)
}
