package iam

import "iter"

// Facts are what a decision needs to know. Both a published state and a transaction have them.
type Facts interface {
	// GroupsOf yields the gids of the user's groups in ascending order.
	GroupsOf(uid string) iter.Seq[string]
	// UserActions returns what the user was granted directly on exactly this resource.
	UserActions(uid, rid string) Actions
	// GroupActions returns what the group was granted on exactly this resource.
	GroupActions(gid, rid string) Actions
	// GroupsGrant reports whether one of the user's groups was granted one of the wanted actions on exactly this resource.
	GroupsGrant(uid, rid string, wanted Actions) bool
}

// Superuser reports whether the user has any action on SuperuserRID, directly or through a group (contract 3.3).
func Superuser(f Facts, uid string) bool {
	return granted(f, uid, SuperuserRID, AnyAction)
}

// Authorize decides whether the user may do the action on the resource: as a superuser, by that very action or by Full,
// granted directly or to one of the user's groups. Whatever is not granted is denied. An action that is not exactly one
// of the five is never granted.
func Authorize(f Facts, uid, rid string, action Actions) bool {
	return action.single() && (granted(f, uid, rid, action|Full) || Superuser(f, uid))
}

// single reports whether the set is exactly one of the five actions.
func (a Actions) single() bool { return a&AnyAction == a && a != 0 && a&(a-1) == 0 }

// granted reports whether the user has one of the wanted actions on the resource, directly or through a group.
func granted(f Facts, uid, rid string, wanted Actions) bool {
	return f.UserActions(uid, rid)&wanted != 0 || f.GroupsGrant(uid, rid, wanted)
}
