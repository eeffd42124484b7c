package iamapi

import (
	"context"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// userUpdate is UserUpdate of contract 1.4, with current_password of decision 25.
type userUpdate struct {
	Description     *string `json:"description"`
	Password        *string `json:"password"`
	CurrentPassword *string `json:"current_password"`
}

var userUpdateSchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{
	{Name: "description", Type: httpapi.String},
	{Name: "password", Type: httpapi.String},
	{Name: "current_password", Type: httpapi.String},
}}

// updateUser changes a description, a password or both (contract 1.4).
func (a *api) updateUser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in userUpdate
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if r.OwnRight && (in.Password == nil || in.Description != nil) {
		return nil, fault.New(fault.Forbidden, "User `%s` may change nothing but its own password.", r.Caller.UID)
	}
	change := command.UpdateUser{UID: r.Param("uid"), Description: in.Description}
	if err := in.check(r); err != nil {
		return nil, err
	}
	if in.Password != nil {
		if err := a.checkCurrent(ctx, r, &in); err != nil {
			return nil, err
		}
		hash, err := a.hash(ctx, *in.Password)
		if err != nil {
			return nil, err
		}
		change.PasswordHash = &hash
	}
	return a.submit(ctx, r, http.StatusNoContent, change)
}

// check refuses what cannot be applied, in the contract's order.
func (in *userUpdate) check(r *httpapi.Request) error {
	if in.Description == nil && in.Password == nil {
		return fault.New(fault.InvalidData, "One of `description` and `password` must be provided.")
	}
	u, ok := r.State.User(r.Param("uid"))
	if !ok && !repeated(r) {
		return unknownUser(r.Param("uid"))
	}
	if in.Password != nil {
		if err := in.checkPassword(u); err != nil {
			return err
		}
	}
	return iam.ValidateDescription(text(in.Description))
}

// checkPassword refuses a password for who logs in otherwise. u is nil when a repeated request finds the user gone.
func (in *userUpdate) checkPassword(u *iam.User) error {
	switch {
	case u != nil && u.Service():
		return fault.New(fault.InvalidData, "Password update is not available for service user accounts.")
	case u != nil && u.Remote():
		return fault.New(fault.InvalidData, "external provider: `password` is unexpected")
	}
	return iam.ValidatePassword(*in.Password)
}

// checkCurrent asks who changes its own password for the old one: a stolen token or an unattended browser must not be enough to take
// the account over. Superusers are not asked (contract 9, decisions 16 and 25). Guessing is throttled like a login.
func (a *api) checkCurrent(ctx context.Context, r *httpapi.Request, in *userUpdate) error {
	uid := r.Caller.UID
	if r.Param("uid") != uid || iam.Superuser(r.State, uid) || repeated(r) {
		return nil
	}
	u, ok := r.State.User(uid)
	if !ok {
		return unknownUser(uid)
	}
	if in.CurrentPassword == nil {
		return fault.New(fault.InvalidData, "`current_password` must be provided to change one's own password.")
	}
	right, err := a.Login.Confirm(ctx, r, u, *in.CurrentPassword)
	if err != nil {
		return err
	}
	if !right {
		return fault.New(fault.InvalidData, "`current_password` is wrong.")
	}
	return nil
}
