package iamapi

import (
	"context"
	"iter"
	"net/http"

	"gatehouse/fsm/state"
	"gatehouse/httpapi"
)

// What somebody may do, told from the resource, from the group and from the user (contract 1.8, 1.9).
type (
	userEntry struct {
		UID     string   `json:"uid"`
		UserURL string   `json:"userurl"`
		Actions []action `json:"actions"`
	}
	groupEntry struct {
		GID      string   `json:"gid"`
		GroupURL string   `json:"groupurl"`
		Actions  []action `json:"actions"`
	}
	permission struct {
		RID         string   `json:"rid"`
		Description string   `json:"description"`
		ACLURL      string   `json:"aclurl"`
		Actions     []action `json:"actions"`
	}
	inherited struct {
		RID           string   `json:"rid"`
		GID           string   `json:"gid"`
		Description   string   `json:"description"`
		ACLURL        string   `json:"aclurl"`
		MembershipURL string   `json:"membershipurl"`
		Actions       []action `json:"actions"`
	}
)

// listACLPermissions lists who may do what with a resource.
func (a *api) listACLPermissions(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	found, err := aclOf(r)
	if err != nil {
		return nil, err
	}
	groups := mapped(granted(r.State, found.RID, true), func(g *state.Grant) groupEntry {
		return groupEntry{g.Principal, groupURL(g.Principal), actionsOf(g)}
	})
	users := mapped(granted(r.State, found.RID, false), func(g *state.Grant) userEntry {
		return userEntry{g.Principal, userURL(g.Principal), actionsOf(g)}
	})
	return &httpapi.Response{Stream: httpapi.StreamLists(httpapi.ListOf("groups", groups), httpapi.ListOf("users", users))}, nil
}

// granted yields the grants on a resource of groups, or of users.
func granted(s *state.State, rid string, groups bool) iter.Seq[*state.Grant] {
	return func(yield func(*state.Grant) bool) {
		for g := range s.Grants(rid) {
			if g.Group == groups && !yield(g) {
				return
			}
		}
	}
}

func (a *api) listGroupPermissions(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	g, err := groupOf(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Stream: httpapi.StreamArray(permissionsOf(r.State, g.GID, true))}, nil
}

func permissionsOf(s *state.State, principal string, isGroup bool) iter.Seq[permission] {
	return mapped(s.GrantsOf(principal, isGroup), func(g *state.Grant) permission {
		return permission{g.RID, descriptionOf(s, g.RID), aclURL(g.RID), actionsOf(g)}
	})
}

// permissionsAge lets a browser keep a user's permissions for 5 s: the user interface asks for them with every page
// (contract 1.9). No other cache may, and none the answer to somebody else.
var permissionsAge = http.Header{"Cache-Control": {"max-age=5, private"}, "Vary": {"Authorization, Cookie"}}

// listUserPermissions lists what a user may do by itself and through its groups.
func (a *api) listUserPermissions(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	u, err := userOf(r)
	if err != nil {
		return nil, err
	}
	direct := httpapi.ListOf("direct", permissionsOf(r.State, u.UID, false))
	groups := httpapi.ListOf("groups", inheritedBy(r.State, u.UID))
	return &httpapi.Response{Stream: httpapi.StreamLists(direct, groups), Header: permissionsAge}, nil
}

func inheritedBy(s *state.State, uid string) iter.Seq[inherited] {
	return func(yield func(inherited) bool) {
		for gid := range s.GroupsOf(uid) {
			for g := range s.GrantsOf(gid, true) {
				if !yield(inherited{g.RID, gid, descriptionOf(s, g.RID), aclURL(g.RID), membershipURL(gid, uid), actionsOf(g)}) {
					return
				}
			}
		}
	}
}

func descriptionOf(s *state.State, rid string) string {
	if found, ok := s.ACL(rid); ok {
		return found.Description
	}
	return ""
}
