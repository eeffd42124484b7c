package command

import (
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// MaxSynced is how many users, groups and memberships one command brings in line with the directory.
const MaxSynced = 2000

// SyncDirectory brings users and groups in line with the directory (contract 4.6, 4.7). It touches only those that came
// from there, passes over what has changed meanwhile, and does all of the rest or, when the cluster must not lose it,
// nothing.
type SyncDirectory struct {
	// Version is that of the configuration under which the directory was asked.
	Version uint64 `json:"version"`
	// What is created comes first, then memberships, then what is removed.
	CreateUsers   []iam.User         `json:"create_users,omitempty"`
	CreateGroups  []iam.Group        `json:"create_groups,omitempty"`
	AddMembers    []state.Membership `json:"add_members,omitempty"`
	RemoveMembers []state.Membership `json:"remove_members,omitempty"`
	RemoveUsers   []string           `json:"remove_users,omitempty"`
	RemoveGroups  []string           `json:"remove_groups,omitempty"`
	// TokenLife is the longest life a token may have, in nanoseconds: so long the cut-offs of removed users stay.
	TokenLife time.Duration `json:"token_life,omitempty"`
}

// Kind numbers the command.
func (SyncDirectory) Kind() Kind { return KindSyncDirectory }

// Items is how much the command asks for.
func (c SyncDirectory) Items() int {
	return len(c.CreateUsers) + len(c.CreateGroups) + len(c.AddMembers) + len(c.RemoveMembers) + len(c.RemoveUsers) + len(c.RemoveGroups)
}

// Apply refuses a group that exists, which an import must not take over. That a superuser is left is checked at the end of
// every command.
func (c SyncDirectory) Apply(t *state.Txn, h Header) error {
	if err := c.check(t, h); err != nil {
		return err
	}
	for i := range c.CreateUsers {
		if err := importUser(t, &c.CreateUsers[i]); err != nil {
			return err
		}
	}
	for i := range c.CreateGroups {
		if err := importGroup(t, &c.CreateGroups[i]); err != nil {
			return err
		}
	}
	for _, m := range c.AddMembers {
		if g, u, ok := imported(t, m); ok && !t.Member(g.GID, u.UID) {
			t.PutMembership(g.GID, u.UID)
		}
	}
	for _, m := range c.RemoveMembers {
		if g, u, ok := imported(t, m); ok && t.Member(g.GID, u.UID) {
			t.DeleteMembership(g.GID, u.UID)
		}
	}
	return c.remove(t, h)
}

func (c SyncDirectory) check(t *state.Txn, h Header) error {
	d, err := directory(t)
	if err != nil {
		return err
	}
	if err := delegation(t, h).directory(); err != nil {
		return err
	}
	switch {
	case d.Version != c.Version:
		return errDirectoryChanged()
	case c.Items() > MaxSynced:
		return fault.New(fault.InvalidData, "%d changes at once, at most %d are possible.", c.Items(), MaxSynced)
	case c.TokenLife < 0 || c.TokenLife == 0 && len(c.RemoveUsers) > 0:
		return fault.New(fault.InvalidData, "The token life must be given to remove users.")
	}
	return nil
}

// remove drops users and groups of the directory. The members of a removed group stay. Who asked may go with them, and was
// looked at before.
func (c SyncDirectory) remove(t *state.Txn, h Header) error {
	for _, uid := range c.RemoveUsers {
		if u, ok := t.User(uid); ok && u.ProviderType == iam.LDAP {
			t.DeleteUser(u.UID)
			notBefore := NextSecond(h.Time)
			t.PutCutoff(u.UID, notBefore, notBefore.Add(c.TokenLife))
		}
	}
	for _, gid := range c.RemoveGroups {
		if g, ok := t.Group(gid); ok && g.ProviderType == iam.LDAP {
			if err := deleteGroup(t, delegate{t: t}, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// importUser creates a user of the directory, unless the uid is taken.
func importUser(t *state.Txn, u *iam.User) error {
	if err := u.Validate(); err != nil {
		return err
	}
	if u.ProviderType != iam.LDAP {
		return fault.New(fault.InvalidData, "Only users of the directory are imported from it.")
	}
	if _, exists := t.User(u.UID); !exists {
		t.PutUser(u)
	}
	return nil
}

// importGroup creates a group of the directory.
func importGroup(t *state.Txn, g *iam.Group) error {
	if g.ProviderType != iam.LDAP {
		return fault.New(fault.InvalidData, "Only groups of the directory are imported from it.")
	}
	return CreateGroup{Group: *g}.Apply(t, Header{})
}

// imported returns both ends of a membership, if both came from the directory.
func imported(t *state.Txn, m state.Membership) (*iam.Group, *iam.User, bool) {
	g, hasGroup := t.Group(m.GID)
	u, hasUser := t.User(m.UID)
	ok := hasGroup && hasUser && g.ProviderType == iam.LDAP && u.ProviderType == iam.LDAP
	return g, u, ok
}
