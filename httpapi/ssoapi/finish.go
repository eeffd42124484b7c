package ssoapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/page"
)

// finish logs somebody in whom the provider of the flow vouches for (contract 5.7). Asking the provider may have taken a while, so the
// state is read anew, and what the flow began with is looked at again (hostile O12, M26).
func (v *visit) finish(ctx context.Context, id login.Identity) (*httpapi.Response, error) {
	v.uid = id.UID
	id.Description = cut(id.Description, maxDescription)
	id.ProviderType, id.ProviderID, id.Version = v.kind, v.flow.Provider, v.flow.Version
	if err := v.r.Refresh(ctx); err != nil {
		return nil, err
	}
	if _, err := v.timely(v.r.State); err != nil {
		return nil, err
	}
	u, _, err := v.api.Login.Admit(ctx, v.r, id)
	if err != nil {
		return nil, err
	}
	if v.flow.Loopback != 0 {
		return v.ask(u), nil
	}
	session, err := v.api.Login.Open(ctx, v.r, u, vouched(u.UID, u.Subject, v.flow.Provider, v.flow.Version))
	if err != nil {
		return nil, err
	}
	v.succeeded("identity confirmed by the login provider")
	return v.end(session), nil
}

// vouched finds the user again in a later state, if it is the same person and the same configuration of the same provider still vouches
// for it.
func vouched(uid, subject, provider string, version uint64) func(*state.State) (*iam.User, error) {
	return func(s *state.State) (*iam.User, error) {
		u, isUser := s.User(uid)
		p, isProvider := s.Provider(provider)
		if !isUser || !isProvider || p.Version != version || !p.Serves(u) || u.Subject != subject {
			return nil, errChanged
		}
		return u, nil
	}
}

var errChanged = refused("The user or the login provider was changed or removed meanwhile.")

// end is what the browser gets. The page with the token sets no cookie at all (contract 5.7), so it leaves that of the flow, which
// is used up, to expire.
func (v *visit) end(session login.Session) *httpapi.Response {
	if v.flow.Target == flow.TokenPage {
		return page.Token(session.Token)
	}
	to := v.flow.Target
	if to == "" {
		to = "/"
	}
	resp := redirect(http.StatusSeeOther, to)
	resp.Cookies = append(v.api.Login.Cookies(session, true), v.api.cleared(v.flow.ID))
	return resp
}

// code sends the browser to the command line that waits for it, with a code and not with the token: URLs are kept in histories and
// logs. Only the command line that began the login can use it (RFC 8252, 7.3 and 8.1).
func (v *visit) code(u *iam.User) *httpapi.Response {
	code := v.api.sealer(v.r.State).SealCode(flow.Code{
		ID: flow.NewID(), UID: u.UID, Type: v.kind, Provider: v.flow.Provider, Version: v.flow.Version, Subject: u.Subject,
		Challenge: v.flow.Challenge, Term: v.r.Term, Ends: v.r.Time.Add(flow.CodeLife).Unix(),
	})
	to := url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(v.flow.Loopback), Path: "/", RawQuery: url.Values{"code": {code}}.Encode()}
	resp := redirect(http.StatusSeeOther, to.String())
	resp.Cookies = []*http.Cookie{v.api.cleared(v.flow.ID)}
	v.record(true, "identity confirmed by the login provider, login code given out")
	return resp
}
