package iamapi

import (
	"context"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
)

// action is the action object of contract 1.8.
type action struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// actionsOf lists what a grant allows, in the fixed order of the actions.
func actionsOf(g *state.Grant) []action {
	names := g.Actions.Names()
	base := aclURL(g.RID) + "/users/" + g.Principal + "/"
	if g.Group {
		base = aclURL(g.RID) + "/groups/" + g.Principal + "/"
	}
	list := make([]action, len(names))
	for i, name := range names {
		list[i] = action{name, base + name}
	}
	return list
}

// grants are the five rows on one entry of an ACL. They are the same for users and for groups.
type grants struct {
	*api
	group bool
}

// principal is the uid or the gid in the path.
func (g grants) principal(r *httpapi.Request) string {
	if g.group {
		return r.Param("gid")
	}
	return r.Param("uid")
}

// entry is what the principal may do with the resource: no actions if it has no entry. Both must exist.
func (g grants) entry(r *httpapi.Request) (*state.Grant, error) {
	found, err := aclOf(r)
	if err != nil {
		return nil, err
	}
	if g.group {
		_, err = groupOf(r)
	} else {
		_, err = userOf(r)
	}
	if err != nil {
		return nil, err
	}
	who := g.principal(r)
	return &state.Grant{RID: found.RID, Principal: who, Group: g.group, Actions: r.State.Actions(found.RID, who, g.group)}, nil
}

func (g grants) list(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	entry, err := g.entry(r)
	switch {
	case err != nil:
		return nil, err
	case entry.Actions == 0 && g.group:
		return nil, fault.New(fault.GroupNotInACL, "Group `%s` is not part of ACL for resource `%s`", entry.Principal, entry.RID)
	case entry.Actions == 0:
		return nil, fault.New(fault.UserNotInACL, "User `%s` is not part of ACL for resource `%s`", entry.Principal, entry.RID)
	}
	return &httpapi.Response{Body: array[action]{actionsOf(entry)}}, nil
}

// allowed is the answer of a question about one action, and of a policy query.
type allowed struct {
	Allowed bool `json:"allowed"`
}

// get looks up exactly this action of exactly this principal: neither full nor a group nor a superuser's rights count
// (contract 1.8).
func (g grants) get(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	asked, err := iam.ParseAction(r.Param("action"))
	if err != nil {
		return nil, err
	}
	entry, err := g.entry(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: allowed{entry.Actions.Has(asked)}}, nil
}

// grant allows one action. It reads no body.
func (g grants) grant(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	asked, err := iam.ParseAction(r.Param("action"))
	if err != nil {
		return nil, err
	}
	return g.submit(ctx, r, http.StatusNoContent, command.GrantAction{RID: r.Param("rid"), Principal: g.principal(r), Group: g.group, Action: asked})
}

func (g grants) revoke(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	asked, err := iam.ParseAction(r.Param("action"))
	if err != nil {
		return nil, err
	}
	return g.submit(ctx, r, http.StatusNoContent, command.RevokeAction{RID: r.Param("rid"), Principal: g.principal(r), Group: g.group, Action: asked})
}

func (g grants) revokeAll(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return g.submit(ctx, r, http.StatusNoContent, command.RevokeAllActions{RID: r.Param("rid"), Principal: g.principal(r), Group: g.group})
}
