//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// What all tests use: the binary under test, and a cluster of three that nobody harms.
var (
	binary string
	common struct {
		once    sync.Once
		cluster *rig.Cluster
		err     error
		dir     string
	}
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gatehouse-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	common.dir = dir
	if binary, err = rig.Binary(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if common.cluster != nil {
			common.cluster.Close()
		}
		if chromium.browser != nil {
			chromium.browser.Close()
		}
	}()
	return m.Run()
}

// shared is the common cluster; a test that uses it leaves it as healthy as it was.
func shared(t *testing.T) *rig.Cluster {
	t.Helper()
	common.once.Do(func() {
		common.cluster, common.err = rig.Start(context.Background(), rig.Options{Dir: common.dir, Binary: binary,
			Flags: []string{"--allow-insecure-providers"}}) // those of the tests are on loopback
	})
	if common.err != nil {
		t.Fatal(common.err)
	}
	return common.cluster
}

// start forms a cluster of the test's own.
func start(t *testing.T, o rig.Options) *rig.Cluster {
	t.Helper()
	o.Dir, o.Binary = t.TempDir(), binary
	c, err := rig.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	finish(t, c)
	return c
}

// finish closes the cluster when the test ends, and shows what the masters said if it failed.
func finish(t *testing.T, c *rig.Cluster) {
	t.Cleanup(func() {
		if t.Failed() {
			for _, m := range c.Masters {
				t.Logf("the log of %s ends:\n%s", m.Name, m.LogTail())
			}
		}
		c.Close()
	})
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func superuser(t *testing.T, c *rig.Cluster) string {
	t.Helper()
	return must[string](t)(c.Token(t.Context()))
}

func leaderOf(t *testing.T, c *rig.Cluster) *rig.Master {
	t.Helper()
	return must[*rig.Master](t)(c.Leader(t.Context()))
}

// user is the part of a user's record that the tests look at.
type user struct {
	UID         string
	Description string
	IsService   bool   `json:"is_service"`
	PublicKey   string `json:"public_key"`
}

const usersPath = "/acs/api/v1/users"

func userURL(m *rig.Master, uid string) string { return m.API + usersPath + "/" + uid }

// ownURL is what every user may read about itself, whatever it may do otherwise.
func ownURL(m *rig.Master, uid string) string { return userURL(m, uid) + "/groups" }

// ask sends one request and wants a status.
func ask(t *testing.T, c *rig.Cluster, status int, r rig.Request) rig.Answer {
	t.Helper()
	return must[rig.Answer](t)(c.Client.Expect(t.Context(), status, r))
}

// putUser creates a user through m.
func putUser(t *testing.T, c *rig.Cluster, m *rig.Master, uid string, body any) rig.Answer {
	t.Helper()
	return ask(t, c, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: userURL(m, uid), Token: superuser(t, c), Body: body})
}

// getUser reads a user through m.
func getUser(t *testing.T, c *rig.Cluster, m *rig.Master, uid string) user {
	t.Helper()
	answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(m, uid), Token: superuser(t, c)})
	var u user
	decode(t, answer.Body, &u)
	return u
}

// usersOf lists regular users, or service accounts, through m.
func usersOf(t *testing.T, c *rig.Cluster, m *rig.Master, query string) map[string]user {
	t.Helper()
	answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + usersPath + query, Token: superuser(t, c)})
	var list struct{ Array []user }
	decode(t, answer.Body, &list)
	users := map[string]user{}
	for _, u := range list.Array {
		users[u.UID] = u
	}
	return users
}

func decode(t *testing.T, body []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
}

// await is rig.Await that fails the test.
func await(t *testing.T, limit time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	if err := rig.Await(t.Context(), limit, what, check); err != nil {
		t.Fatal(err)
	}
}

// named is a uid that no other test uses.
func named(t *testing.T, suffix string) string {
	t.Helper()
	name := strings.NewReplacer("/", "-", "#", "-").Replace(t.Name())
	return strings.ToLower(name[max(0, len(name)-60):] + "-" + suffix)
}
