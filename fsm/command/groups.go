package command

import (
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// CreateGroup adds a group; it never changes one.
type CreateGroup struct {
	Group iam.Group `json:"group"`
}

// Kind numbers the command.
func (CreateGroup) Kind() Kind { return KindCreateGroup }

// Apply refuses a gid that is taken.
func (c CreateGroup) Apply(t *state.Txn, _ Header) error {
	if err := c.Group.Validate(); err != nil {
		return err
	}
	if _, exists := t.Group(c.Group.GID); exists {
		return fault.New(fault.GroupExists, "Group with id `%s` already exists.", c.Group.GID)
	}
	t.PutGroup(&c.Group)
	return nil
}

// UpdateGroup changes what is not nil.
type UpdateGroup struct {
	GID         string  `json:"gid"`
	Description *string `json:"description,omitempty"`
}

// Kind numbers the command.
func (UpdateGroup) Kind() Kind { return KindUpdateGroup }

// Apply refuses an update of nothing.
func (c UpdateGroup) Apply(t *state.Txn, h Header) error {
	if c.Description == nil {
		return fault.New(fault.InvalidData, "`description` must be provided.")
	}
	g, err := group(t, c.GID)
	if err != nil {
		return err
	}
	if err := delegation(t, h).group(g.GID); err != nil {
		return err
	}
	changed := *g
	changed.Description = *c.Description
	if err := changed.Validate(); err != nil {
		return err
	}
	t.PutGroup(&changed)
	return nil
}

// DeleteGroup removes a group with its memberships and grants.
type DeleteGroup struct {
	GID string `json:"gid"`
}

// Kind numbers the command.
func (DeleteGroup) Kind() Kind { return KindDeleteGroup }

// Apply refuses to delete the group of the superusers (contract 3.4).
func (c DeleteGroup) Apply(t *state.Txn, h Header) error {
	g, err := group(t, c.GID)
	if err != nil {
		return err
	}
	return deleteGroup(t, delegation(t, h), g)
}

func deleteGroup(t *state.Txn, d delegate, g *iam.Group) error {
	if err := d.group(g.GID); err != nil {
		return err
	}
	if g.GID == iam.SuperuserGroup {
		return errSuperuserGroup()
	}
	t.DeleteGroup(g.GID)
	return nil
}

// AddMember puts a user or a service account into a group.
type AddMember struct {
	GID string `json:"gid"`
	UID string `json:"uid"`
}

// Kind numbers the command.
func (AddMember) Kind() Kind { return KindAddMember }

// Apply refuses a member that is in the group already.
func (c AddMember) Apply(t *state.Txn, h Header) error {
	g, u, err := membership(t, h, c.GID, c.UID)
	if err != nil {
		return err
	}
	if t.Member(g.GID, u.UID) {
		return fault.New(fault.UserAlreadyInGroup, "User `%s` is already in group `%s`.", u.UID, g.GID)
	}
	t.PutMembership(g.GID, u.UID)
	return nil
}

// RemoveMember takes a user out of a group.
type RemoveMember struct {
	GID string `json:"gid"`
	UID string `json:"uid"`
}

// Kind numbers the command.
func (RemoveMember) Kind() Kind { return KindRemoveMember }

// Apply refuses whoever is not in the group. That the group of the superusers keeps a member is checked at the end of
// every command.
func (c RemoveMember) Apply(t *state.Txn, h Header) error {
	g, u, err := membership(t, h, c.GID, c.UID)
	if err != nil {
		return err
	}
	if !t.Member(g.GID, u.UID) {
		return fault.New(fault.UserNotInGroup, "User `%s` is not in group `%s`.", u.UID, g.GID)
	}
	t.DeleteMembership(g.GID, u.UID)
	return nil
}

// membership returns both ends of a membership, if they exist and the actor may change who is in the group.
func membership(t *state.Txn, h Header, gid, uid string) (*iam.Group, *iam.User, error) {
	g, err := group(t, gid)
	if err != nil {
		return nil, nil, err
	}
	u, err := user(t, uid)
	if err != nil {
		return nil, nil, err
	}
	return g, u, delegation(t, h).group(g.GID)
}

// group returns the group, or ERR_UNKNOWN_GROUP_ID.
func group(t *state.Txn, gid string) (*iam.Group, error) {
	g, ok := t.Group(gid)
	if !ok {
		return nil, fault.New(fault.UnknownGroup, "Group with gid `%s` not known.", gid)
	}
	return g, nil
}
