//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// trailFiles are the audit files of a master, the oldest first.
func trailFiles(t *testing.T, m *rig.Master) []string {
	t.Helper()
	return must[[]string](t)(filepath.Glob(filepath.Join(m.DataDir, "audit", "audit-*.log")))
}

// trailOf is what a master has recorded. Records of reads are written some milliseconds after the answer.
func trailOf(t *testing.T, m *rig.Master) string {
	t.Helper()
	var all strings.Builder
	for _, name := range trailFiles(t, m) {
		text, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// recordsOf are the records of all masters about one request, as "MASTER key=value …" without what is always there.
func recordsOf(t *testing.T, c *rig.Cluster, request string) (found []string) {
	t.Helper()
	for _, m := range c.Masters {
		for line := range strings.Lines(trailOf(t, m)) {
			if strings.Contains(line, " request="+request) {
				found = append(found, m.Name+" "+strings.TrimSpace(line))
			}
		}
	}
	return found
}

// What every request leaves behind, counted over all masters.
func TestEveryRequestIsRecordedOnceByOneMaster(t *testing.T) {
	c := shared(t)
	leader := leaderOf(t, c)
	run := strconv.Itoa(rand.IntN(1e9)) // the cluster is shared, also with an earlier run
	uid, nobody := named(t, "u"+run), named(t, "nobody"+run)
	putUser(t, c, c.Masters[0], uid, map[string]string{"password": "a passphrase"})
	own := must[string](t)(c.Client.Login(t.Context(), c.Masters[0].API, uid, "a passphrase"))
	root := superuser(t, c)
	for _, at := range c.Masters {
		by, group := at.Name, named(t, "g-"+run+at.Name)
		user, groups := usersPath+"/"+uid, "/acs/api/v1/groups/"+group
		for _, step := range []struct {
			name    string
			status  int
			request rig.Request
			want    []string // what each record holds; "@" is the master that makes it
		}{
			{"a good login", 200, rig.Request{Method: "POST", URL: "/acs/api/v1/auth/login", Body: map[string]string{"uid": uid, "password": "a passphrase"}},
				[]string{by + " @ component=bouncer action=password-login result=allow"}},
			{"a bad login", 401, rig.Request{Method: "POST", URL: "/acs/api/v1/auth/login", Body: map[string]string{"uid": uid, "password": "wrong"}},
				[]string{by + " @ component=bouncer action=password-login result=deny"}},
			{"a read", 200, rig.Request{Method: "GET", URL: user, Token: root},
				[]string{by + " @ uid=" + rig.Superuser + " action=iam.users.get object=" + user + " result=allow reason=superuser"}},
			{"a stale read", 200, rig.Request{Method: "GET", URL: user + "?consistency=stale", Token: root}, []string{by + " @ action=iam.users.get result=allow"}},
			{"an own read", 200, rig.Request{Method: "GET", URL: user + "/groups", Token: own}, []string{by + ` @ result=allow reason="own account"`}},
			{"a read without a token", 401, rig.Request{Method: "GET", URL: user}, []string{by + ` @ result=deny reason="not authenticated"`}},
			{"a read without the right", 403, rig.Request{Method: "GET", URL: user, Token: own}, []string{by + ` @ uid=` + uid + ` result=deny reason="not granted"`}},
			{"a change", 201, rig.Request{Method: "PUT", URL: groups, Token: root, Body: map[string]string{"description": "x"}},
				[]string{leader.Name + " @ result=allow reason=superuser stage=intent", leader.Name + " @ result=allow reason=done stage=outcome index="}},
			{"a change that is refused by the log", 409, rig.Request{Method: "PUT", URL: groups, Token: root, Body: map[string]string{"description": "x"}},
				[]string{leader.Name + " @ stage=intent", leader.Name + " @ result=allow reason=ERR_GROUP_EXISTS stage=outcome"}},
			{"a change without the right", 403, rig.Request{Method: "DELETE", URL: groups, Token: own}, []string{leader.Name + ` @ result=deny reason="not granted"`}},
			{"a change without a token", 401, rig.Request{Method: "DELETE", URL: groups}, []string{" @ result=deny"}},
			{"a change of what is not there", 400, rig.Request{Method: "DELETE", URL: usersPath + "/" + nobody, Token: root},
				[]string{leader.Name + " @ stage=intent", leader.Name + " @ reason=ERR_UNKNOWN_USER_ID stage=outcome"}},
			{"a policy query", 200, rig.Request{Method: "GET", URL: "/acs/api/v1/internal/policyquery?rid=a:b&action=read&uid=" + uid, Token: root},
				[]string{by + ` @ uid=` + uid + ` action=read object=a:b result=deny caller=` + rig.Superuser}},
		} {
			step.request.URL = at.API + step.request.URL
			step.request.Header = map[string]string{"X-Forwarded-For": "203.0.113.9"}
			answer := ask(t, c, step.status, step.request)
			expectRecords(t, c, step.name+" at "+at.Name, answer.Header.Get("X-Gatehouse-Request-Id"), step.want)
		}
	}
}

// expectRecords wants exactly these records about a request, each from the client's own address.
func expectRecords(t *testing.T, c *rig.Cluster, what, request string, want []string) {
	t.Helper()
	var found []string
	await(t, 20*time.Second, "the records of "+what, func(context.Context) error {
		if found = recordsOf(t, c, request); len(found) < len(want) {
			return fmt.Errorf("%d records, want %d: %q", len(found), len(want), found)
		}
		return nil
	})
	if len(found) != len(want) {
		t.Errorf("%s: %d records, want %d: %q", what, len(found), len(want), found)
		return
	}
	for i, line := range found {
		master, parts, _ := strings.Cut(want[i], "@")
		for _, part := range append(fields(parts), "srcip=203.0.113.9") {
			if !strings.HasPrefix(line, strings.TrimSpace(master)) || !strings.Contains(line, " "+part) {
				t.Errorf("%s: record %d is %s, want %q", what, i, line, want[i])
			}
		}
	}
}

// fields cuts "a=b c=\"d e\"" at the spaces between the pairs.
func fields(text string) (out []string) {
	quoted := false
	return slices.DeleteFunc(strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	}), func(s string) bool { return s == "" })
}

// The leader dies under writes: every change that was acknowledged is in somebody's records.
func TestAKilledLeaderHasRecordedWhatItAcknowledged(t *testing.T) {
	c := start(t, rig.Options{})
	books := keepBooks(t, c, anyOf(c))
	books.awaitMore(t, 100, 30*time.Second)
	victim := leaderOf(t, c)
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	books.awaitMore(t, 50, 30*time.Second)
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitHealthy(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	books.close()
	intents := map[string]bool{}
	for _, m := range c.Masters {
		for line := range strings.Lines(trailOf(t, m)) {
			if _, rest, found := strings.Cut(line, " object="+usersPath+"/"); found && strings.Contains(line, " stage=intent ") {
				uid, _, _ := strings.Cut(rest, " ")
				intents[uid] = true
			}
		}
	}
	for uid := range books.acked {
		if !intents[uid] {
			t.Errorf("%s was acknowledged, and nobody has recorded it", uid)
		}
	}
	d := newDesk(t)
	d.login(t, c, "admin")
	for _, m := range c.Masters {
		tell(t, m)
		verifyTrail(t, d, m, 0, "\nSOUND, by the word of ")
	}
}

// adminOf is a client of the admin socket of a master.
func adminOf(m *rig.Master) *rig.Client {
	return rig.NewClientOf(&http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", m.AdminSocket)
		}}})
}

// idOf is the server id of a master, which its audit files are named after.
func idOf(t *testing.T, m *rig.Master) string {
	t.Helper()
	return strings.Split(filepath.Base(trailFiles(t, m)[0]), "-")[1]
}

// tell ends the audit file of a master, so that all masters are told of its head, and waits until they are.
func tell(t *testing.T, m *rig.Master) {
	t.Helper()
	client := adminOf(m)
	if _, err := client.Expect(t.Context(), http.StatusNoContent, rig.Request{Method: "POST", URL: "http://admin/gatehouse/v1/audit/rotate"}); err != nil {
		t.Fatal(err)
	}
	master := idOf(t, m)
	end := "audit-" + master + "-%020d.log"
	await(t, 30*time.Second, "the head of "+m.Name, func(ctx context.Context) error {
		answer, err := client.Expect(ctx, http.StatusOK, rig.Request{Method: "GET", URL: "http://admin/gatehouse/v1/audit/socket/heads"})
		if err != nil {
			return err
		}
		var heads struct {
			Array []struct {
				Master   string
				Sequence uint64
				Rotated  bool
			}
		}
		if err := json.Unmarshal(answer.Body, &heads); err != nil {
			return err
		}
		for _, h := range heads.Array { // the file after the one that ended is named after it
			if _, err := os.Stat(filepath.Join(m.DataDir, "audit", fmt.Sprintf(end, h.Sequence+1))); h.Master == master && h.Rotated && err == nil {
				return nil
			}
		}
		return fmt.Errorf("the heads are %s", answer.Body)
	})
}

// verifyTrail verifies the files of a master and wants an exit status and a word.
func verifyTrail(t *testing.T, d *desk, m *rig.Master, status int, want string) {
	t.Helper()
	got, out, errs := d.run(t, "gatehouse audit verify --dir "+filepath.Join(m.DataDir, "audit"))
	if got != status || !strings.Contains(out, want) {
		t.Errorf("verify %s: status %d, want %d, and %q in\n%s%s", m.Name, got, status, want, out, errs)
	}
}

// What is done to the files behind the masters' back is found by the word of all masters.
func TestTamperedFilesAreFound(t *testing.T) {
	c, d := start(t, rig.Options{}), newDesk(t)
	d.login(t, c, "admin")
	m := c.Masters[0]
	putUser(t, c, m, "somebody", map[string]string{"password": "a passphrase"})
	tell(t, m)
	verifyTrail(t, d, m, 0, "\nSOUND, by the word of ")
	d.good(t, "gatehouse audit heads --output json > heads.json")
	first := trailFiles(t, m)[0]
	text := string(must[[]byte](t)(os.ReadFile(first)))
	lines := slices.Collect(strings.Lines(text))
	last := len(lines) - 1
	for want, tampered := range map[string]string{
		"ALTERED: ":             strings.Replace(text, "result=allow", "result=deny", 1),
		"REPLACED: ":            strings.Join(lines[:last], "") + strings.Replace(lines[last], "result=allow", "result=deny", 1),
		"REMOVED: records 1 to": strings.Join(lines[1:], ""),
	} {
		rewrite(t, first, tampered)
		verifyTrail(t, d, m, 1, want)
		if status, out, _ := d.run(t, "gatehouse audit verify --heads heads.json "+first); status != 1 || !strings.Contains(out, want) {
			t.Errorf("off line: status %d, want 1 and %q in\n%s", status, want, out)
		}
	}
	rewrite(t, first, text)
	verifyTrail(t, d, m, 0, "\nSOUND, by the word of ")
	if out := d.good(t, "gatehouse audit search --action iam.users.create --output json"); strings.Count(out, `/users/somebody"`) != 2 {
		t.Errorf("search finds no intent and outcome:\n%s", out)
	}
	if out := d.good(t, "gatehouse audit tail -n 1000"); !strings.Contains(out, " action=iam.users.create ") || strings.Count(out, " action=audit-start ") != 3 {
		t.Errorf("tail:\n%s", out)
	}
}

// Every master tells all others of its own trail, wherever the leader is, and cannot speak for another one.
func TestAMasterCannotTellOfTheTrailOfAnother(t *testing.T) {
	c := shared(t)
	for i, m := range c.Masters {
		other := idOf(t, c.Masters[(i+1)%len(c.Masters)])
		body := map[string]any{"heads": []any{map[string]any{
			"master": other, "sequence": uint64(math.MaxUint64), "hash": strings.Repeat("0", 64), "time": "2026-03-01T12:00:00Z"}}}
		if _, err := adminOf(m).Expect(t.Context(), http.StatusForbidden, rig.Request{Method: "POST", URL: "http://admin/gatehouse/v1/audit/tell", Body: body}); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		tell(t, m)
	}
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// onAuditDisk runs the master in a mount namespace of its own, where a small tmpfs lies over its audit directory.
func onAuditDisk(m *rig.Master) {
	onOwnDisk(m)
	for i, arg := range m.Argv {
		if strings.HasPrefix(arg, "mkdir -p ") {
			m.Argv[i] = strings.ReplaceAll(strings.ReplaceAll(arg, diskSize, "1m"), `"$0"`, `"$0/audit"`)
			return
		}
	}
}

// What cannot be recorded is not done; everything else goes on (hostile Q6).
func TestAFullAuditDiskRefusesChangesUntilThereIsRoom(t *testing.T) {
	c := start(t, rig.Options{Masters: 1, Wrap: onAuditDisk})
	m := c.Masters[0]
	putUser(t, c, m, "reader", map[string]string{"password": "a passphrase"})
	filler := within(m, filepath.Join(m.DataDir, "audit", "filler"))
	describe := rig.Request{Method: "PATCH", URL: userURL(m, "reader"), Token: superuser(t, c), Body: map[string]string{"description": "changed"}}
	await(t, 30*time.Second, "a refusal", func(ctx context.Context) error {
		if err := fill(filler); err != nil {
			return err
		}
		answer, err := c.Client.Expect(ctx, http.StatusServiceUnavailable, describe)
		if err == nil && answer.Code != "ERR_BUSY" {
			err = fmt.Errorf("got %s", answer.Body)
		}
		return err
	})
	before := getUser(t, c, m, "reader").Description
	describe.Body = map[string]string{"description": "changed on a full disk"}
	ask(t, c, http.StatusServiceUnavailable, describe)
	if got := getUser(t, c, m, "reader").Description; got != before {
		t.Errorf("the description became %q", got)
	}
	if _, err := c.Client.Login(t.Context(), m.API, "reader", "a passphrase"); err != nil {
		t.Errorf("login: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	describe.Body = map[string]string{"description": "room again"}
	await(t, 30*time.Second, "a change", func(ctx context.Context) error {
		_, err := c.Client.Expect(ctx, http.StatusNoContent, describe)
		return err
	})
	if got := getUser(t, c, m, "reader").Description; got != "room again" {
		t.Errorf("the description is %q", got)
	}
}

// fill appends to a file until there is no room.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}
