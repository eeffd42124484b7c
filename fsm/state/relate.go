package state

import (
	"slices"

	"gatehouse/fsm/iam"
)

// relations is what a load remembers of memberships and grants. A dump has them in one direction only; the other one, and what
// decisions read, is made of all of them at once when they are complete: sorting numbers and appending takes a fraction of
// what a million insertions at random places of large trees do.
type relations struct {
	users, groups names
	acl           *iam.ACL // the one that the last grant referred to
	members       []related[*Membership]
	grants        []related[*Grant]
}

// related is a record with the numbers of those it relates.
type related[T any] struct {
	record T
	// principal is the number of the user; that of a group comes after those of all users.
	principal uint32
	// group is the number of the group, 0 if there is none.
	group uint32
}

// names numbers names, from 1, in the order in which they come. All are there before the first is looked up.
type names struct {
	list   []named
	byName index[named]
}

type named struct {
	name   string
	number uint32
}

func (n *names) add(name string) uint64 {
	n.list = append(n.list, named{name, uint32(len(n.list) + 1)})
	return uint64(len(n.list))
}

// find returns the number, and the string that the record of that name holds.
func (n *names) find(name string) (number uint32, same string, ok bool) {
	if n.byName.root == nil {
		n.makeIndex()
	}
	found := n.byName.get(hashOf(name), func(one *named) bool { return one.name == name })
	if found == nil {
		return 0, "", false
	}
	return found.number, found.name, true
}

func (n *names) makeIndex() {
	all := make([]hashed[named], len(n.list))
	for i := range n.list {
		all[i] = hashed[named]{hashOf(n.list[i].name), &n.list[i]}
	}
	n.byName = indexed(all)
}

// The records use the strings of those that they refer to.

func (x *relations) loadMembership(d *data, m *Membership) error {
	group, gid, hasGroup := x.groups.find(m.GID)
	user, uid, hasUser := x.users.find(m.UID)
	if !hasGroup || !hasUser {
		return errReference
	}
	m.GID, m.UID = gid, uid
	x.members = append(x.members, related[*Membership]{m, user, group})
	return load(&d.members, m)
}

func (x *relations) loadGrant(d *data, g *Grant) error {
	if g.Actions == 0 {
		return errReference
	}
	if x.acl == nil || x.acl.RID != g.RID {
		acl, ok := d.ACL(g.RID)
		if !ok {
			return errReference
		}
		x.acl = acl
	}
	to := related[*Grant]{record: g}
	ok := false
	if g.Group {
		to.group, g.Principal, ok = x.groups.find(g.Principal)
		to.principal = uint32(len(x.users.list)) + to.group
	} else {
		to.principal, g.Principal, ok = x.users.find(g.Principal)
	}
	if !ok {
		return errReference
	}
	g.RID = x.acl.RID
	x.grants = append(x.grants, to)
	return load(&d.grants, g)
}

// finish gives the data what follows from the records.
func (x *relations) finish(d *data) {
	principals := len(x.users.list) + len(x.groups.list)
	members, grants := byPrincipals(x.members, principals), byPrincipals(x.grants, principals)
	fill(&d.memberOf, members)
	fill(&d.grantsOf, grants)
	d.decisions = decisions{
		teams:      teams(members),
		reaches:    reaches(x.grants),
		grants:     grantIndex(x.grants),
		lastNumber: uint64(len(x.groups.list)),
	}
}

// byPrincipals sorts by principal, of whom there are that many, what is sorted by the other side: a counting sort, which keeps
// the order among those of one principal.
func byPrincipals[T any](all []related[T], principals int) []related[T] {
	places := make([]int, principals+2)
	for _, one := range all {
		places[one.principal+1]++
	}
	for i := range principals {
		places[i+1] += places[i]
	}
	sorted := make([]related[T], len(all))
	for _, one := range all {
		sorted[places[one.principal]] = one
		places[one.principal]++
	}
	return sorted
}

func fill[T any](t *tree[T], sorted []related[T]) {
	for _, one := range sorted {
		t.own().Load(one.record)
	}
}

func grantIndex(grants []related[*Grant]) index[Grant] {
	all := make([]hashed[Grant], len(grants))
	for i, one := range grants {
		all[i] = hashed[Grant]{hashOf(one.record.RID, one.record.Principal), one.record}
	}
	return indexed(all)
}

// teams reads memberships that are sorted by user, then group.
func teams(members []related[*Membership]) index[team] {
	var all []hashed[team]
	var set groupSet
	for i, one := range members {
		set = set.append(uint64(one.group))
		if i+1 == len(members) || members[i+1].principal != one.principal {
			uid := one.record.UID
			all = append(all, hashed[team]{hashOf(uid), &team{uid, slices.Clone(set)}})
			set = set[:0]
		}
	}
	return indexed(all)
}

// reaches reads grants that are sorted by resource, those of groups by group.
func reaches(grants []related[*Grant]) index[reach] {
	var all []hashed[reach]
	var sets [5]groupSet
	for i, one := range grants {
		for bit := range sets {
			if one.group != 0 && one.record.Actions&(1<<bit) != 0 {
				sets[bit] = sets[bit].append(uint64(one.group))
			}
		}
		rid := one.record.RID
		if i+1 < len(grants) && grants[i+1].record.RID == rid {
			continue
		}
		if next := (&reach{rid, sets}).taken(); next != nil {
			all = append(all, hashed[reach]{hashOf(rid), next})
		}
		for bit := range sets {
			sets[bit] = sets[bit][:0]
		}
	}
	return indexed(all)
}

// taken is a copy of its own, nil if nothing is granted.
func (r *reach) taken() *reach {
	next, some := &reach{rid: r.rid}, false
	for bit, set := range r.groups {
		if len(set) > 0 {
			next.groups[bit], some = slices.Clone(set), true
		}
	}
	if !some {
		return nil
	}
	return next
}
