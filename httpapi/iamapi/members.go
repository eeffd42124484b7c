package iamapi

import (
	"context"
	"iter"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
)

// member is one user of a group, and membership one group of a user (contract 1.1).
type (
	member struct {
		MembershipURL string `json:"membershipurl"`
		User          user   `json:"user"`
	}
	membership struct {
		MembershipURL string `json:"membershipurl"`
		Group         group  `json:"group"`
	}
)

func membershipURL(gid, uid string) string { return groupURL(gid) + "/users/" + uid }

// listMembers lists the regular users in a group, or with ?type=service the service accounts.
func (a *api) listMembers(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	g, err := groupOf(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Stream: httpapi.StreamArray(membersOf(r.State, g.GID, wantsServices(r)))}, nil
}

func membersOf(s *state.State, gid string, services bool) iter.Seq[member] {
	return func(yield func(member) bool) {
		for uid := range s.Members(gid) {
			u, ok := s.User(uid)
			if ok && u.Service() == services && !yield(member{membershipURL(gid, uid), wireUser(u)}) {
				return
			}
		}
	}
}

// addMember puts a user or a service account into a group. It reads no body.
func (a *api) addMember(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.submit(ctx, r, http.StatusNoContent, command.AddMember{GID: r.Param("gid"), UID: r.Param("uid")})
}

func (a *api) removeMember(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.submit(ctx, r, http.StatusNoContent, command.RemoveMember{GID: r.Param("gid"), UID: r.Param("uid")})
}

// listGroupsOfUser lists the groups that a user or a service account is in.
func (a *api) listGroupsOfUser(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	u, err := userOf(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Stream: httpapi.StreamArray(membershipsOf(r.State, u.UID))}, nil
}

func membershipsOf(s *state.State, uid string) iter.Seq[membership] {
	return func(yield func(membership) bool) {
		for gid := range s.GroupsOf(uid) {
			if g, ok := s.Group(gid); ok && !yield(membership{membershipURL(gid, uid), wireGroup(g)}) {
				return
			}
		}
	}
}
