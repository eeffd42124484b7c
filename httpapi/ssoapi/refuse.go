package ssoapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/oidc"
	"gatehouse/httpapi/login/saml"
	"gatehouse/httpapi/login/web"
	"gatehouse/httpapi/page"
)

// The results of logins, as metric labels.
const (
	resultOK     = "ok"
	resultDenied = "denied"
	resultBusy   = "busy"
	resultError  = "error"
)

// refusal is why somebody is not logged in: a sentence for the person, the audit record and the log, in our words alone.
type refusal struct{ reason string }

func (e *refusal) Error() string { return e.reason }

func refused(reason string) error { return &refusal{reason} }

// answer renders what became of a visit. A refusal takes the cookie of the flow with it, which nobody needs any more; people with a
// browser get it as a page. What has a leader looked for again is passed on, unless something was used up, which a second run would
// take for a replay.
func (v *visit) answer(ctx context.Context, resp *httpapi.Response, err error) (*httpapi.Response, error) {
	if err == nil {
		return resp, nil
	}
	lost := fault.Is(err, fault.NoLeader) || fault.Is(err, fault.LeaderChanged)
	if lost && !v.spent {
		return nil, err
	}
	f, result, reason := v.judge(err)
	v.log(ctx, result, err)
	v.count(result)
	v.record(false, reason)
	switch {
	case f == nil:
		return nil, err // none of those that have a sentence: the funnel logs it
	case lost:
		return nil, f // which stands, whoever leads now
	}
	resp = v.r.Refusal(f)
	if v.cookie != "" && (v.spent || result != resultBusy) { // who is to try again needs it
		resp.Cookies = append(resp.Cookies, v.api.cleared(v.cookie))
	}
	return resp, nil
}

// judge says what the client, the metrics and the audit trail are told of an error.
func (v *visit) judge(err error) (f *fault.Error, result, reason string) {
	var own *refusal
	var byOIDC *oidc.RefusedError
	var bySAML *saml.RefusedError
	var unreachable *oidc.UnreachableError
	switch {
	case errors.As(err, &own):
		reason = own.reason
	case errors.As(err, &byOIDC):
		reason = byOIDC.Reason
	case errors.As(err, &bySAML):
		reason = bySAML.Reason
	case fault.Is(err, fault.NoLeader), fault.Is(err, fault.LeaderChanged):
		return errLostGrip, resultBusy, errLostGrip.Description
	case errors.Is(err, web.ErrBusy):
		return errBusy, resultBusy, errBusy.Description
	case fault.Is(err, fault.Conflict): // between the answer of the provider and the log
		reason = errChanged.Error()
	case errors.Is(err, login.ErrOtherSubject) && errors.As(err, &f):
		return f, resultDenied, login.ErrOtherSubject.Error()
	case errors.As(err, &f):
		return f, resultOf(f), f.Description
	case errors.As(err, &unreachable), errors.Is(err, context.DeadlineExceeded):
		reason = "The login provider could not be asked."
		return v.failed(reason), resultError, reason
	default:
		return nil, resultError, "not decided: error"
	}
	return v.failed(reason), resultDenied, reason
}

func resultOf(f *fault.Error) string {
	switch f.Code {
	case fault.CannotImportUser:
		return resultDenied
	case fault.Busy, fault.Throttled:
		return resultBusy
	}
	return resultError
}

// failed is the answer to a login that did not succeed (contract 5.5, 5.6).
func (v *visit) failed(reason string) *fault.Error {
	if v.kind == iam.SAML {
		return fault.New(fault.SSOFailed, "SAML SSO authentication not successful. %s", reason)
	}
	return fault.New(fault.SSOFailed, "OpenID Connect authentication not successful. %s", reason)
}

// failurePage shows to people with a browser why they are not signed in.
func failurePage(r *httpapi.Request, f *fault.Error) *httpapi.Response {
	if !r.AcceptsPages() || f.Code == fault.MissingQueryParameters { // what no page of ours asks for
		return nil
	}
	return page.Error("You are not signed in", f.Description, "/login")
}

// log tells an operator what the client is not told.
func (v *visit) log(ctx context.Context, result string, err error) {
	level := slog.LevelInfo
	if result == resultError {
		level = slog.LevelWarn
	}
	v.api.Logger.Log(ctx, level, "login through an identity provider failed",
		slog.String("provider", v.shownProvider()), slog.String("kind", v.kind), slog.Any("error", err), slog.String("request", v.r.ID))
}

// succeeded counts and audits a login.
func (v *visit) succeeded(reason string) {
	v.count(resultOK)
	v.record(true, reason)
}

func (v *visit) count(result string) { v.r.CountLogin(v.kind, result) }

func (v *visit) record(allow bool, reason string) {
	v.r.Audit(httpapi.Record{Component: login.Component, UID: login.Shown(v.uid), Action: v.kind + "-login", Object: v.shownProvider(), Allow: allow, Reason: reason})
}

// shownProvider is the provider as it may stand in logs and records: of SAML it comes from the path.
func (v *visit) shownProvider() string {
	return cmp.Or(login.Shown(v.provider), "unknown")
}
