//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// followers is the cluster of all tests of directories that harm no master. It synchronises only when it is asked to.
var followers struct {
	once    sync.Once
	cluster *rig.Cluster
	err     error
}

const (
	ldapPath = "/acs/api/v1/ldap"
	syncPath = "/gatehouse/v1/ldap/sync"
)

// company is a cluster and a directory that it does not know yet. The cluster forgets the directory when the test ends.
func company(t *testing.T, o rig.SlapdOptions) (*rig.Cluster, *rig.Slapd) {
	t.Helper()
	followers.once.Do(func() {
		var dir string
		if dir, followers.err = os.MkdirTemp(common.dir, "ldap-"); followers.err == nil {
			followers.cluster, followers.err = rig.Start(context.Background(), rig.Options{Dir: dir, Binary: binary, Flags: []string{"--ldap-sync-interval", "0s"}})
		}
	})
	if followers.err != nil {
		t.Fatal(followers.err)
	}
	c, s := followers.cluster, slapd(t, o)
	t.Cleanup(func() {
		if t.Failed() {
			for _, m := range c.Masters {
				t.Logf("the log of %s ends:\n%s", m.Name, m.LogTail())
			}
		}
		forget(t, c)
	})
	return c, s
}

// forget removes the configuration and everything that came from a directory.
func forget(t *testing.T, c *rig.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // that of the test has ended
	defer cancel()
	api := c.Masters[0].API
	token, err := c.Token(ctx)
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := c.Client.Do(ctx, rig.Request{Method: http.MethodDelete, URL: api + ldapPath + "/config", Token: token}); err != nil {
		t.Error(err)
	}
	var changes []any
	for kind, id := range map[string]string{"user": "uid", "group": "gid"} {
		answer, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: api + "/acs/api/v1/" + kind + "s", Token: token})
		if err != nil {
			t.Error(err)
			return
		}
		var list struct{ Array []map[string]any }
		decode(t, answer.Body, &list)
		for _, e := range list.Array {
			if e["provider_type"] == "ldap" {
				changes = append(changes, map[string]any{"remove": true, kind: map[string]any{id: e[id]}})
			}
		}
	}
	for part := range slices.Chunk(changes, 2000) {
		if _, err := c.Client.Expect(ctx, http.StatusNoContent, rig.Request{Method: http.MethodPost, URL: api + "/gatehouse/v1/iam/apply", Token: token,
			Body: map[string]any{"changes": part}}); err != nil {
			t.Error(err)
		}
	}
}

// configure puts a configuration through a master; again when the leader changes meanwhile, which does no harm.
func configure(t *testing.T, c *rig.Cluster, m *rig.Master, config map[string]any) {
	t.Helper()
	request := rig.Request{Method: http.MethodPut, URL: m.API + ldapPath + "/config", Token: superuser(t, c), Body: config}
	await(t, 20*time.Second, "the configuration", func(ctx context.Context) error {
		answer, err := c.Client.Do(ctx, request)
		if err == nil && answer.Status == http.StatusServiceUnavailable {
			return fmt.Errorf("got %s", answer.Body)
		}
		if err != nil || answer.Status != http.StatusOK {
			t.Errorf("configure: %d %s, %v", answer.Status, answer.Body, err)
		}
		return nil
	})
}

// with is a configuration with further members, or without those that are nil.
func with(config map[string]any, members map[string]any) map[string]any {
	for name, value := range members {
		if config[name] = value; value == nil {
			delete(config, name)
		}
	}
	return config
}

// order asks a master for something about the directory as the superuser.
func order(t *testing.T, c *rig.Cluster, m *rig.Master, status int, path string, body any) rig.Answer {
	t.Helper()
	return ask(t, c, status, rig.Request{Method: http.MethodPost, URL: m.API + path, Token: superuser(t, c), Body: body})
}

// probe tests the configuration and answers the result.
func probe(t *testing.T, c *rig.Cluster, m *rig.Master, uid, password string) (status int, code, description string) {
	t.Helper()
	answer := must[rig.Answer](t)(c.Client.Do(t.Context(), rig.Request{Method: http.MethodPost, URL: m.API + ldapPath + "/config/test", Token: superuser(t, c),
		Body: map[string]string{"uid": uid, "password": password}}))
	var result struct{ Code, Description string }
	decode(t, answer.Body, &result)
	return answer.Status, result.Code, result.Description
}

// membersOf lists the uids in a group.
func membersOf(t *testing.T, c *rig.Cluster, m *rig.Master, gid string) map[string]bool {
	t.Helper()
	answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/acs/api/v1/groups/" + gid + "/users", Token: superuser(t, c)})
	var list struct {
		Array []struct{ User struct{ UID string } }
	}
	decode(t, answer.Body, &list)
	members := map[string]bool{}
	for _, e := range list.Array {
		members[e.User.UID] = true
	}
	return members
}

func set(names ...string) map[string]bool {
	all := map[string]bool{}
	for _, name := range names {
		all[name] = true
	}
	return all
}

func TestTheDirectoryIsConfiguredThroughAnyMaster(t *testing.T) {
	c, s := company(t, rig.SlapdOptions{})
	url := func(i int) string { return c.Masters[i].API + ldapPath + "/config" }
	token := superuser(t, c)
	missing := ask(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodGet, URL: url(0), Token: token})
	if missing.Code != "ERR_LDAP_CONFIG_NOT_AVAILABLE" || !strings.Contains(string(missing.Body), "No LDAP configuration stored yet.") {
		t.Errorf("without a configuration: %s", missing.Body)
	}
	config := with(s.SearchConfig(), map[string]any{"lookup-dn": rig.LookupDN, "lookup-password": rig.LookupPassword, "ca-certs": string(s.Authority.PEM)})
	for i := range c.Masters {
		config["port"] = 10 + i
		configure(t, c, c.Masters[i], config)
		for j := range c.Masters {
			var got, want any
			decode(t, ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: url(j), Token: token}).Body, &got)
			text, err := json.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			decode(t, text, &want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("put through master %d, read through %d (-want +got):\n%s", i, j, diff)
			}
		}
	}
	bad := ask(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodPut, URL: url(1), Token: token, Body: with(s.SearchConfig(), map[string]any{"host": "ldap://x"})})
	if bad.Code != "ERR_LDAP_CONFIG_INVALID" || !strings.Contains(string(bad.Body), "host") {
		t.Errorf("a bad host: %s", bad.Body)
	}
	ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: url(2), Token: token})
	for i := range c.Masters {
		ask(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodGet, URL: url(i), Token: token})
	}
}

// The calls are those of docs/identity.md.
func TestCurlConfiguresAndTestsTheDirectory(t *testing.T) {
	users := rig.LDAPUsers("curl", 1)
	c, s := company(t, rig.SlapdOptions{Users: users})
	file := filepath.Join(t.TempDir(), "ldap.json")
	text, err := json.Marshal(with(s.SearchConfig(), map[string]any{"enforce-starttls": true, "ca-certs": string(s.Authority.PEM)}))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	curl := func(args ...string) string {
		t.Helper()
		return must[string](t)(rig.Run(t.Context(), "curl", "", append([]string{"--silent", "--show-error", "--fail-with-body", "--max-time", "20",
			"--header", "Authorization: token=" + superuser(t, c), "--header", "Content-Type: application/json"}, args...)...))
	}
	api := c.Masters[0].API + ldapPath
	curl("--request", "PUT", "--data", "@"+file, api+"/config")
	tested := curl("--request", "POST", "--data", fmt.Sprintf(`{"uid": %q, "password": %q}`, users[0].UID, users[0].Password), api+"/config/test")
	if !strings.Contains(tested, `"TEST_PASSED"`) || !strings.Contains(tested, "Directory back-end reached and all tests passed.") {
		t.Errorf("the test says %s", tested)
	}
	curl("--request", "POST", "--data", fmt.Sprintf(`{"username": %q}`, users[0].UID), api+"/importuser")
	curl("--request", "POST", "--data", "{}", c.Masters[1].API+syncPath)
	if last := curl(c.Masters[2].API + syncPath); !strings.Contains(last, `"result": "ok"`) {
		t.Errorf("the last synchronisation: %s", last)
	}
	curl("--request", "DELETE", api+"/config")
}
