package state

import "gatehouse/fsm/iam"

// A decision asks whether any of a user's groups has an action on a resource. With a hundred groups that would be a hundred
// look-ups among a million grants; instead every group has a number, every user the set of numbers of its groups, and every
// resource, for each action, the set of numbers of the groups that have it. Then it is whether two short bitmaps meet.
//
// All of that follows from memberships and grants and is nowhere written down. A number means a group on this master until
// it stops, and no other group ever gets it.

// decisions is what decisions read.
type decisions struct {
	teams   index[team]
	reaches index[reach]
	grants  index[Grant]
	// owner may change them in place: the transaction that they belong to; nil once they are published.
	owner *owner
	// lastNumber is the highest number that a group has, or had.
	lastNumber uint64
}

// team is the groups of a user that is in some.
type team struct {
	uid    string
	groups groupSet
}

// reach is the groups that have something granted on a resource, by the action's bit.
type reach struct {
	rid    string
	groups [5]groupSet
}

func (x *decisions) team(uid string) *team {
	return x.teams.get(hashOf(uid), func(t *team) bool { return t.uid == uid })
}

func (x *decisions) reach(rid string) *reach {
	return x.reaches.get(hashOf(rid), func(r *reach) bool { return r.rid == rid })
}

func (x *decisions) grant(rid, principal string, group bool) *Grant {
	return x.grants.get(hashOf(rid, principal), func(g *Grant) bool {
		return g.Principal == principal && g.RID == rid && g.Group == group
	})
}

func (x *decisions) setTeam(uid string, to *team) {
	x.teams = x.teams.with(x.owner, hashOf(uid), func(t *team) bool { return t.uid == uid }, to)
}

func (x *decisions) setReach(rid string, to *reach) {
	x.reaches = x.reaches.with(x.owner, hashOf(rid), func(r *reach) bool { return r.rid == rid }, to)
}

// setGrant stores the grant of the same ends as key.
func (x *decisions) setGrant(key, to *Grant) {
	x.grants = x.grants.with(x.owner, hashOf(key.RID, key.Principal), func(g *Grant) bool {
		return g.Principal == key.Principal && g.RID == key.RID && g.Group == key.Group
	}, to)
}

// Actions returns what the user, or the group, was granted directly on exactly this resource.
func (d *data) Actions(rid, principal string, group bool) iam.Actions {
	g := d.decisions.grant(rid, principal, group)
	if g == nil {
		return 0
	}
	return g.Actions
}

// GroupsGrant reports whether one of the user's groups was granted one of the wanted actions on exactly this resource.
func (d *data) GroupsGrant(uid, rid string, wanted iam.Actions) bool {
	on := d.decisions.reach(rid)
	if on == nil {
		return false
	}
	in := d.decisions.team(uid)
	if in == nil {
		return false
	}
	for bit := range on.groups {
		if wanted&(1<<bit) != 0 && in.groups.meets(on.groups[bit]) {
			return true
		}
	}
	return false
}

// nextNumber is a number for a new group.
func (x *decisions) nextNumber() uint64 {
	x.lastNumber++
	return x.lastNumber
}

// number is the group's number; 0, which no group has, if there is no such group.
func (d *data) number(gid string) uint64 {
	item, _ := d.groups.get(groupItem{gid: gid})
	return item.number
}

// indexMembership puts the group into the user's set, or takes it out.
func (d *data) indexMembership(gid, uid string, member bool) {
	number := d.number(gid)
	if number == 0 {
		return
	}
	next := &team{uid: uid}
	if before := d.decisions.team(uid); before != nil {
		*next = *before
	}
	if next.groups = next.groups.with(number, member); len(next.groups) == 0 {
		next = nil
	}
	d.decisions.setTeam(uid, next)
}

// indexGrant follows a grant, or with no actions the end of one.
func (d *data) indexGrant(g *Grant) {
	next := g
	if g.Actions == 0 {
		next = nil
	}
	d.decisions.setGrant(g, next)
	if g.Group {
		d.indexReach(g.RID, d.number(g.Principal), g.Actions)
	}
}

// indexReach sets what the group of that number may do on the resource.
func (d *data) indexReach(rid string, number uint64, actions iam.Actions) {
	if number == 0 {
		return
	}
	next, some := &reach{rid: rid}, false
	if before := d.decisions.reach(rid); before != nil {
		*next = *before
	}
	for bit := range next.groups {
		next.groups[bit] = next.groups[bit].with(number, actions&(1<<bit) != 0)
		some = some || len(next.groups[bit]) > 0
	}
	if !some {
		next = nil
	}
	d.decisions.setReach(rid, next)
}

// keepTeam lets Rollback take back what happens to the groups of the user. Numbers are not given back: what was taken back
// may be done again with others.
func (t *Txn) keepTeam(uid string) {
	before := t.decisions.team(uid)
	t.undo.add(func() { t.decisions.setTeam(uid, before) })
}

// keepGrant does the same for a grant with these ends.
func (t *Txn) keepGrant(key *Grant) {
	before, reach := t.decisions.grant(key.RID, key.Principal, key.Group), t.decisions.reach(key.RID)
	t.undo.add(func() {
		t.decisions.setGrant(key, before)
		if key.Group {
			t.decisions.setReach(key.RID, reach)
		}
	})
}
