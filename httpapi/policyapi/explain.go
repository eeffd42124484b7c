package policyapi

import (
	"context"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// explanation is a decision with all its reasons.
type explanation struct {
	Allowed   bool        `json:"allowed"`
	Superuser bool        `json:"superuser"`
	UID       string      `json:"uid"`
	RID       string      `json:"rid"`
	Action    string      `json:"action"`
	Paths     []pathEntry `json:"paths"`
}

// pathEntry is one grant that allows what was asked: to a group, or directly.
type pathEntry struct {
	RID     string   `json:"rid"`
	Actions []string `json:"actions"`
	GID     string   `json:"gid,omitempty"`
}

// explain answers GET explain: to everybody about himself, to who may read permissions about everybody.
func (a *api) explain(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q, err := asked(r.Query)
	if err != nil {
		return nil, err
	}
	if q.uid != r.Caller.UID && !a.options.Open && !iam.Authorize(r.State, r.Caller.UID, iam.AdminRouterACS, iam.Full) {
		return nil, fault.New(fault.Forbidden, "User `%s` is not allowed to ask about others.", r.Caller.UID)
	}
	if _, known := r.State.User(q.uid); !known {
		return nil, fault.New(fault.UnknownUser, "User with uid `%s` not known.", q.uid)
	}
	d := iam.Explain(r.State, q.uid, q.rid, q.action)
	out := explanation{Allowed: d.Allowed, Superuser: d.Superuser, UID: q.uid, RID: q.rid, Action: q.action.String(),
		Paths: make([]pathEntry, len(d.Paths))}
	for i, p := range d.Paths {
		out.Paths[i] = pathEntry{RID: p.RID, Actions: p.Actions.Names(), GID: p.GID}
	}
	a.decide(r, fromExplain, q)
	return &httpapi.Response{Body: out}, nil
}
