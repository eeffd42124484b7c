package iam

import "iter"

// Decision is a verdict of Authorize with its reasons.
type Decision struct {
	// Allowed is what Authorize says.
	Allowed bool
	// Superuser says that the user may do everything, whatever the resource.
	Superuser bool
	// Paths are all grants that allow it: first those on the resource, then those on SuperuserRID; of each the user's own
	// first, then those of the user's groups by gid. Empty when it is not allowed.
	Paths []Path
}

// Path is one grant that allows what was asked.
type Path struct {
	// RID is the resource that was asked for, or SuperuserRID.
	RID string
	// Actions are all that the grant allows there.
	Actions Actions
	// GID is the group that was granted it; "" when it was granted to the user directly.
	GID string
}

// Explain decides like Authorize, and finds every reason where Authorize is content with one.
func Explain(f Facts, uid, rid string, action Actions) Decision {
	var e Decision
	if !action.single() {
		return e
	}
	if rid != SuperuserRID {
		e.Paths = appendPaths(e.Paths, f, uid, rid, action|Full)
	}
	onResource := len(e.Paths)
	e.Paths = appendPaths(e.Paths, f, uid, SuperuserRID, AnyAction)
	e.Superuser = len(e.Paths) > onResource
	e.Allowed = len(e.Paths) > 0
	return e
}

// appendPaths adds the grants on the resource that hold one of the wanted actions.
func appendPaths(paths []Path, f Facts, uid, rid string, wanted Actions) []Path {
	for gid := range principals(f, uid) {
		actions := f.UserActions(uid, rid)
		if gid != "" {
			actions = f.GroupActions(gid, rid)
		}
		if actions&wanted != 0 {
			paths = append(paths, Path{RID: rid, Actions: actions, GID: gid})
		}
	}
	return paths
}

// principals yields "" for the user, then the gids of the user's groups.
func principals(f Facts, uid string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield("") {
			return
		}
		for gid := range f.GroupsOf(uid) {
			if !yield(gid) {
				return
			}
		}
	}
}
