package command

import (
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// ResetSuperuser gives a user a password and makes it a superuser, creating whatever is missing (contract 3.4). It is
// the way back in for an operator on a master.
type ResetSuperuser struct {
	UID          string `json:"uid"`
	PasswordHash string `json:"password_hash"`
}

// Steps says which steps of ResetSuperuser changed something; the others found it done.
type Steps struct {
	UserCreated, PasswordUpdated, ACLCreated, GroupCreated, PermissionSet, MemberAdded bool
}

// Kind numbers the command.
func (ResetSuperuser) Kind() Kind { return KindResetSuperuser }

// Apply refuses users that have no password here: service accounts and remote users.
func (c ResetSuperuser) Apply(t *state.Txn, h Header) error {
	_, err := c.applySteps(t, h)
	return err
}

func (c ResetSuperuser) applySteps(t *state.Txn, h Header) (*Steps, error) {
	steps, err := c.setPassword(t, h)
	if err != nil {
		return nil, err
	}
	ensured := ensureSuperusers(t)
	steps.ACLCreated, steps.GroupCreated, steps.PermissionSet = ensured.ACLCreated, ensured.GroupCreated, ensured.PermissionSet
	if !t.Member(iam.SuperuserGroup, c.UID) {
		t.PutMembership(iam.SuperuserGroup, c.UID)
		steps.MemberAdded = true
	}
	return &steps, nil
}

func (c ResetSuperuser) setPassword(t *state.Txn, h Header) (Steps, error) {
	u, exists := t.User(c.UID)
	switch {
	case !exists:
		created := iam.User{UID: c.UID, PasswordHash: c.PasswordHash, ProviderType: iam.Internal}
		return Steps{UserCreated: true}, CreateUser{User: created}.Apply(t, h)
	case u.Remote():
		return Steps{}, fault.New(fault.InvalidData, "User `%s` logs in through %s, it has no password here.", u.UID, u.ProviderType)
	case u.PasswordHash == c.PasswordHash:
		return Steps{}, nil
	}
	return Steps{PasswordUpdated: true}, UpdateUser{UID: c.UID, PasswordHash: &c.PasswordHash}.Apply(t, h)
}

// ensureSuperusers creates what makes members of the superusers group superusers, as far as it is missing.
func ensureSuperusers(t *state.Txn) (steps Steps) {
	if _, ok := t.ACL(iam.SuperuserRID); !ok {
		t.PutACL(&iam.ACL{RID: iam.SuperuserRID, Description: iam.SuperuserACLDescription})
		steps.ACLCreated = true
	}
	if _, ok := t.Group(iam.SuperuserGroup); !ok {
		t.PutGroup(&iam.Group{GID: iam.SuperuserGroup, Description: iam.SuperuserGroupDescription, ProviderType: iam.Internal})
		steps.GroupCreated = true
	}
	actions := t.GroupActions(iam.SuperuserGroup, iam.SuperuserRID)
	if !actions.Has(iam.Full) {
		t.PutGrant(state.Grant{RID: iam.SuperuserRID, Principal: iam.SuperuserGroup, Group: true, Actions: actions | iam.Full})
		steps.PermissionSet = true
	}
	return steps
}
