package declare

import (
	"cmp"
	"slices"
)

// Verb is what a step does.
type Verb string

// The verbs.
const (
	Create Verb = "create"
	Update Verb = "update"
	Delete Verb = "delete"
)

// phase is when a step can be done: what others refer to comes first, and goes last. Providers come before the users who log in through them.
type phase int

const (
	makeProviders phase = iota
	makeUsers
	makeGroups
	makeACLs
	makeMembers
	makeGrants
	dropGrants
	dropMembers
	dropACLs
	dropGroups
	dropUsers
	dropProviders
)

// Step is one difference between a document and a cluster, and the change that ends it.
type Step struct {
	Verb Verb
	// Kind is user, service account, group, acl, member, grant or provider.
	Kind string
	// Name says which one, for people: "alice", "alice in ops", "group ops on dcos:superuser".
	Name string
	// Details say what is different, a line each.
	Details []string
	Change  Change
	// At is where the document says so; removals have no place.
	At Position

	phase phase
}

// Plan is the difference.
type Plan struct {
	// Steps are in an order in which they can be applied.
	Steps []Step
	// Left counts what the cluster has and the document does not name, by kind. It is left alone.
	Left Counts
	// Locked counts the new users that have no password until a superuser sets one.
	Locked int
	// Wrong is why nothing may be applied.
	Wrong Problems
}

// Options say how a difference is made.
type Options struct {
	// Prune removes what the document does not name, from the lists that it has.
	Prune bool
	// Caller is the uid that will apply the plan. It is never removed. "" is nobody.
	Caller string
}

// Difference is what must change in a cluster that has the state have, so that it is as want says.
func Difference(have, want *Document, o Options) *Plan {
	p := &planner{Options: o, plan: &Plan{Left: Counts{}}, gone: map[string]bool{}, have: newIndex(have), want: want, named: newIndex(want)}
	p.plan.Wrong = want.Check()
	for _, s := range sections {
		if s.differ != nil {
			s.differ(p)
		}
	}
	p.protect()
	slices.SortStableFunc(p.plan.Steps, func(a, b Step) int { return cmp.Compare(a.phase, b.phase) })
	return p.plan
}

// planner makes a plan.
type planner struct {
	Options
	plan        *Plan
	have, named *index
	want        *Document
	gone        map[string]bool // the users that are removed
}

func (p *planner) step(phase phase, s Step) {
	s.phase = phase
	p.plan.Steps = append(p.plan.Steps, s)
}

// drop removes what the document does not name, if it is to; else it counts it. declared says whether the document has the list.
func (p *planner) drop(phase phase, declared bool, kind, name string, c Change) {
	if !p.Prune || !declared {
		p.plan.Left[kind]++
		return
	}
	c.Remove = true
	if c.User != nil {
		p.gone[name] = true
	}
	p.step(phase, Step{Verb: Delete, Kind: kind, Name: name, Change: c})
}

// index finds the parts of a document by their ids.
type index struct {
	users     map[string]*User
	groups    map[string]*Group
	acls      map[string]*ACL
	providers map[string]*Provider
}

func newIndex(d *Document) *index {
	x := &index{map[string]*User{}, map[string]*Group{}, map[string]*ACL{}, map[string]*Provider{}}
	for _, list := range [][]User{d.Users, d.ServiceAccounts} {
		for i := range list {
			x.users[list[i].UID] = &list[i]
		}
	}
	for i := range d.Groups {
		x.groups[d.Groups[i].GID] = &d.Groups[i]
	}
	for i := range d.ACLs {
		x.acls[d.ACLs[i].RID] = &d.ACLs[i]
	}
	for i := range d.Providers {
		x.providers[d.Providers[i].ID] = &d.Providers[i]
	}
	return x
}
