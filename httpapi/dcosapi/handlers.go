package dcosapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

const textContentType = "text/plain; charset=utf-8"

// root answers what stands at the address of the cluster. Command lines ask for it, with HEAD, to learn where redirects lead.
func (a *api) root(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if a.Browser != nil && r.Method == http.MethodGet && r.AcceptsPages() {
		resp, err := a.Browser(ctx, r)
		if err != nil {
			return nil, err
		}
		resp.Header.Set("Vary", "Accept")
		return resp, nil
	}
	text := fmt.Sprintf("This is Gatehouse %s, the identity and access management of a DC/OS-style cluster.\n"+
		"Its API is at /acs/api/v1, its health at /gatehouse/v1/health, and its description at /gatehouse/v1/openapi.yaml.\n", a.Version)
	return &httpapi.Response{Raw: []byte(text), ContentType: textContentType, Header: http.Header{"Vary": {"Accept"}}}, nil
}

// versionBody is what DC/OS says of itself, without the two members that name an image of DC/OS: there is none.
type versionBody struct {
	Version string `json:"version"`
	Variant string `json:"dcos-variant"`
}

// version tells which API is spoken, and in whose habits: a command line chooses its plugins by it.
func (a *api) version(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Body: versionBody{Version: a.DCOSVersion, Variant: string(a.Edition)}}, nil
}

// ca hands out the certificate authority, so that a client can show its fingerprint to a person and then trust it.
func (a *api) ca(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	var pem []byte
	if a.CA != nil {
		pem = a.CA()
	}
	if len(pem) == 0 {
		return nil, fault.New(fault.NotFound, "no certificate authority")
	}
	return &httpapi.Response{Raw: pem, ContentType: "application/x-x509-ca-cert"}, nil
}

// packageInfo says what one installed package was built from.
type packageInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
}

// buildInfo lists the packages of this master: there is one. Command lines ask for it without a token, to see the challenge, and
// with one, to see whether it is good (contract 2.2).
func (a *api) buildInfo(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Body: map[string]packageInfo{"gatehouse": {Version: a.Version, Commit: a.Commit}}}, nil
}

// metadataBody names the cluster. An address that is not known is left out.
type metadataBody struct {
	PublicIP  string `json:"PUBLIC_IPV4,omitempty"`
	ClusterID string `json:"CLUSTER_ID"`
}

func (a *api) metadata(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Body: metadataBody{PublicIP: a.PublicIP, ClusterID: a.id(r)}}, nil
}

// stateSummary tells the cluster's name. There is no Mesos here whose agents and frameworks it could tell of.
func (a *api) stateSummary(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Body: map[string]string{"cluster": cmp.Or(a.ClusterName, a.id(r))}}, nil
}

// id is the id that clients know the cluster by.
func (a *api) id(r *httpapi.Request) string { return cmp.Or(a.ClusterID, r.State.Meta().ClusterID) }

// acs is the base path itself. Clients look here whether a token is wanted (contract 2.2); who has one finds nothing.
func (a *api) acs(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return nil, fault.New(fault.NotFound, "no such route")
}
