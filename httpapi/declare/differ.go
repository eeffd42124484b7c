package declare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/fsm/iam"
)

// accounts compares users and service accounts, which share their names.
func (p *planner) accounts() {
	for _, list := range [][]User{p.want.Users, p.want.ServiceAccounts} {
		for i := range list {
			p.account(&list[i])
		}
	}
	for _, id := range sorted(p.have.users) {
		if u := p.have.users[id]; p.named.users[id] == nil {
			declared := p.want.Users != nil
			if u.service() {
				declared = p.want.ServiceAccounts != nil
			}
			p.drop(dropUsers, declared, u.kind(), id, Change{User: &UserChange{UID: id}})
		}
	}
}

func (p *planner) account(want *User) {
	change := &UserChange{UID: want.UID, PublicKey: want.PublicKey, ProviderType: want.ProviderType, ProviderID: want.ProviderID}
	s := Step{Verb: Create, Kind: want.kind(), Name: want.UID, At: want.At, Change: Change{User: change}}
	have := p.have.users[want.UID]
	switch {
	case have == nil:
		change.Description = value(want.Description)
		if !want.service() && want.provider() == iam.Internal {
			p.plan.Locked++
		}
		p.step(makeUsers, s)
		return
	case have.service() != want.service(), want.ProviderType != "" && have.provider() != want.provider():
		p.plan.Wrong.add(want.At, "%s is a %s in the cluster and a %s in the file: delete it there first, which ends its tokens",
			quoted(want.UID), have.describe(), want.describe())
		return
	}
	change.Description = s.describe(want.Description, have.Description)
	if want.ProviderType == "" {
		change.ProviderType, change.ProviderID = have.ProviderType, have.ProviderID
	} else if have.ProviderID != want.ProviderID {
		s.differ("provider_id", have.ProviderID, want.ProviderID)
	}
	if strings.TrimSpace(have.PublicKey) == strings.TrimSpace(want.PublicKey) {
		change.PublicKey = have.PublicKey
	} else {
		s.Details = append(s.Details, "public_key: another key")
	}
	p.update(makeUsers, s)
}

// describe tells users of different providers apart.
func (u *User) describe() string {
	if u.service() || u.provider() == iam.Internal {
		return u.kind()
	}
	return "user of provider_type " + u.provider()
}

// describe compares descriptions and returns the one that is to be. One that is left out stays as it is.
func (s *Step) describe(want, have *string) string {
	if want == nil {
		return value(have)
	}
	if *want != value(have) {
		s.differ("description", value(have), *want)
	}
	return *want
}

// differ notes a difference.
func (s *Step) differ(what, have, want string) {
	s.Details = append(s.Details, fmt.Sprintf("%s: %s → %s", what, quoted(have), quoted(want)))
}

// update adds a step for what is there but is not as it should be, if anything is not.
func (p *planner) update(phase phase, s Step) {
	if len(s.Details) > 0 {
		s.Verb = Update
		p.step(phase, s)
	}
}

func (p *planner) groups() {
	for i := range p.want.Groups {
		p.group(&p.want.Groups[i])
	}
	for _, id := range sorted(p.have.groups) {
		if p.named.groups[id] == nil {
			p.drop(dropGroups, p.want.Groups != nil, "group", id, Change{Group: &GroupChange{GID: id}})
		}
	}
}

func (p *planner) group(want *Group) {
	change := &GroupChange{GID: want.GID, ProviderType: want.ProviderType, Description: value(want.Description)}
	s := Step{Verb: Create, Kind: "group", Name: want.GID, At: want.At, Change: Change{Group: change}}
	have := p.have.groups[want.GID]
	if have == nil {
		have = &Group{}
		p.step(makeGroups, s)
	} else {
		if want.ProviderType != "" && want.ProviderType != have.ProviderType {
			p.plan.Wrong.add(want.At, "group %s: its provider_type is %s in the cluster and cannot change", quoted(want.GID), have.ProviderType)
			return
		}
		change.ProviderType, change.Description = have.ProviderType, s.describe(want.Description, have.Description)
		p.update(makeGroups, s)
	}
	p.members(want, have)
}

func (p *planner) members(want, have *Group) {
	named, there := uids(want.Members), uids(have.Members)
	for _, m := range want.Members {
		p.mustExist(p.userStays(m.UID), m.At, "group "+quoted(want.GID)+" has the member", m.UID)
		if !there[m.UID] {
			p.step(makeMembers, Step{Verb: Create, Kind: "member", Name: m.UID + " in " + want.GID, At: m.At,
				Change: Change{Member: &MemberChange{GID: want.GID, UID: m.UID}}})
		}
	}
	for _, m := range have.Members {
		if !named[m.UID] && p.userStays(m.UID) { // else it goes with the user
			p.drop(dropMembers, want.Members != nil, "member", m.UID+" in "+want.GID, Change{Member: &MemberChange{GID: want.GID, UID: m.UID}})
		}
	}
}

func uids(members []Member) map[string]bool {
	set := make(map[string]bool, len(members))
	for _, m := range members {
		set[m.UID] = true
	}
	return set
}

func (p *planner) acls() {
	for i := range p.want.ACLs {
		p.acl(&p.want.ACLs[i])
	}
	for _, id := range sorted(p.have.acls) {
		if p.named.acls[id] == nil {
			p.drop(dropACLs, p.want.ACLs != nil, "acl", id, Change{ACL: &ACLChange{RID: id}})
		}
	}
}

func (p *planner) acl(want *ACL) {
	change := &ACLChange{RID: want.RID, Description: value(want.Description)}
	s := Step{Verb: Create, Kind: "acl", Name: want.RID, At: want.At, Change: Change{ACL: change}}
	have := p.have.acls[want.RID]
	if have == nil {
		have = &ACL{}
		p.step(makeACLs, s)
	} else {
		change.Description = s.describe(want.Description, have.Description)
		p.update(makeACLs, s)
	}
	user := func(id string) (GrantChange, string) { return GrantChange{RID: want.RID, UID: id}, id }
	group := func(id string) (GrantChange, string) { return GrantChange{RID: want.RID, GID: id}, "group " + id }
	p.grants(want.Users, have.Users, user, p.userStays)
	p.grants(want.Groups, have.Groups, group, p.groupStays)
}

// grants compares the grants of users, or of groups, on one resource. principal makes the change and a name of an id; stays says
// whether there will be such a principal.
func (p *planner) grants(want, have Grants, principal func(id string) (GrantChange, string), stays func(id string) bool) {
	named := make(map[string]bool, len(want))
	there := make(map[string]iam.Actions, len(have))
	for _, g := range have {
		there[g.ID] = g.Actions
	}
	for _, g := range want {
		named[g.ID] = true
		change, name := principal(g.ID)
		change.Actions = g.Actions.Names()
		p.mustExist(stays(g.ID), g.At, "acl "+quoted(change.RID)+" names", name)
		s := Step{Verb: Create, Kind: "grant", Name: name + " on " + change.RID, At: g.At, Details: []string{g.Actions.String()},
			Change: Change{Grant: &change}}
		switch before := there[g.ID]; {
		case before == 0:
			p.step(makeGrants, s)
		case before != g.Actions:
			s.Details = []string{before.String() + " → " + g.Actions.String()}
			p.update(makeGrants, s)
		}
	}
	for _, g := range have {
		if !named[g.ID] && stays(g.ID) { // else it goes with the principal
			change, name := principal(g.ID)
			p.drop(dropGrants, want != nil, "grant", name+" on "+change.RID, Change{Grant: &change})
		}
	}
}

// userStays reports whether there will be such a user: it is in the document, or in the cluster and not pruned.
func (p *planner) userStays(uid string) bool {
	return p.named.users[uid] != nil || p.have.users[uid] != nil && !p.gone[uid]
}

func (p *planner) groupStays(gid string) bool {
	return p.named.groups[gid] != nil || p.have.groups[gid] != nil && !(p.Prune && p.want.Groups != nil)
}

func (p *planner) mustExist(exists bool, at Position, who, id string) {
	switch {
	case exists:
	case p.Prune:
		p.plan.Wrong.add(at, "%s %s, which the files do not declare, and which is not in the cluster or is pruned", who, id)
	default:
		p.plan.Wrong.add(at, "%s %s, which is neither in the files nor in the cluster", who, id)
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
