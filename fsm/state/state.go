// Package state holds the replicated value: everything the masters agree on, as one immutable value per log index.
//
// A State is read without locks, from as many goroutines as one likes, for as long as one likes. What it returns is
// constant; nobody may change it. A Txn changes a private copy, copy-on-write, and Commit makes it the next State.
// Nothing in this package reads a clock, and no order comes from a map.
package state

import (
	"cmp"
	"iter"
	"strings"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
)

// State is the replicated value after one log entry.
type State struct{ data }

// New returns the state before the first log entry.
func New() *State {
	return &State{data{
		users:        newTree(byUID),
		groups:       newTree(byGID),
		acls:         newTree(byRID),
		members:      newTree(byGroup),
		memberOf:     newTree(byMember),
		grants:       newTree(byResource),
		grantsOf:     newTree(byPrincipal),
		cutoffs:      newTree(byCutoffUID),
		cutoffExpiry: newTree(byExpiry),
		replays:      newTree(byReplayKey),
		replaySeq:    newTree(byReplaySeq),
		replayAge:    newTree(byReplayIndex),
		heads:        newTree(byMaster),
		providers:    newTree(byProviderID),
		stores:       newTree(byStore),
		tallies:      newTree(byTally),
		secrets:      newTree(byPath),
		changed:      newTree(byChange),
		due:          newTree(byEnd),
	}}
}

// data is what a State and a Txn have in common: the trees and how to read them.
//
// What every request looks up (users, cut-offs) has its key beside the pointer to its record, so that the look-up neither
// follows pointers nor allocates. The large relations hold pointers only, one record in both directions: nodes a third
// the size make a commit, which copies nodes, twice as cheap, and a look-up pays for it with a small allocation.
type data struct {
	index    uint64
	meta     Meta
	services int
	keys     []*iam.SigningKey
	// directory is nil when none is configured.
	directory *iam.Directory

	users        tree[userItem]
	groups       tree[groupItem]
	acls         tree[aclItem]
	members      tree[*Membership] // by gid, uid
	memberOf     tree[*Membership] // by uid, gid
	grants       tree[*Grant]      // by rid, principal
	grantsOf     tree[*Grant]      // by principal, rid
	decisions    decisions         // what follows from memberships and grants
	cutoffs      tree[cutoffItem]  // by uid
	cutoffExpiry tree[*Cutoff]     // by expiry, uid
	replays      tree[*Replay]     // by uid, key
	replaySeq    tree[*Replay]     // by uid, sequence
	replayAge    tree[*Replay]     // by index
	heads        tree[*AuditHead]  // by master, sequence
	providers    tree[*iam.Provider]
	stores       tree[storeItem]
	tallies      tree[tally] // of the stores
	secrets      tree[secretItem]
	changed      tree[*secret.Secret] // by store, change, path
	due          tree[*secret.Secret] // by end, store, path: those that have one
}

type userItem struct {
	uid string
	u   *iam.User
}

type groupItem struct {
	gid    string
	g      *iam.Group
	number uint64 // see decisions
}

type aclItem struct {
	rid string
	a   *iam.ACL
}

type cutoffItem struct {
	uid string
	c   *Cutoff
}

func byUID(a, b userItem) bool  { return a.uid < b.uid }
func byGID(a, b groupItem) bool { return a.gid < b.gid }
func byRID(a, b aclItem) bool   { return a.rid < b.rid }

func byProviderID(a, b *iam.Provider) bool { return a.ID < b.ID }

func byGroup(a, b *Membership) bool {
	return cmp.Or(strings.Compare(a.GID, b.GID), strings.Compare(a.UID, b.UID)) < 0
}

func byMember(a, b *Membership) bool {
	return cmp.Or(strings.Compare(a.UID, b.UID), strings.Compare(a.GID, b.GID)) < 0
}

func byResource(a, b *Grant) bool {
	if a.RID != b.RID {
		return a.RID < b.RID
	}
	if a.Group != b.Group {
		return b.Group
	}
	return a.Principal < b.Principal
}

func byPrincipal(a, b *Grant) bool {
	if a.Group != b.Group {
		return b.Group
	}
	if a.Principal != b.Principal {
		return a.Principal < b.Principal
	}
	return a.RID < b.RID
}

func byCutoffUID(a, b cutoffItem) bool { return a.uid < b.uid }

func byExpiry(a, b *Cutoff) bool {
	return cmp.Or(a.Expires.Compare(b.Expires), strings.Compare(a.UID, b.UID)) < 0
}

func byReplayKey(a, b *Replay) bool {
	return cmp.Or(strings.Compare(a.UID, b.UID), strings.Compare(a.Key, b.Key)) < 0
}

func byReplaySeq(a, b *Replay) bool {
	return cmp.Or(strings.Compare(a.UID, b.UID), cmp.Compare(a.Seq, b.Seq)) < 0
}

func byReplayIndex(a, b *Replay) bool {
	return a.Index < b.Index || a.Index == b.Index && byReplayKey(a, b)
}

// Index is the last log entry that the state contains.
func (d *data) Index() uint64 { return d.index }

// Meta returns what the cluster agrees on about itself.
func (d *data) Meta() Meta { return d.meta }

// User returns the user of that uid.
func (d *data) User(uid string) (*iam.User, bool) {
	item, ok := d.users.get(userItem{uid: uid})
	return item.u, ok
}

// Users yields all users, service accounts among them, sorted by uid.
func (d *data) Users() iter.Seq[*iam.User] {
	return func(yield func(*iam.User) bool) {
		d.users.t.Scan(func(item userItem) bool { return yield(item.u) })
	}
}

// UserCount is the number of all users.
func (d *data) UserCount() int { return d.users.len() }

// RegularUserCount is the number of users that are not service accounts.
func (d *data) RegularUserCount() int { return d.users.len() - d.services }

// Group returns the group of that gid.
func (d *data) Group(gid string) (*iam.Group, bool) {
	item, ok := d.groups.get(groupItem{gid: gid})
	return item.g, ok
}

// Groups yields all groups, sorted by gid.
func (d *data) Groups() iter.Seq[*iam.Group] {
	return func(yield func(*iam.Group) bool) {
		d.groups.t.Scan(func(item groupItem) bool { return yield(item.g) })
	}
}

// GroupCount is the number of groups.
func (d *data) GroupCount() int { return d.groups.len() }

// ACL returns the protected resource of that rid.
func (d *data) ACL(rid string) (*iam.ACL, bool) {
	item, ok := d.acls.get(aclItem{rid: rid})
	return item.a, ok
}

// ACLs yields all protected resources, sorted by rid.
func (d *data) ACLs() iter.Seq[*iam.ACL] {
	return func(yield func(*iam.ACL) bool) {
		d.acls.t.Scan(func(item aclItem) bool { return yield(item.a) })
	}
}

// ACLCount is the number of protected resources.
func (d *data) ACLCount() int { return d.acls.len() }

// MembershipCount is the number of memberships of all users in all groups.
func (d *data) MembershipCount() int { return d.members.len() }

// GrantCount is the number of grants: of pairs of a principal and a resource.
func (d *data) GrantCount() int { return d.grants.len() }

// Provider returns the identity provider of that id.
func (d *data) Provider(id string) (*iam.Provider, bool) {
	return d.providers.get(&iam.Provider{ID: id})
}

// Providers yields all identity providers, sorted by id.
func (d *data) Providers() iter.Seq[*iam.Provider] {
	return func(yield func(*iam.Provider) bool) { d.providers.t.Scan(yield) }
}

// Directory returns the configuration of the LDAP directory, nil when there is none.
func (d *data) Directory() *iam.Directory { return d.directory }

// UsersFrom yields the users of that provider type, sorted by uid. It looks at all users.
func (d *data) UsersFrom(providerType string) iter.Seq[*iam.User] {
	return func(yield func(*iam.User) bool) {
		d.users.t.Scan(func(item userItem) bool { return item.u.ProviderType != providerType || yield(item.u) })
	}
}

// UserLike returns the user of that provider type whose uid is this one but for case; of several, the one that is spelt the same, else
// the first. It looks at all users.
func (d *data) UserLike(providerType, uid string) (*iam.User, bool) {
	if u, ok := d.User(uid); ok && u.ProviderType == providerType {
		return u, true
	}
	for u := range d.UsersFrom(providerType) {
		if len(u.UID) == len(uid) && strings.EqualFold(u.UID, uid) {
			return u, true
		}
	}
	return nil, false
}

// GroupsFrom yields the groups of that provider type, sorted by gid. It looks at all groups.
func (d *data) GroupsFrom(providerType string) iter.Seq[*iam.Group] {
	return func(yield func(*iam.Group) bool) {
		d.groups.t.Scan(func(item groupItem) bool { return item.g.ProviderType != providerType || yield(item.g) })
	}
}

// Member reports whether the user is in the group.
func (d *data) Member(gid, uid string) bool {
	_, ok := d.members.get(&Membership{GID: gid, UID: uid})
	return ok
}

// Members yields the uids in the group, ascending.
func (d *data) Members(gid string) iter.Seq[string] {
	return func(yield func(string) bool) {
		d.members.t.Ascend(&Membership{GID: gid}, func(m *Membership) bool { return m.GID == gid && yield(m.UID) })
	}
}

// GroupsOf yields the gids of the user's groups, ascending.
func (d *data) GroupsOf(uid string) iter.Seq[string] {
	return func(yield func(string) bool) {
		d.memberOf.t.Ascend(&Membership{UID: uid}, func(m *Membership) bool { return m.UID == uid && yield(m.GID) })
	}
}

// UserActions returns what the user was granted directly on exactly this resource.
func (d *data) UserActions(uid, rid string) iam.Actions { return d.Actions(rid, uid, false) }

// GroupActions returns what the group was granted on exactly this resource.
func (d *data) GroupActions(gid, rid string) iam.Actions { return d.Actions(rid, gid, true) }

// Grants yields the grants on the resource: those of users by uid, then those of groups by gid.
func (d *data) Grants(rid string) iter.Seq[*Grant] {
	return func(yield func(*Grant) bool) {
		d.grants.t.Ascend(&Grant{RID: rid}, func(g *Grant) bool { return g.RID == rid && yield(g) })
	}
}

// GrantsOf yields the grants of the user, or of the group, by rid.
func (d *data) GrantsOf(principal string, group bool) iter.Seq[*Grant] {
	return func(yield func(*Grant) bool) {
		d.grantsOf.t.Ascend(&Grant{Principal: principal, Group: group}, func(g *Grant) bool {
			return g.Principal == principal && g.Group == group && yield(g)
		})
	}
}

// SigningKeys returns the keys: the active one first, the others by creation and kid. The slice is constant.
func (d *data) SigningKeys() []*iam.SigningKey { return d.keys }

// SigningKey returns the key of that kid.
func (d *data) SigningKey(kid string) (*iam.SigningKey, bool) {
	for _, k := range d.keys {
		if k.KID == kid {
			return k, true
		}
	}
	return nil, false
}

// TokenCutoff returns the instant before which tokens of the user were issued in vain: the later of the user's cut-off
// and the one for all users; zero when there is none.
func (d *data) TokenCutoff(uid string) time.Time {
	var notBefore time.Time
	for _, who := range [...]string{"", uid} {
		if item, ok := d.cutoffs.get(cutoffItem{uid: who}); ok && item.c.NotBefore.After(notBefore) {
			notBefore = item.c.NotBefore
		}
	}
	return notBefore
}

// HasCutoff reports whether the user, who may be deleted, has a cut-off of its own.
func (d *data) HasCutoff(uid string) bool {
	_, ok := d.cutoffs.get(cutoffItem{uid: uid})
	return ok
}

// Removed reports whether the server was removed for ever.
func (d *data) Removed(id string) bool {
	for _, r := range d.meta.Removed {
		if r == id {
			return true
		}
	}
	return false
}

// AnotherSuperuser reports whether some user other than uid is a superuser, directly or through a group.
func (d *data) AnotherSuperuser(uid string) bool {
	for g := range d.Grants(iam.SuperuserRID) {
		if !g.Group {
			if g.Principal != uid {
				return true
			}
			continue
		}
		for member := range d.Members(g.Principal) {
			if member != uid {
				return true
			}
		}
	}
	return false
}

// Sizes counts what the state holds.
func (d *data) Sizes() Sizes {
	return Sizes{
		Users:           d.users.len(),
		ServiceAccounts: d.services,
		Groups:          d.groups.len(),
		ACLs:            d.acls.len(),
		Memberships:     d.members.len(),
		Grants:          d.grants.len(),
		SigningKeys:     len(d.keys),
		Cutoffs:         d.cutoffs.len(),
		Replays:         d.replays.len(),
		AuditHeads:      d.heads.len(),
		Providers:       d.providers.len(),
		Directories:     b2i(d.directory != nil),
		Stores:          d.stores.len(),
		Secrets:         d.secrets.len(),
	}
}
