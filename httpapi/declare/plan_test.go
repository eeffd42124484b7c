package declare

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
)

// cluster is a state with two superusers, root by the group and boss directly.
const cluster = `version: 1
users:
  - {uid: root, description: Root}
  - {uid: boss, description: Boss}
  - {uid: alice, description: Alice}
groups:
  - {gid: superusers, description: Superuser group, members: [root]}
  - {gid: ops, description: Operations, members: [alice, boss]}
acls:
  - {rid: "dcos:superuser", description: Superuser ACL, users: {boss: [read]}, groups: {superusers: [full]}}
  - {rid: r, description: R, users: {alice: [read, update]}, groups: {ops: [create]}}
`

// steps are the lines of a plan, as the command line shows them.
func steps(p *Plan) (lines []string) {
	for _, s := range p.Steps {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", s.Verb, s.Kind, s.Name, strings.Join(s.Details, "; "))))
	}
	return lines
}

func differ(t *testing.T, want string, o Options) *Plan {
	t.Helper()
	return Difference(parse(t, cluster), parse(t, want), o)
}

func TestAPlanMakesOnlyWhatDiffers(t *testing.T) {
	plan := differ(t, `version: 1
users:
  - {uid: alice, description: Alice in Operations}
  - {uid: bob}
  - {uid: boss}
service_accounts:
  - uid: svc
    public_key: |
`+indented(aKey(), 6)+`groups:
  - {gid: ops, members: [bob, alice]}
  - {gid: dev, description: Development, members: [svc]}
acls:
  - {rid: r, users: {alice: [read], bob: [full]}, groups: {ops: [create], dev: [delete]}}
  - {rid: s}
`, Options{Caller: "root"})
	want := []string{
		`update user alice description: "Alice" → "Alice in Operations"`,
		"create user bob", "create service account svc", "create group dev", "create acl s",
		"create member bob in ops", "create member svc in dev",
		"update grant alice on r read,update → read", "create grant bob on r full", "create grant group dev on r delete",
	}
	if diff := cmp.Diff(want, steps(plan)); diff != "" || len(plan.Wrong) > 0 {
		t.Errorf("%v\n(-want +got)\n%s", plan.Wrong.Lines(), diff)
	}
	if got := plan.Left.String(); got != "1 user, 1 group, 1 acl, 1 membership" || plan.Locked != 1 {
		t.Errorf("left %s, %d without password; want root, superusers, dcos:superuser, boss in ops; and bob", got, plan.Locked)
	}
}

func TestPruningRemovesFromTheListsThatAreThereInAnOrderThatWorks(t *testing.T) {
	const kept = `version: 1
users: [{uid: root}, {uid: boss}]
groups: [{gid: superusers, members: [root]}]
acls:
  - {rid: "dcos:superuser", groups: {superusers: [full]}}
  - {rid: r, users: {}}
`
	plan := differ(t, kept, Options{Prune: true, Caller: "root"})
	want := []string{"delete group ops", "delete user alice"}
	if diff := cmp.Diff(want, steps(plan)); diff != "" || len(plan.Wrong) > 0 {
		t.Errorf("%v\n(-want +got)\n%s", plan.Wrong.Lines(), diff)
	}
	if got := plan.Left.String(); got != "1 grant" {
		t.Errorf("left %s, want the grant of boss, whose list is not there", got)
	}
	plan = differ(t, kept+"  - {rid: s}\n", Options{})
	if got := plan.Left.String(); got != "1 user, 1 group, 3 grants" || len(plan.Steps) != 1 {
		t.Errorf("left %s and %q without pruning", got, steps(plan))
	}
	plan = differ(t, "version: 1\ngroups: [{gid: superusers, members: [root, boss]}, {gid: ops, members: []}]\nacls: [{rid: 'dcos:superuser', users: {}}, {rid: r, groups: {}}]\n",
		Options{Prune: true, Caller: "root"})
	want = []string{"create member boss in superusers", "delete grant boss on dcos:superuser", "delete grant group ops on r", "delete member alice in ops", "delete member boss in ops"}
	if diff := cmp.Diff(want, steps(plan)); diff != "" || len(plan.Wrong) > 0 {
		t.Errorf("%v\n(-want +got)\n%s", plan.Wrong.Lines(), diff)
	}
}

func TestAFileThatNamesNothingChangesNothing(t *testing.T) {
	plan := differ(t, "version: 1\n", Options{Prune: true, Caller: "root"})
	if len(plan.Steps) > 0 || len(plan.Wrong) > 0 || plan.Left.String() != "3 users, 2 groups, 2 acls" {
		t.Errorf("%q, %v, left %s", steps(plan), plan.Wrong.Lines(), plan.Left)
	}
}

func TestAPlanThatCannotWorkSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name, file string
		prune      bool
		want       []string
	}{
		{"unknown member", "groups: [{gid: ops, members: [nobody]}]", false,
			[]string{`file.yaml:2: group "ops" has the member nobody, which is neither in the files nor in the cluster`}},
		{"unknown principals", "acls: [{rid: r, users: {nobody: full}, groups: {none: read}}]", false, []string{
			`file.yaml:2: acl "r" names nobody, which is neither in the files nor in the cluster`,
			`file.yaml:2: acl "r" names group none, which is neither in the files nor in the cluster`}},
		{"pruned member", "users: [{uid: root}, {uid: boss}]\ngroups: [{gid: superusers, members: [root, alice]}, {gid: ops}]", true,
			[]string{`file.yaml:3: group "superusers" has the member alice, which the files do not declare, and which is not in the cluster or is pruned`}},
		{"another kind", "users: [{uid: alice, provider_type: ldap}]", false,
			[]string{`file.yaml:2: "alice" is a user in the cluster and a user of provider_type ldap in the file: delete it there first, which ends its tokens`}},
		{"the caller", "users: [{uid: boss}, {uid: alice}]", true,
			[]string{`the user "root" is you, and would be removed: name it in the file`}},
		{"what is always there", "users: [{uid: root}]\ngroups: []\nacls: []", true, []string{
			"the group superusers is always there: name it in the file", "the acl dcos:superuser is always there: name it in the file"}},
		{"the superusers' grant", "acls: [{rid: 'dcos:superuser', groups: {superusers: [read]}}]", false,
			[]string{"the group superusers would lose the action full on dcos:superuser, which it always has"}},
		{"one's own right", "groups: [{gid: superusers, members: [boss]}]", true,
			[]string{"you (root) would be no superuser any more, and could not go on: keep yourself in the group superusers"}},
		{"everybody's right", "groups: [{gid: superusers, members: []}]\nacls: [{rid: 'dcos:superuser', users: {}, groups: {superusers: full}}]", true,
			[]string{"nobody would be a superuser any more"}},
	} {
		plan := differ(t, "version: 1\n"+c.file+"\n", Options{Prune: c.prune, Caller: "root"})
		if diff := cmp.Diff(c.want, plan.Wrong.Lines()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestBatchesAreBoundedAndKeepTheOrder(t *testing.T) {
	var want Document
	for i := range 2*batchSteps + 1 {
		want.Users = append(want.Users, User{UID: fmt.Sprintf("user-%04d", i)})
	}
	long := strings.Repeat("x", iam.MaxDescription)
	for i := range 100 {
		want.Users = append(want.Users, User{UID: fmt.Sprintf("wordy-%04d", i), Description: &long})
	}
	plan := Difference(&Document{}, &want, Options{})
	var joined []Step
	for _, batch := range plan.Batches() {
		text, err := json.Marshal(Changes{ChangesOf(batch)})
		if err != nil || len(batch) == 0 || len(batch) > batchSteps || len(text) > batchBytes+100 {
			t.Errorf("a batch of %d steps and %d bytes: %v", len(batch), len(text), err)
		}
		joined = append(joined, batch...)
	}
	if diff := cmp.Diff(ChangesOf(plan.Steps), ChangesOf(joined)); diff != "" {
		t.Errorf("the batches are not the plan:\n%s", diff)
	}
}

func TestASummaryCountsWhatIsMadeAndRemoved(t *testing.T) {
	user := Change{User: &UserChange{UID: "a"}}
	gone := Change{Group: &GroupChange{GID: "g"}, Remove: true}
	grant := Change{Grant: &GrantChange{RID: "r", UID: "a", Actions: []string{"read"}}}
	for want, changes := range map[string][]Change{
		"":                                 nil,
		"2 users, 1 grant":                 {user, grant, user},
		"remove 1 group":                   {gone},
		"1 user, 1 grant; remove 2 groups": {user, gone, grant, gone},
		"1 service account, 1 acl":         {{User: &UserChange{PublicKey: "x"}}, {ACL: &ACLChange{}}},
		"1 membership":                     {{Member: &MemberChange{}}},
	} {
		if got := Summary(changes); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
