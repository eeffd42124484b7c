package iamapi

import (
	"context"
	"iter"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/cutoff"
)

// user is the user object of contract 1.2.
type user struct {
	UID          string `json:"uid"`
	Description  string `json:"description"`
	URL          string `json:"url"`
	IsRemote     bool   `json:"is_remote"`
	IsService    bool   `json:"is_service"`
	ProviderType string `json:"provider_type"`
	ProviderID   string `json:"provider_id"`
	PublicKey    string `json:"public_key,omitempty"`
}

func wireUser(u *iam.User) user {
	return user{
		UID:          u.UID,
		Description:  u.Description,
		URL:          userURL(u.UID),
		IsRemote:     u.Remote(),
		IsService:    u.Service(),
		ProviderType: u.ProviderType,
		ProviderID:   u.ProviderID,
		PublicKey:    u.PublicKey,
	}
}

func userURL(uid string) string { return prefix + "/users/" + uid }

// array is how collections are written: never as a bare array (contract 0.2).
type array[T any] struct {
	Array []T `json:"array"`
}

// listUsers lists the regular users, or with ?type=service the service accounts. Any other type is no filter.
func (a *api) listUsers(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Stream: httpapi.StreamArray(wireUsers(r.State, wantsServices(r)))}, nil
}

func wantsServices(r *httpapi.Request) bool { return r.Query.Get("type") == "service" }

// wireUsers yields the service accounts, or all others, as they are needed: there may be more than fit into an answer.
func wireUsers(s *state.State, services bool) iter.Seq[user] {
	return func(yield func(user) bool) {
		for u := range s.Users() {
			if u.Service() == services && !yield(wireUser(u)) {
				return
			}
		}
	}
}

func (a *api) getUser(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	u, err := userOf(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: wireUser(u)}, nil
}

// userOf is the user that the path names.
func userOf(r *httpapi.Request) (*iam.User, error) {
	u, ok := r.State.User(r.Param("uid"))
	if !ok {
		return nil, unknownUser(r.Param("uid"))
	}
	return u, nil
}

// deleteUser removes the user and all that hangs on it. Its tokens are refused from then on, also when the uid is created again.
func (a *api) deleteUser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	uid := r.Param("uid")
	h := a.header(r, http.StatusNoContent)
	outcome, err := a.Submitter.Submit(ctx, h, command.DeleteUser{UID: uid, TokenLife: cutoff.LongestTokenLife})
	if err != nil {
		return nil, err
	}
	if !outcome.Replayed {
		if _, err := a.cutoffs().CatchUp(ctx, r, uid, command.NextSecond(h.Time)); err != nil {
			return nil, err
		}
	}
	return &httpapi.Response{Status: http.StatusNoContent, Index: outcome.Index}, nil
}

func unknownUser(uid string) error {
	return fault.New(fault.UnknownUser, "User with uid `%s` not known.", uid)
}
