package command

import (
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// LevelPermissions is the cluster level from which on entries carry groups, permissions and the actor's right. Entries
// of a lower level keep the meaning that they had: none of the rules below holds for them.
const LevelPermissions = 2

// checkRight decides once more, at apply, what the leader decided before it emitted the command: a revocation that came
// in between wins.
func checkRight(t *state.Txn, a Actor) error {
	if a.Right.Zero() || iam.Authorize(t, a.UID, a.Right.RID, a.Right.Action) {
		return nil
	}
	return fault.New(fault.Forbidden, "The permission was taken away while the request was under way. Nothing was changed.")
}

// delegate is the actor as the rule of delegation sees it. Whoever administers users, groups and permissions without being
// a superuser may neither change who is one nor take one over.
type delegate struct {
	t *state.Txn
	// limited says that the rule applies.
	limited bool
}

// delegation looks at the actor of a command. The cluster itself and callers who act without a right, on themselves or in
// a cluster that is open to everybody, are not limited by it; nor is an entry of level 1, which carries no right.
func delegation(t *state.Txn, h Header) delegate {
	return delegate{t: t, limited: !h.Actor.Right.Zero() && !iam.Superuser(t, h.Actor.UID)}
}

// user refuses to change or delete a superuser.
func (d delegate) user(uid string) error {
	if d.limited && iam.Superuser(d.t, uid) {
		return fault.New(fault.Forbidden, "Only a superuser may change the superuser `%s`.", uid)
	}
	return nil
}

// group refuses to change a group that makes superusers, and who is in it.
func (d delegate) group(gid string) error {
	if d.limited && d.t.GroupActions(gid, iam.SuperuserRID) != 0 {
		return fault.New(fault.Forbidden, "Only a superuser may change the group `%s`, which makes superusers.", gid)
	}
	return nil
}

// resource refuses to change the resource that makes superusers, and who holds what on it.
func (d delegate) resource(rid string) error {
	if d.limited && rid == iam.SuperuserRID {
		return fault.New(fault.Forbidden, "Only a superuser may change the resource `%s`.", iam.SuperuserRID)
	}
	return nil
}

// provider refuses to change who vouches for users: it could vouch for anybody as a superuser.
func (d delegate) provider(id string) error {
	if d.limited {
		return fault.New(fault.Forbidden, "Only a superuser may change the login provider `%s`.", id)
	}
	return nil
}

// subject refuses to let somebody else of an identity provider log in as the user.
func (d delegate) subject(uid string) error {
	if d.limited {
		return fault.New(fault.Forbidden, "Only a superuser may change what the login provider calls the user `%s`.", uid)
	}
	return nil
}

// directory refuses to change who vouches for the users of the directory, or who they are.
func (d delegate) directory() error {
	if d.limited {
		return fault.New(fault.Forbidden, "Only a superuser may change the LDAP configuration, and what comes from the directory.")
	}
	return nil
}

// lifeline is what no command may cut: the way in for somebody who can repair everything (contract 3.4).
type lifeline struct {
	// member says that the group of the superusers has a member, and login that a superuser can log in.
	member, login bool
}

// lifelineOf looks at the state before or after an entry of that level.
func lifelineOf(t *state.Txn, level int) (l lifeline) {
	for range t.Members(iam.SuperuserGroup) {
		l.member = true
		break
	}
	for g := range t.Grants(iam.SuperuserRID) {
		if l.login = canLogIn(t, g, level); l.login {
			break
		}
	}
	return l
}

// canLogIn reports whether the principal of the grant, or one of its members, has a way to log in.
func canLogIn(t *state.Txn, g *state.Grant, level int) bool {
	if !g.Group {
		return hasLogin(t, g.Principal, level)
	}
	for uid := range t.Members(g.Principal) {
		if hasLogin(t, uid, level) {
			return true
		}
	}
	return false
}

// hasLogin reports whether the user has credentials here, or a configured provider that vouches for it; in entries below
// LevelDirectory the directory is none.
func hasLogin(t *state.Txn, uid string, level int) bool {
	u, ok := t.User(uid)
	if !ok || u.Locked() {
		return false
	}
	if !u.Remote() {
		return true
	}
	if u.ProviderType == iam.LDAP && level >= LevelDirectory {
		return t.Directory() != nil
	}
	p, ok := t.Provider(u.ProviderID)
	return ok && p.Serves(u)
}

// check refuses the command when the lifeline was there before it and is not any more.
func (l lifeline) check(t *state.Txn, level int) error {
	after := lifelineOf(t, level)
	if l.member && !after.member || l.login && !after.login {
		return errLastSuperuser()
	}
	return nil
}

func errLastSuperuser() error {
	return fault.New(fault.NoMoreSuperusers, "Last member from `superusers` group cannot be removed")
}

func errSuperuserGroup() error {
	return fault.New(fault.IsSuperuserGroup, "The `superusers` group must have `full` permission on the `dcos:superuser` resource.")
}
