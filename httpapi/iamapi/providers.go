package iamapi

import (
	"context"
	"log/slog"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/provider"
)

// providerBody is the body limit in bytes: metadata and certificates are the largest parts.
const providerBody = 1 << 20

// The members of OIDCProviderConfig and SAMLProviderConfig (contract 5.4, 5.6). A change names what it changes.
var (
	oidcCreateSchema = oidcSchema(true)
	oidcUpdateSchema = oidcSchema(false)
	samlCreateSchema = samlSchema(true)
	samlUpdateSchema = samlSchema(false)
)

func oidcSchema(whole bool) *httpapi.Schema {
	return &httpapi.Schema{Closed: true, Members: []httpapi.Member{
		{Name: "description", Type: httpapi.String, Required: whole},
		{Name: "issuer", Type: httpapi.String, Required: whole},
		{Name: "base_url", Type: httpapi.String, Required: whole},
		{Name: "client_id", Type: httpapi.String, Required: whole},
		{Name: "client_secret", Type: httpapi.String, Required: whole},
		{Name: "verify_server_certificate", Type: httpapi.Bool},
		{Name: "ca_certs", Type: httpapi.String},
	}}
}

func samlSchema(whole bool) *httpapi.Schema {
	return &httpapi.Schema{Closed: true, Members: []httpapi.Member{
		{Name: "description", Type: httpapi.String, Required: whole},
		{Name: "idp_metadata", Type: httpapi.String, Required: whole},
		{Name: "sp_base_url", Type: httpapi.String, Required: whole},
	}}
}

// providerRoutes configure identity providers. They are for superusers alone, whatever else is delegated: who chooses where
// users log in can log in as any of them.
func (a *api) providerRoutes() []httpapi.Route {
	oidc, saml := prefix+"/auth/oidc/providers/:provider", prefix+"/auth/saml/providers/:provider"
	return []httpapi.Route{
		{ID: "iam.auth.oidc.get", Method: http.MethodGet, Path: oidc, Access: httpapi.Superuser, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, NoStore: true, Audited: true, Handle: a.getOIDC},
		{ID: "iam.auth.oidc.create", Method: http.MethodPut, Path: oidc, Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: providerBody, NeedBody: true, Schema: oidcCreateSchema, NoIdempotency: true, Handle: a.createOIDC},
		{ID: "iam.auth.oidc.update", Method: http.MethodPatch, Path: oidc, Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: providerBody, NeedBody: true, Schema: oidcUpdateSchema, NoIdempotency: true, Handle: a.updateOIDC},
		{ID: "iam.auth.oidc.delete", Method: http.MethodDelete, Path: oidc, Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: httpapi.NoBody, Handle: a.deleteProvider(iam.OIDC)},
		{ID: "iam.auth.saml.get", Method: http.MethodGet, Path: saml, Access: httpapi.Superuser, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, NoStore: true, Audited: true, Handle: a.getSAML},
		{ID: "iam.auth.saml.create", Method: http.MethodPut, Path: saml, Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: providerBody, NeedBody: true, Schema: samlCreateSchema, Handle: a.createSAML},
		{ID: "iam.auth.saml.update", Method: http.MethodPatch, Path: saml, Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: providerBody, NeedBody: true, Schema: samlUpdateSchema, Handle: a.updateSAML},
		{ID: "iam.auth.saml.delete", Method: http.MethodDelete, Path: saml, Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: httpapi.NoBody, Handle: a.deleteProvider(iam.SAML)},
	}
}

// getOIDC shows a configuration with its client secret, which Terraform and the user interface send back when they change it
// (contract 9, decision 4).
func (a *api) getOIDC(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.provider(r.State, iam.OIDC, r.Param("provider"))
	if err != nil {
		return nil, err
	}
	out := provider.OIDCConfig(p)
	if out.ClientSecret, err = provider.Secret(p, a.Keys); err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: out}, nil
}

func (a *api) getSAML(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.provider(r.State, iam.SAML, r.Param("provider"))
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: provider.SAMLConfig(p)}, nil
}

func (a *api) createOIDC(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in provider.OIDC
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return a.createProvider(ctx, r, in.Record(r.Param("provider"), nil, a.Keys))
}

func (a *api) createSAML(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in provider.SAML
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return a.createProvider(ctx, r, in.Record(r.Param("provider"), nil))
}

func (a *api) createProvider(ctx context.Context, r *httpapi.Request, p *iam.Provider) (*httpapi.Response, error) {
	if err := provider.Check(p); err != nil {
		return nil, err
	}
	return a.submitProvider(ctx, r, http.StatusCreated, p, command.CreateProvider{Provider: *p})
}

// submitProvider warns of a configuration that is accepted, but is no use yet.
func (a *api) submitProvider(ctx context.Context, r *httpapi.Request, status int, p *iam.Provider, c command.Command) (*httpapi.Response, error) {
	answer, err := a.submit(ctx, r, status, c)
	if err != nil {
		return nil, err
	}
	if why := provider.Lacks(p); why != nil {
		a.Logger.WarnContext(ctx, "nobody can log in through this provider yet: set idp_metadata to the whole metadata that the identity provider publishes",
			slog.String("provider", p.ID), slog.Any("why", why), slog.String("request", r.ID))
	}
	return answer, nil
}

func (a *api) updateOIDC(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in provider.OIDC
	old, err := a.decodeUpdate(r, iam.OIDC, &in)
	if err != nil {
		return nil, err
	}
	return a.updateProvider(ctx, r, in.Record(old.ID, old, a.Keys))
}

func (a *api) updateSAML(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in provider.SAML
	old, err := a.decodeUpdate(r, iam.SAML, &in)
	if err != nil {
		return nil, err
	}
	return a.updateProvider(ctx, r, in.Record(old.ID, old))
}

func (a *api) decodeUpdate(r *httpapi.Request, providerType string, in any) (*iam.Provider, error) {
	if err := r.Decode(in); err != nil {
		return nil, err
	}
	return a.provider(r.State, providerType, r.Param("provider"))
}

func (a *api) updateProvider(ctx context.Context, r *httpapi.Request, p *iam.Provider) (*httpapi.Response, error) {
	if err := provider.Check(p); err != nil {
		return nil, err
	}
	return a.submitProvider(ctx, r, http.StatusNoContent, p, command.UpdateProvider{Provider: *p})
}

func (a *api) deleteProvider(providerType string) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		return a.submit(ctx, r, http.StatusNoContent, command.DeleteProvider{Type: providerType, ID: r.Param("provider")})
	}
}

// provider returns the configuration of that type and id.
func (a *api) provider(s *state.State, providerType, id string) (*iam.Provider, error) {
	p, ok := s.Provider(id)
	if !ok || p.Type() != providerType {
		return nil, fault.New(fault.UnknownProvider, "The login provider with ID '%s' is not known", id)
	}
	return p, nil
}
