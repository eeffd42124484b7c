package declare

import (
	"fmt"
	"strings"
)

// Counts say how many of what kind.
type Counts map[string]int

// kinds are all kinds, in the order in which they are told.
var kinds = []struct{ one, many string }{
	{"user", "users"}, {"service account", "service accounts"}, {"group", "groups"}, {"acl", "acls"},
	{"member", "memberships"}, {"grant", "grants"}, {"provider", "providers"},
}

// Total is their sum.
func (c Counts) Total() (n int) {
	for _, count := range c {
		n += count
	}
	return n
}

// String lists what there is: "2 users, 1 group".
func (c Counts) String() string {
	var parts []string
	for _, k := range kinds {
		switch n := c[k.one]; {
		case n == 1:
			parts = append(parts, "1 "+strings.TrimSuffix(k.many, "s"))
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, k.many))
		}
	}
	return strings.Join(parts, ", ")
}

// Count counts the steps of each verb.
func (p *Plan) Count() map[Verb]int {
	counts := map[Verb]int{}
	for _, s := range p.Steps {
		counts[s.Verb]++
	}
	return counts
}

// Summary says how many of what a number of changes makes sure of and removes, for records of what was done.
func Summary(changes []Change) string {
	made, removed := Counts{}, Counts{}
	for _, c := range changes {
		counts := made
		if c.Remove {
			counts = removed
		}
		counts[c.kind()]++
	}
	switch {
	case len(removed) == 0:
		return made.String()
	case len(made) == 0:
		return "remove " + removed.String()
	}
	return made.String() + "; remove " + removed.String()
}

// kind is that of a step. Of a service account that is removed nothing says that it is one.
func (c *Change) kind() string {
	switch {
	case c.User != nil && c.User.PublicKey != "":
		return "service account"
	case c.User != nil:
		return "user"
	case c.Group != nil:
		return "group"
	case c.ACL != nil:
		return "acl"
	case c.Member != nil:
		return "member"
	case c.Provider != nil:
		return "provider"
	}
	return "grant"
}
