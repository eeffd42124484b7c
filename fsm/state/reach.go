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

// Actions returns what the user, or the group, was granted directly on exactly this resource.
func (d *data) Actions(rid, principal string, group bool) iam.Actions {
	g := d.decisions.grants.get(hashOf(rid, principal), func(g *Grant) bool {
		return g.Principal == principal && g.RID == rid && g.Group == group
	})
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
	d.decisions.teams = d.decisions.teams.with(hashOf(uid), func(t *team) bool { return t.uid == uid }, next)
}

// indexGrant follows a grant, or with no actions the end of one.
func (d *data) indexGrant(g *Grant) {
	next := g
	if g.Actions == 0 {
		next = nil
	}
	d.decisions.grants = d.decisions.grants.with(hashOf(g.RID, g.Principal), func(o *Grant) bool {
		return o.Principal == g.Principal && o.RID == g.RID && o.Group == g.Group
	}, next)
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
	d.decisions.reaches = d.decisions.reaches.with(hashOf(rid), func(r *reach) bool { return r.rid == rid }, next)
}

// keepDecisions lets Rollback take back what happens to them. The numbers that it gives back are those of groups that are
// taken back too.
func (t *Txn) keepDecisions() {
	before := t.decisions
	t.undo.add(func() { t.decisions = before })
}
