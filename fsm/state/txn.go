package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"gatehouse/fsm/iam"
)

// Txn changes a private copy of a State. It belongs to one goroutine. It reads like a State, and sees its own changes.
type Txn struct {
	data
	undo undo
}

// Begin starts a transaction. It writes nothing of the State, so that any number may be begun at once.
func (s *State) Begin() *Txn {
	t := &Txn{data: s.data}
	t.decisions.owner = new(owner)
	return t
}

// Next starts the log entry at that index: Rollback will come back to here.
func (t *Txn) Next(index uint64) {
	t.undo.forget()
	t.index = index
}

// Rollback takes back all changes since Next.
func (t *Txn) Rollback() { t.undo.rollback() }

// Commit makes the transaction the State after the entry at that index. The Txn must not be used afterwards.
func (t *Txn) Commit(index uint64) *State {
	s := &State{data: t.data}
	s.index = index
	s.freeze()
	t.data = data{}
	t.undo = undo{}
	return s
}

func (d *data) freeze() {
	d.users.freeze()
	d.groups.freeze()
	d.acls.freeze()
	d.members.freeze()
	d.memberOf.freeze()
	d.grants.freeze()
	d.grantsOf.freeze()
	d.cutoffs.freeze()
	d.cutoffExpiry.freeze()
	d.replays.freeze()
	d.replaySeq.freeze()
	d.replayAge.freeze()
	d.heads.freeze()
	d.providers.freeze()
	d.stores.freeze()
	d.tallies.freeze()
	d.secrets.freeze()
	d.changed.freeze()
	d.due.freeze()
	d.decisions.owner = nil
}

// SetMeta replaces what the cluster agrees on about itself.
func (t *Txn) SetMeta(m Meta) {
	prev := t.meta
	t.undo.add(func() { t.meta = prev })
	t.meta = m
}

// AdvanceClock sets the clock to the later of itself and now, and drops some of what has expired by it.
func (t *Txn) AdvanceClock(now time.Time) {
	if now.After(t.meta.Clock) {
		m := t.meta
		m.Clock = now
		t.SetMeta(m)
	}
	t.PruneCutoffs(t.meta.Clock)
	t.pruneReplays(t.meta.Clock)
}

// PutUser creates or replaces a user. The Txn keeps the value; the caller must not change it any more.
func (t *Txn) PutUser(u *iam.User) {
	prev, replaced := set(&t.undo, &t.users, userItem{u.UID, u})
	t.countService(b2i(u.Service()) - b2i(replaced && prev.u.Service()))
}

// DeleteUser drops the user and everything that hangs on it: memberships, grants and idempotency keys.
func (t *Txn) DeleteUser(uid string) {
	prev, removed := remove(&t.undo, &t.users, userItem{uid: uid})
	if !removed {
		return
	}
	t.countService(-b2i(prev.u.Service()))
	for _, gid := range slices.Collect(t.GroupsOf(uid)) {
		t.DeleteMembership(gid, uid)
	}
	for _, g := range slices.Collect(t.GrantsOf(uid, false)) {
		t.deleteGrant(g)
	}
	t.deleteReplays(uid)
}

func (t *Txn) countService(by int) {
	if by != 0 {
		t.services += by
		t.undo.add(func() { t.services -= by })
	}
}

// PutGroup creates or replaces a group.
func (t *Txn) PutGroup(g *iam.Group) {
	item, ok := t.groups.get(groupItem{gid: g.GID})
	if !ok {
		item.number = t.decisions.nextNumber()
	}
	set(&t.undo, &t.groups, groupItem{g.GID, g, item.number})
}

// DeleteGroup drops the group and everything that hangs on it: memberships and grants.
func (t *Txn) DeleteGroup(gid string) {
	if _, ok := t.Group(gid); !ok {
		return
	}
	for _, uid := range slices.Collect(t.Members(gid)) {
		t.DeleteMembership(gid, uid)
	}
	for _, g := range slices.Collect(t.GrantsOf(gid, true)) {
		t.deleteGrant(g)
	}
	remove(&t.undo, &t.groups, groupItem{gid: gid}) // at last: until then its number is needed
}

// PutACL creates or replaces a protected resource.
func (t *Txn) PutACL(a *iam.ACL) { set(&t.undo, &t.acls, aclItem{a.RID, a}) }

// DeleteACL drops the protected resource and all grants on it.
func (t *Txn) DeleteACL(rid string) {
	if _, removed := remove(&t.undo, &t.acls, aclItem{rid: rid}); !removed {
		return
	}
	for _, g := range slices.Collect(t.Grants(rid)) {
		t.deleteGrant(g)
	}
}

// PutProvider configures an identity provider, or replaces its configuration.
func (t *Txn) PutProvider(p *iam.Provider) { set(&t.undo, &t.providers, p) }

// DeleteProvider drops the configuration of an identity provider. Its users stay.
func (t *Txn) DeleteProvider(id string) { remove(&t.undo, &t.providers, &iam.Provider{ID: id}) }

// PutDirectory configures the LDAP directory, or replaces its configuration. The Txn keeps the value.
func (t *Txn) PutDirectory(d *iam.Directory) {
	prev := t.directory
	t.undo.add(func() { t.directory = prev })
	t.directory = d
}

// DeleteDirectory drops the configuration of the LDAP directory. Its users and groups stay.
func (t *Txn) DeleteDirectory() { t.PutDirectory(nil) }

// PutMembership puts the user into the group. Both must exist. The state keeps the strings: pass those of the records
// (User.UID, Group.GID), and a million memberships cost no two million strings.
func (t *Txn) PutMembership(gid, uid string) {
	m := &Membership{GID: gid, UID: uid}
	set(&t.undo, &t.members, m)
	set(&t.undo, &t.memberOf, m)
	t.keepTeam(uid)
	t.indexMembership(gid, uid, true)
}

// DeleteMembership takes the user out of the group.
func (t *Txn) DeleteMembership(gid, uid string) {
	m := &Membership{GID: gid, UID: uid}
	remove(&t.undo, &t.members, m)
	remove(&t.undo, &t.memberOf, m)
	t.keepTeam(uid)
	t.indexMembership(gid, uid, false)
}

// PutGrant sets what the principal may do on the resource, both of which must exist; the empty set removes the grant.
// The state keeps the strings: pass those of the records.
func (t *Txn) PutGrant(g Grant) {
	if g.Actions == 0 {
		t.deleteGrant(&g)
		return
	}
	set(&t.undo, &t.grants, &g)
	set(&t.undo, &t.grantsOf, &g)
	t.keepGrant(&g)
	t.indexGrant(&g)
}

func (t *Txn) deleteGrant(g *Grant) {
	remove(&t.undo, &t.grants, g)
	remove(&t.undo, &t.grantsOf, g)
	t.keepGrant(g)
	t.indexGrant(&Grant{RID: g.RID, Principal: g.Principal, Group: g.Group})
}

// PutSigningKey creates or replaces a key.
func (t *Txn) PutSigningKey(k *iam.SigningKey) {
	t.setKeys(append(t.keysWithout(k.KID), k))
}

// DeleteSigningKey drops a key.
func (t *Txn) DeleteSigningKey(kid string) { t.setKeys(t.keysWithout(kid)) }

func (t *Txn) keysWithout(kid string) []*iam.SigningKey {
	return slices.DeleteFunc(slices.Clone(t.keys), func(k *iam.SigningKey) bool { return k.KID == kid })
}

func (t *Txn) setKeys(keys []*iam.SigningKey) {
	slices.SortFunc(keys, compareKeys)
	prev := t.keys
	t.undo.add(func() { t.keys = prev })
	t.keys = slices.Clip(keys)
}

func compareKeys(a, b *iam.SigningKey) int {
	return cmp.Or(
		b2i(b.Status == iam.Active)-b2i(a.Status == iam.Active),
		a.CreatedAt.Compare(b.CreatedAt),
		strings.Compare(a.KID, b.KID),
	)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
