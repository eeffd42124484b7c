package declare

import "gatehouse/fsm/iam"

// protect finds what a master would refuse because it locks everybody out (contract 3.4), and what would lock the caller out, before
// anything is sent.
func (p *planner) protect() {
	implied := false // what follows from a removal is not said again
	for _, s := range p.plan.Steps {
		switch c := s.Change; {
		case !c.Remove:
		case c.User != nil && c.User.UID == p.Caller:
			p.plan.Wrong.add(s.At, "the user %s is you, and would be removed: name it in the file", quoted(p.Caller))
		case c.Group != nil && c.Group.GID == iam.SuperuserGroup:
			p.plan.Wrong.add(s.At, "the group %s is always there: name it in the file", iam.SuperuserGroup)
			implied = true
		case c.ACL != nil && c.ACL.RID == iam.SuperuserRID:
			p.plan.Wrong.add(s.At, "the acl %s is always there: name it in the file", iam.SuperuserRID)
			implied = true
		}
	}
	if !implied {
		p.protectSuperusers()
	}
}

// protectSuperusers looks at who will be a superuser.
func (p *planner) protectSuperusers() {
	before, _ := p.superusers(nil)
	after, full := p.superusers(p.plan.Steps)
	if len(before) == 0 {
		return // the state is none of a cluster
	}
	switch {
	case !full:
		p.plan.Wrong.add(Position{}, "the group %s would lose the action full on %s, which it always has", iam.SuperuserGroup, iam.SuperuserRID)
	case len(after) == 0:
		p.plan.Wrong.add(Position{}, "nobody would be a superuser any more")
	case before[p.Caller] && !after[p.Caller] && !p.gone[p.Caller]:
		p.plan.Wrong.add(Position{}, "you (%s) would be no superuser any more, and could not go on: keep yourself in the group %s", p.Caller, iam.SuperuserGroup)
	}
}

// superusers are the users with any action on dcos:superuser once the steps are done, and whether the group superusers has full.
func (p *planner) superusers(steps []Step) (who map[string]bool, full bool) {
	users, groups, members := map[string]iam.Actions{}, map[string]iam.Actions{}, map[string]map[string]bool{}
	if acl := p.have.acls[iam.SuperuserRID]; acl != nil {
		for _, g := range acl.Users {
			users[g.ID] = g.Actions
		}
		for _, g := range acl.Groups {
			groups[g.ID] = g.Actions
		}
	}
	for gid, g := range p.have.groups {
		members[gid] = uids(g.Members)
	}
	for i := range steps {
		foresee(&steps[i].Change, users, groups, members)
	}
	who = map[string]bool{}
	for uid, actions := range users {
		who[uid] = actions != 0 || who[uid]
	}
	for gid, actions := range groups {
		for uid := range members[gid] {
			who[uid] = actions != 0 || who[uid]
		}
	}
	for uid, is := range who {
		if !is || steps != nil && p.gone[uid] {
			delete(who, uid)
		}
	}
	return who, groups[iam.SuperuserGroup].Has(iam.Full)
}

// foresee does a change to what is known of superusers.
func foresee(c *Change, users, groups map[string]iam.Actions, members map[string]map[string]bool) {
	switch {
	case c.Grant != nil && c.Grant.RID == iam.SuperuserRID:
		actions, _ := parseActions(c.Grant.Actions)
		if c.Remove {
			actions = 0
		}
		if c.Grant.GID != "" {
			groups[c.Grant.GID] = actions
		} else {
			users[c.Grant.UID] = actions
		}
	case c.Member != nil:
		if members[c.Member.GID] == nil {
			members[c.Member.GID] = map[string]bool{}
		}
		if c.Remove {
			delete(members[c.Member.GID], c.Member.UID)
		} else {
			members[c.Member.GID][c.Member.UID] = true
		}
	case c.Remove && c.Group != nil:
		delete(groups, c.Group.GID)
	}
}
