package state

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gatehouse/fsm/iam"
)

// The company of BenchmarkAuthorize: 1,000,000 users, 10,000 groups, 1,000,000 memberships and 1,000,000 grants.
const (
	companyUsers  = 1_000_000
	companyGroups = 10_000
	busyUsers     = 5_000 // are in 100 groups each; every second of the others is in one
	busyIn        = 100
	wideResources = 20      // are granted to every group, for reading
	resources     = 100_000 // on the others there are eight grants each, half of them to groups
)

// authorizeLimit is the promise: a decision takes less than this, on the average of the best batch; other work on the machine
// disturbs some of them.
const (
	authorizeLimit = 5 * time.Microsecond
	authorizeBatch = 100
)

func companyUser(i int) string { return fmt.Sprintf("user-%07d@example.com", i) }

func companyGroup(i int) string { return fmt.Sprintf("group-%06d", i) }

func companyResource(i int) string {
	return fmt.Sprintf("dcos:service:marathon:marathon:services:/team-%06d", i)
}

// company builds the state of the benchmark. The first groups of busyUsers[i] are i*busyIn and those after it.
func company() *State {
	t := New().Begin()
	users, groups := make([]string, companyUsers), make([]string, companyGroups)
	for i := range users {
		users[i] = companyUser(i)
		t.PutUser(&iam.User{UID: users[i], PasswordHash: "$", ProviderType: iam.Internal})
	}
	for i := range groups {
		groups[i] = companyGroup(i)
		t.PutGroup(&iam.Group{GID: groups[i], ProviderType: iam.Internal})
		t.PutGrantOn(wideResources, groups[i])
	}
	t.Next(0)
	for i := range busyUsers {
		for j := range busyIn {
			t.PutMembership(groups[busyGroup(i, j)], users[i])
		}
	}
	t.Next(0)
	for i := busyUsers; i < companyUsers; i += 2 {
		t.PutMembership(groups[i*31%companyGroups], users[i])
	}
	t.Next(0)
	for i := wideResources; i < resources; i++ {
		rid := companyResource(i)
		t.PutACL(&iam.ACL{RID: rid})
		for j := range 4 {
			t.PutGrant(Grant{RID: rid, Principal: users[(i*7919+j*104_729)%companyUsers], Actions: iam.Read | iam.Update})
			t.PutGrant(Grant{RID: rid, Principal: groups[(i*31+j*2_503)%companyGroups], Group: true, Actions: iam.Read})
		}
		t.Next(0)
	}
	t.PutGroup(&iam.Group{GID: iam.SuperuserGroup})
	t.PutACL(&iam.ACL{RID: iam.SuperuserRID})
	t.PutGrant(Grant{RID: iam.SuperuserRID, Principal: iam.SuperuserGroup, Group: true, Actions: iam.Full})
	t.PutMembership(iam.SuperuserGroup, users[1])
	return t.Commit(1)
}

// PutGrantOn lets the group read the wide resources.
func (t *Txn) PutGrantOn(wide int, gid string) {
	for i := range wide {
		t.PutACL(&iam.ACL{RID: companyResource(i)})
		t.PutGrant(Grant{RID: companyResource(i), Principal: gid, Group: true, Actions: iam.Read})
	}
}

// busyGroup is the j-th group of the i-th busy user: they lie all over the groups.
func busyGroup(i, j int) int { return (i*37 + j*(companyGroups/busyIn)) % companyGroups }

// BenchmarkAuthorize guards the promise that a decision takes less than 5 µs with a million grants and a user in a hundred
// groups, also for users and resources that nobody asked about before. It fails when the promise is broken.
func BenchmarkAuthorize(b *testing.B) {
	s := company()
	if sizes := s.Sizes(); sizes.Grants < 999_000 || sizes.Memberships < 990_000 {
		b.Fatalf("a smaller company than promised: %+v", sizes)
	}
	narrow := lastGroupsResource(s)
	cases := []struct {
		name   string
		uid    func(n int) string
		rid    func(n int) string
		action iam.Actions
		want   bool
		any    bool // the verdict differs from query to query
	}{
		{name: "allowed through the last group", uid: always(companyUser(2)), rid: always(narrow), action: iam.Read, want: true},
		{name: "denied, resource granted to few", uid: always(companyUser(2)), rid: always(narrow), action: iam.Delete},
		{name: "denied, resource granted to all groups", uid: always(companyUser(2)), rid: always(companyResource(0)), action: iam.Delete},
		{name: "allowed, resource granted to all groups", uid: always(companyUser(2)), rid: always(companyResource(0)), action: iam.Read, want: true},
		{name: "superuser through a group", uid: always(companyUser(1)), rid: always(narrow), action: iam.Delete, want: true},
		{name: "denied, cold users in 100 groups, cold resources", uid: random(companyUser, busyUsers), rid: random(companyResource, resources), action: iam.Delete, any: true},
		{name: "denied, cold users, cold resources", uid: random(companyUser, companyUsers), rid: random(companyResource, resources), action: iam.Delete, any: true},
		{name: "unknown user, unknown resource", uid: always("nobody"), rid: always("nothing"), action: iam.Read},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			best, start := time.Hour, time.Now()
			for n := 1; b.Loop(); n++ {
				if got := iam.Authorize(s, c.uid(n), c.rid(n), c.action); got != c.want && !c.any {
					b.Fatalf("allowed: %v", got)
				}
				if n%authorizeBatch == 0 {
					best, start = min(best, time.Since(start)/authorizeBatch), time.Now()
				}
			}
			b.ReportMetric(float64(best.Nanoseconds()), "best-ns/op")
			if b.N > authorizeBatch && best > authorizeLimit {
				b.Errorf("a decision took %v, want less than %v", best, authorizeLimit)
			}
		})
	}
}

// lastGroupsResource is a resource that the last of the groups of companyUser(2) may read, and none of the others.
func lastGroupsResource(s *State) string {
	last := ""
	for gid := range s.GroupsOf(companyUser(2)) {
		last = gid
	}
	for g := range s.GrantsOf(last, true) {
		if g.RID >= companyResource(wideResources) {
			return g.RID
		}
	}
	return ""
}

func always(name string) func(int) string { return func(int) string { return name } }

// random are many names in random order, made before they are asked for.
func random(name func(int) string, n int) func(int) string {
	names := make([]string, 1<<17)
	for i := range names {
		names[i] = name(rand.IntN(n))
	}
	return func(i int) string { return names[i%len(names)] }
}
