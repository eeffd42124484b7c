//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// Exit statuses of docs/cli.md.
const (
	statusRefused     = 1
	statusNotAllow    = 3
	statusUnavailable = 4
	statusUnknown     = 5
	statusDiffers     = 6
)

// settled runs a line that may be repeated until the masters have an answer to it: on a busy machine they may elect a leader
// in the middle of it, and then say that they cannot answer now, or that nobody knows what became of it.
func (d *desk) settled(t *testing.T, line string) (status int, out, errs string) {
	t.Helper()
	await(t, 60*time.Second, line, func(context.Context) error {
		if status, out, errs = d.run(t, line); status == statusUnavailable || status == statusUnknown {
			return fmt.Errorf("status %d\n%s%s", status, out, errs)
		}
		return nil
	})
	return status, out, errs
}

// done is settled for a line that succeeds.
func (d *desk) done(t *testing.T, line string) string {
	t.Helper()
	status, out, errs := d.settled(t, line)
	if status != 0 {
		t.Fatalf("%s\nstatus %d\n%s%s", line, status, out, errs)
	}
	return out
}

// answered is ask for a request that may be repeated until the masters have an answer to it.
func answered(t *testing.T, c *rig.Cluster, status int, r rig.Request) (answer rig.Answer) {
	t.Helper()
	await(t, 60*time.Second, r.Method+" "+r.URL, func(ctx context.Context) (err error) {
		answer, err = c.Client.Expect(ctx, status, r)
		return err
	})
	return answer
}

// loginAs is a login that is repeated in the same way.
func loginAs(t *testing.T, c *rig.Cluster, m *rig.Master, uid, password string) (token string) {
	t.Helper()
	await(t, 60*time.Second, "a login of "+uid+" at "+m.Name, func(ctx context.Context) (err error) {
		token, err = c.Client.Login(ctx, m.API, uid, password)
		return err
	})
	return token
}

// fails runs a line and wants a status, and a text in what it says.
func (d *desk) fails(t *testing.T, status int, want, line string) {
	t.Helper()
	got, out, errs := d.settled(t, line)
	if got != status || !strings.Contains(out+errs, want) {
		t.Fatalf("%s\nstatus %d, want %d and %q\n%s%s", line, got, status, want, out, errs)
	}
}

// anywhere names one of the masters, by chance.
func anywhere(c *rig.Cluster) string { return " --url " + c.Masters[rand.IntN(len(c.Masters))].API }

// changed is the kept file after somebody edited it.
func (d *desk) changed(t *testing.T, name string, pairs ...string) {
	t.Helper()
	text, err := os.ReadFile(d.path(name))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(text), pairs[i]) {
			t.Fatalf("%q is not in\n%s", pairs[i], text)
		}
	}
	d.file(t, name, strings.NewReplacer(pairs...).Replace(string(text)))
}

func TestAKeptFileIsAppliedThroughAnyMaster(t *testing.T) {
	c, d := start(t, rig.Options{}), newDesk(t)
	d.login(t, c, "prod")
	d.file(t, "team.yaml", "version: 1\nusers: [{uid: alice, description: Alice}, {uid: carol, provider_type: oidc, provider_id: idp}]\nservice_accounts:\n"+
		"  - uid: svc\n    public_key: |\n      "+strings.ReplaceAll(strings.TrimSpace(publicPEM(t)), "\n", "\n      ")+"\n"+
		"groups: [{gid: ops, description: Operations, members: [alice, svc]}]\n"+
		"acls: [{rid: \"dcos:secrets:default:/a/*\", description: Secrets, users: {carol: [read]}, groups: {ops: [create, update]}}]\n")
	d.fails(t, statusDiffers, "9 to create, 0 to change, 0 to remove.", "gatehouse iam plan -f team.yaml"+anywhere(c))
	d.done(t, "gatehouse iam apply --yes -f team.yaml"+anywhere(c))
	d.done(t, "gatehouse iam plan -f team.yaml"+anywhere(c))
	d.done(t, "gatehouse iam apply --yes -f team.yaml"+anywhere(c)) // once more does nothing

	d.done(t, "gatehouse iam export -o kept.yaml"+anywhere(c))
	d.changed(t, "kept.yaml", "description: Alice\n", "description: Alice in Operations # promoted\n", "[create, update]", "[create]", "      - svc\n", "")
	d.fails(t, statusDiffers, "- member svc in ops\n", "gatehouse iam plan --prune -f kept.yaml"+anywhere(c))
	d.fails(t, statusDiffers, "0 to create, 2 to change, 0 to remove. The files do not name, and leave alone: 1 membership.", "gatehouse iam plan -f kept.yaml"+anywhere(c))
	d.done(t, "gatehouse iam apply --yes --prune -f kept.yaml"+anywhere(c))
	if out := d.done(t, "gatehouse iam plan --prune -f kept.yaml"+anywhere(c)); out != "The cluster is as the files say.\n" {
		t.Errorf("after applying it: %q", out)
	}
	alice := answered(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(c.Masters[2], "alice"), Token: superuser(t, c)})
	if !strings.Contains(string(alice.Body), `"Alice in Operations"`) {
		t.Errorf("alice is %s", alice.Body)
	}
	// A declared user can do nothing until somebody gives it a password, not even with what stands for none.
	for _, password := range []string{"!", "", "secret-enough"} {
		if _, err := c.Client.Login(t.Context(), c.Masters[0].API, "alice", password); err == nil {
			t.Errorf("alice logs in with %q", password)
		}
	}
	d.done(t, "printf 'alices-password\\n' | gatehouse user update alice --password-stdin"+anywhere(c))
	loginAs(t, c, c.Masters[1], "alice", "alices-password")
	d.done(t, "gatehouse iam apply --yes --prune -f kept.yaml"+anywhere(c))
	loginAs(t, c, c.Masters[2], "alice", "alices-password") // which applying left alone
}

func TestPruningDoesNotLockAnybodyOut(t *testing.T) {
	c, d := start(t, rig.Options{}), newDesk(t)
	d.login(t, c, "prod")
	d.file(t, "some.yaml", "version: 1\nusers: [{uid: alice}]\ngroups: [{gid: ops, members: [alice]}]\n")
	d.done(t, "gatehouse iam apply --yes -f some.yaml"+anywhere(c))
	d.done(t, "gatehouse iam export -o before.yaml"+anywhere(c))
	for _, say := range []string{"the user \"" + rig.Superuser + "\" is you", "the group superusers is always there"} {
		d.fails(t, statusRefused, say, "gatehouse iam apply --yes --prune -f some.yaml"+anywhere(c))
	}
	d.file(t, "own.yaml", "version: 1\ngroups: [{gid: superusers, members: []}, {gid: ops, members: [alice]}]\n")
	d.fails(t, statusRefused, "nobody would be a superuser any more", "gatehouse iam apply --yes --prune -f own.yaml"+anywhere(c))
	d.done(t, "gatehouse iam plan --prune -f before.yaml"+anywhere(c)) // nothing was changed
	// Whoever does not use the command line is refused by the masters.
	body := map[string]any{"changes": []any{map[string]any{"member": map[string]string{"gid": "superusers", "uid": rig.Superuser}, "remove": true}}}
	answer := answered(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodPost, URL: c.Masters[1].API + "/gatehouse/v1/iam/apply", Token: superuser(t, c), Body: body})
	if answer.Code != "ERR_NO_MORE_SUPERUSERS" || !strings.Contains(string(answer.Body), "changes[0]") && !strings.Contains(string(answer.Body), "Last member") {
		t.Errorf("%s", answer.Body)
	}
	d.changed(t, "before.yaml", "  - uid: alice\n    description: \"\"\n", "", "      - alice\n", "")
	d.done(t, "gatehouse iam apply --yes --prune -f before.yaml"+anywhere(c))
	answered(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodGet, URL: userURL(c.Masters[0], "alice"), Token: superuser(t, c)}) // she is gone
}

func TestOnlySuperusersDeclare(t *testing.T) {
	c, d := start(t, rig.Options{}), newDesk(t)
	d.login(t, c, "admin")
	uid, gid := named(t, "delegate"), "declaring-delegates"
	d.file(t, "d.yaml", fmt.Sprintf("version: 1\nusers: [{uid: %[1]s}]\ngroups: [{gid: %[2]s, members: [%[1]s]}]\nacls: [{rid: dcos:adminrouter:acs, groups: {%[2]s: full}}]\n", uid, gid))
	d.done(t, "gatehouse iam apply --yes -f d.yaml")
	d.file(t, "password", "delegates-password\n")
	d.done(t, "gatehouse user update "+uid+" --password-file password")
	d.done(t, "gatehouse login --name delegate --url "+strings.Join(urlsOf(c), ",")+" --uid "+uid+" --password-file password")
	d.done(t, "gatehouse user list")
	for _, line := range []string{"gatehouse iam export", "gatehouse iam plan -f d.yaml", "gatehouse iam apply --yes -f d.yaml"} {
		d.fails(t, statusNotAllow, "not allowed", line)
	}
	token := loginAs(t, c, c.Masters[0], uid, "delegates-password")
	for _, m := range c.Masters {
		answered(t, c, http.StatusForbidden, rig.Request{Method: http.MethodPost, URL: m.API + "/gatehouse/v1/iam/apply", Token: token, Body: map[string]any{"changes": []any{}}})
		answered(t, c, http.StatusForbidden, rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/iam/export", Token: token})
		answered(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/iam/export"})
	}
}

// crowd declares many users, each with a grant of its own.
func crowd(users int) string {
	var text strings.Builder
	text.WriteString("version: 1\nusers:\n")
	for i := range users {
		fmt.Fprintf(&text, "  - {uid: user-%05d, description: User %d}\n", i, i)
	}
	text.WriteString("acls:\n")
	for r := range users / 10 {
		fmt.Fprintf(&text, "  - rid: dcos:service:marathon:marathon:services:/team-%04d\n    users:\n", r)
		for i := range 20 {
			fmt.Fprintf(&text, "      user-%05d: [read, update]\n", (r*10+i)%users)
		}
	}
	return text.String()
}

func TestAnApplyWhoseLeaderIsKilledIsFinishedByDoingItAgain(t *testing.T) {
	c, d := start(t, rig.Options{}), newDesk(t)
	d.login(t, c, "prod")
	d.file(t, "crowd.yaml", crowd(3000)) // with 300 resources and 6,000 grants, in ten requests
	leader := leaderOf(t, c)
	type end struct {
		status    int
		out, errs string
	}
	ended := make(chan end, 1)
	go func() {
		status, out, errs := d.run(t, "gatehouse iam apply --yes -f crowd.yaml")
		ended <- end{status, out, errs}
	}()
	token := superuser(t, c)
	await(t, 30*time.Second, "the first users", func(ctx context.Context) error {
		_, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(leader, "user-00500"), Token: token})
		return err
	})
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	first := <-ended
	if first.status != 0 && !strings.Contains(first.errs, "do the same again") {
		t.Errorf("status %d, %s", first.status, first.errs)
	}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitHealthy(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	d.done(t, "gatehouse iam apply --yes -f crowd.yaml")
	d.done(t, "gatehouse iam plan -f crowd.yaml")
	must[rig.Digest](t)(c.AwaitEqualDigests(t.Context(), 30*time.Second))
}

func TestABulkChangeIsAuditedInItsParts(t *testing.T) {
	c, d := shared(t), newDesk(t)
	d.login(t, c, "admin")
	uid := named(t, "somebody")
	d.file(t, "one.yaml", fmt.Sprintf("version: 1\nusers: [{uid: %[1]s}]\nacls: [{rid: audited, users: {%[1]s: [read, full]}}]\n", uid))
	d.done(t, "gatehouse iam apply --yes -f one.yaml"+anywhere(c))
	await(t, 20*time.Second, "the records", func(context.Context) error {
		log := trails(t, c)
		for object, stage := range map[string]string{"1 user, 1 acl, 1 grant": "outcome", "user `" + uid + "` on resource `audited`: read,full": "intent"} {
			if !regexp.MustCompile(regexp.QuoteMeta(object) + ".* stage=" + stage).MatchString(log) {
				return fmt.Errorf("no %s of %q", stage, object)
			}
		}
		return nil
	})
}

// trails are the audit records of all masters.
func trails(t *testing.T, c *rig.Cluster) string {
	t.Helper()
	var all strings.Builder
	for _, m := range c.Masters {
		for _, name := range must[[]string](t)(filepath.Glob(filepath.Join(m.DataDir, "audit", "*"))) {
			text, err := os.ReadFile(name)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}
