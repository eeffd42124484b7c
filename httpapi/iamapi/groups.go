package iamapi

import (
	"context"
	"iter"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// group is the group object of contract 1.6.
type group struct {
	GID          string `json:"gid"`
	Description  string `json:"description"`
	URL          string `json:"url"`
	ProviderType string `json:"provider_type"`
}

func wireGroup(g *iam.Group) group {
	return group{GID: g.GID, Description: g.Description, URL: groupURL(g.GID), ProviderType: g.ProviderType}
}

func groupURL(gid string) string { return prefix + "/groups/" + gid }

var groupCreateSchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{
	{Name: "description", Type: httpapi.String, Required: true},
	{Name: "provider_type", Type: httpapi.String},
}}

// descriptionSchema is the body that creates an ACL, and that changes an ACL or a group (contract 1.7).
var descriptionSchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{
	{Name: "description", Type: httpapi.String, Required: true},
}}

// described is a body of descriptionSchema.
type described struct {
	Description string `json:"description"`
}

func (a *api) listGroups(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Stream: httpapi.StreamArray(mapped(r.State.Groups(), wireGroup))}, nil
}

func (a *api) getGroup(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	g, err := groupOf(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: wireGroup(g)}, nil
}

// createGroup adds a group; it never changes one.
func (a *api) createGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		described
		ProviderType *string `json:"provider_type"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	g := iam.Group{GID: r.Param("gid"), Description: in.Description, ProviderType: iam.Internal}
	if in.ProviderType != nil {
		g.ProviderType = *in.ProviderType
	}
	return a.submit(ctx, r, http.StatusCreated, command.CreateGroup{Group: g})
}

func (a *api) updateGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in described
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return a.submit(ctx, r, http.StatusNoContent, command.UpdateGroup{GID: r.Param("gid"), Description: &in.Description})
}

// deleteGroup removes the group with its memberships and permissions.
func (a *api) deleteGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.submit(ctx, r, http.StatusNoContent, command.DeleteGroup{GID: r.Param("gid")})
}

// groupOf is the group that the path names.
func groupOf(r *httpapi.Request) (*iam.Group, error) {
	g, ok := r.State.Group(r.Param("gid"))
	if !ok {
		return nil, fault.New(fault.UnknownGroup, "Group with gid `%s` not known.", r.Param("gid"))
	}
	return g, nil
}

// mapped yields what f makes of each value.
func mapped[A, B any](values iter.Seq[A], f func(A) B) iter.Seq[B] {
	return func(yield func(B) bool) {
		for v := range values {
			if !yield(f(v)) {
				return
			}
		}
	}
}
