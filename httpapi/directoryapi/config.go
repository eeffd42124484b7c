package directoryapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login/ldap"
)

// getConfig shows the configuration with its secrets, which the user interface sends back when it changes something else
// (contract 4.2; contract 9, decision 4).
func (a *API) getConfig(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	config, err := a.config(r.State)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: ldap.DocumentOf(config)}, nil
}

// putConfig replaces the whole configuration. It does not ask the directory, which may be down.
func (a *API) putConfig(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in ldap.Document
	if !r.JSON {
		return nil, r.Decode(&in)
	}
	if err := state.Strict(r.Body, &in); err != nil {
		return nil, iam.InvalidDirectory("%s", whatIsWrong(err))
	}
	config, err := in.Config()
	if err != nil {
		return nil, iam.InvalidDirectory("%v", err)
	}
	outcome, err := a.Submitter.Submit(ctx, a.header(r), command.PutDirectory{Directory: *config.Record(a.Keys)})
	if err != nil {
		return nil, err
	}
	resp := &httpapi.Response{Status: http.StatusOK, Body: struct{}{}, Index: outcome.Index}
	if warning := leavesOpen(config); warning != "" {
		a.Logger.Warn("the directory is configured without protection", "why", warning, "directory", config)
		resp.Header = http.Header{httpapi.HeaderWarning: {warning}}
	}
	return resp, nil
}

// leavesOpen says what a configuration leaves open; "" when it leaves nothing.
func leavesOpen(c *ldap.Config) string {
	switch {
	case !c.LDAPS && !c.EnforceStartTLS:
		return "The directory may be asked without TLS: passwords can be read on the way. Set use-ldaps or enforce-starttls, and ca-certs."
	case c.CACerts == "":
		return "The certificate of the directory is not verified: whoever stands in between reads passwords. Set ca-certs."
	}
	return ""
}

// whatIsWrong names the member of a document that cannot be read. It repeats no value.
func whatIsWrong(err error) string {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return "the document is not a JSON object"
	}
	member := strings.ReplaceAll(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/", ".")
	if errors.Is(err, json.ErrUnknownName) {
		return "`" + iam.Excerpt(member) + "` is not a member of it"
	}
	return "`" + iam.Excerpt(member) + "` has a value of the wrong type"
}

func (a *API) deleteConfig(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	h := a.header(r)
	if r.Idempotency != nil {
		h.Idempotency = &command.Idempotency{UID: r.Caller.UID, Key: r.Idempotency.Key, Hash: r.Idempotency.Hash, Status: http.StatusNoContent}
	}
	outcome, err := a.Submitter.Submit(ctx, h, command.DeleteDirectory{})
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Status: http.StatusNoContent, Index: outcome.Index}, nil
}

// testResult is LDAPTestResultObject of the published description.
type testResult struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

// testConfig tries the configuration from the master that was asked, with somebody's credentials (contract 4.4).
func (a *API) testConfig(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		UID      string `json:"uid"`
		Password string `json:"password"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	config, err := a.config(r.State)
	if err != nil {
		return nil, err
	}
	if in.UID == "" || strings.Trim(in.Password, " \x00") == "" {
		return nil, fault.New(fault.BadRequest, "`uid` and `password` must not be empty strings")
	}
	if err := iam.ValidateUID(in.UID); err != nil {
		return nil, err
	}
	result := a.Directory.Probe(ctx, config, in.UID, in.Password)
	r.Audit(httpapi.Record{Action: r.Route.ID, Object: "user " + in.UID, Allow: true, Reason: "the directory was asked: " + result.Code})
	status := http.StatusOK
	if !result.OK {
		status = http.StatusBadGateway
	}
	return &httpapi.Response{Status: status, Body: testResult{result.Code, result.Description}}, nil
}
