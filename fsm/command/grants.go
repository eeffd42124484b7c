package command

import (
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// GrantAction allows one action on a resource to a user, or to the members of a group. All three must exist.
type GrantAction struct {
	RID string `json:"rid"`
	// Principal is a uid, or a gid when Group is true.
	Principal string      `json:"principal"`
	Group     bool        `json:"group,omitempty"`
	Action    iam.Actions `json:"action"`
}

// Kind numbers the command.
func (GrantAction) Kind() Kind { return KindGrantAction }

// Apply refuses an action that is granted already (contract 1.8).
func (c GrantAction) Apply(t *state.Txn, h Header) error {
	g, err := entry(t, h, c.RID, c.Principal, c.Group)
	if err != nil {
		return err
	}
	if err := single(c.Action); err != nil {
		return err
	}
	if g.Actions.Has(c.Action) {
		return fault.New(fault.PermissionExists, "Action `%s` is already set for %s in ACL for resource `%s`", c.Action, holder(g), g.RID)
	}
	g.Actions |= c.Action
	t.PutGrant(g)
	return nil
}

// RevokeAction takes back what GrantAction gave. The others stay, also when it is Full.
type RevokeAction struct {
	RID string `json:"rid"`
	// Principal is a uid, or a gid when Group is true.
	Principal string      `json:"principal"`
	Group     bool        `json:"group,omitempty"`
	Action    iam.Actions `json:"action"`
}

// Kind numbers the command.
func (RevokeAction) Kind() Kind { return KindRevokeAction }

// Apply refuses an action that is not granted (contract 1.1), and what makes the superusers group what it is.
func (c RevokeAction) Apply(t *state.Txn, h Header) error {
	g, err := entry(t, h, c.RID, c.Principal, c.Group)
	if err != nil {
		return err
	}
	if err := single(c.Action); err != nil {
		return err
	}
	if !g.Actions.Has(c.Action) {
		return fault.New(fault.ActionNotYetStored, "Action `%s` unknown for %s in ACL for resource `%s`", c.Action, holder(g), g.RID)
	}
	g.Actions &^= c.Action
	return putGrant(t, g)
}

// RevokeAllActions takes back all that a user, or a group, was granted on a resource.
type RevokeAllActions struct {
	RID string `json:"rid"`
	// Principal is a uid, or a gid when Group is true.
	Principal string `json:"principal"`
	Group     bool   `json:"group,omitempty"`
}

// Kind numbers the command.
func (RevokeAllActions) Kind() Kind { return KindRevokeAllActions }

// Apply refuses a principal that was granted nothing there.
func (c RevokeAllActions) Apply(t *state.Txn, h Header) error {
	g, err := entry(t, h, c.RID, c.Principal, c.Group)
	switch {
	case err != nil:
		return err
	case g.Actions == 0 && g.Group:
		return fault.New(fault.GroupNotInACL, "Group `%s` is not part of ACL for resource `%s`", g.Principal, g.RID)
	case g.Actions == 0:
		return fault.New(fault.UserNotInACL, "User `%s` is not part of ACL for resource `%s`", g.Principal, g.RID)
	}
	g.Actions = 0
	return putGrant(t, g)
}

// entry returns what the principal holds on the resource if both exist and the actor may change it.
func entry(t *state.Txn, h Header, rid, id string, isGroup bool) (state.Grant, error) {
	g, err := principal(t, rid, id, isGroup)
	if err != nil {
		return g, err
	}
	return g, delegation(t, h).resource(g.RID)
}

// principal returns what the user, or the group, holds on the resource, which may be nothing. Both must exist; the
// strings are those of their records.
func principal(t *state.Txn, rid, id string, isGroup bool) (g state.Grant, err error) {
	a, err := resource(t, rid)
	if err != nil {
		return g, err
	}
	g = state.Grant{RID: a.RID, Group: isGroup}
	if isGroup {
		found, err := group(t, id)
		if err != nil {
			return g, err
		}
		g.Principal, g.Actions = found.GID, t.GroupActions(found.GID, a.RID)
	} else {
		found, err := user(t, id)
		if err != nil {
			return g, err
		}
		g.Principal, g.Actions = found.UID, t.UserActions(found.UID, a.RID)
	}
	return g, nil
}

// putGrant stores what is left of a grant; the group of the superusers keeps full on its resource (contract 3.4).
func putGrant(t *state.Txn, g state.Grant) error {
	if g.RID == iam.SuperuserRID && g.Group && g.Principal == iam.SuperuserGroup && !g.Actions.Has(iam.Full) {
		return errSuperuserGroup()
	}
	t.PutGrant(g)
	return nil
}

// single refuses all but exactly one of the five actions.
func single(action iam.Actions) error {
	if action == 0 || action&(action-1) != 0 || !iam.AnyAction.Has(action) {
		return fault.New(fault.InvalidAction, "Invalid action: %s", action)
	}
	return nil
}

// holder names the principal of a grant as the refusals do.
func holder(g state.Grant) string {
	if g.Group {
		return "group `" + g.Principal + "`"
	}
	return "user `" + g.Principal + "`"
}
