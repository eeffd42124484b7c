package command

import (
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// CreateUser adds a user; it never changes one.
type CreateUser struct {
	User iam.User `json:"user"`
}

// Kind numbers the command.
func (CreateUser) Kind() Kind { return KindCreateUser }

// Apply refuses a uid that is taken by a user or a service account.
func (c CreateUser) Apply(t *state.Txn, _ Header) error {
	if err := c.User.Validate(); err != nil {
		return err
	}
	if _, exists := t.User(c.User.UID); exists {
		return fault.New(fault.UserExists, "User with id `%s` already exists.", c.User.UID)
	}
	t.PutUser(&c.User)
	return nil
}

// UpdateUser changes what is not nil.
type UpdateUser struct {
	UID          string  `json:"uid"`
	Description  *string `json:"description,omitempty"`
	PasswordHash *string `json:"password_hash,omitempty"`
}

// Kind numbers the command.
func (UpdateUser) Kind() Kind { return KindUpdateUser }

// Apply refuses a password for whoever does not log in with one here.
func (c UpdateUser) Apply(t *state.Txn, h Header) error {
	if c.Description == nil && c.PasswordHash == nil {
		return fault.New(fault.InvalidData, "One of `description` and `password` must be provided.")
	}
	u, err := user(t, c.UID)
	if err != nil {
		return err
	}
	if err := delegation(t, h).user(u.UID); err != nil {
		return err
	}
	changed := *u
	if c.Description != nil {
		changed.Description = *c.Description
	}
	if c.PasswordHash != nil {
		if u.Service() {
			return fault.New(fault.InvalidData, "Password update is not available for service user accounts.")
		}
		changed.PasswordHash = *c.PasswordHash
	}
	if err := changed.Validate(); err != nil {
		return err
	}
	t.PutUser(&changed)
	return nil
}

// DeleteUser removes a user with its memberships and grants. It leaves a cut-off behind, so that whoever gets the uid
// next does not inherit tokens.
type DeleteUser struct {
	UID string `json:"uid"`
	// TokenLife is the longest life a token of the user may have, in nanoseconds: so long the cut-off stays.
	TokenLife time.Duration `json:"token_life"`
}

// Kind numbers the command.
func (DeleteUser) Kind() Kind { return KindDeleteUser }

// Apply refuses to delete the last superuser (contract 1.5, 3.4).
func (c DeleteUser) Apply(t *state.Txn, h Header) error {
	u, err := user(t, c.UID)
	if err != nil {
		return err
	}
	if err := delegation(t, h).user(u.UID); err != nil {
		return err
	}
	if c.TokenLife < 0 {
		return fault.New(fault.InvalidData, "The token life must not be negative.")
	}
	if iam.Superuser(t, u.UID) && !t.AnotherSuperuser(u.UID) {
		return errLastSuperuser()
	}
	t.DeleteUser(u.UID)
	notBefore := NextSecond(h.Time)
	t.PutCutoff(u.UID, notBefore, notBefore.Add(c.TokenLife))
	return nil
}

// NextSecond is the full second after the instant. A cut-off is one: the tokens of the running second may carry its
// start as their iat, and must be refused too.
func NextSecond(now time.Time) time.Time { return now.Truncate(time.Second).Add(time.Second) }

// RehashPassword replaces a hash by one of the same password under better parameters.
type RehashPassword struct {
	UID     string `json:"uid"`
	OldHash string `json:"old_hash"`
	NewHash string `json:"new_hash"`
}

// Kind numbers the command.
func (RehashPassword) Kind() Kind { return KindRehashPassword }

// Apply changes nothing when the password was changed meanwhile.
func (c RehashPassword) Apply(t *state.Txn, _ Header) error {
	u, err := user(t, c.UID)
	if err != nil {
		return err
	}
	if c.OldHash == "" || u.PasswordHash != c.OldHash {
		return fault.New(fault.Conflict, "The password of user `%s` was changed meanwhile.", u.UID)
	}
	changed := *u
	changed.PasswordHash = c.NewHash
	if err := changed.Validate(); err != nil {
		return err
	}
	t.PutUser(&changed)
	return nil
}

// user returns the user, or ERR_UNKNOWN_USER_ID.
func user(t *state.Txn, uid string) (*iam.User, error) {
	u, ok := t.User(uid)
	if !ok {
		return nil, fault.New(fault.UnknownUser, "User with uid `%s` not known.", uid)
	}
	return u, nil
}
