//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// bootstrapFile is the example that is shipped.
const bootstrapFile = "../../../scripts/bootstrap.yaml"

func TestAClusterBeginsWithItsBootstrapFile(t *testing.T) {
	file := must[string](t)(filepath.Abs(bootstrapFile))
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Dir: t.TempDir(), Binary: binary, Flags: []string{"--bootstrap-file", file}}))
	finish(t, c)
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	// The first who is let in, at whichever master, finds all of it.
	for _, m := range c.Masters {
		var token string
		await(t, 30*time.Second, "a login at "+m.Name, func(ctx context.Context) (err error) {
			token, err = c.Client.Login(ctx, m.API, rig.Superuser, rig.SuperuserPassword)
			return err
		})
		services := list(t, c, m.API+usersPath+"?type=service", token, "uid")
		if !slices.Contains(services, "dcos_adminrouter") || !slices.Contains(services, "dcos_marathon") {
			t.Errorf("%s has the service accounts %q", m.Name, services)
		}
	}
	d := newDesk(t)
	d.login(t, c, "prod")
	d.done(t, "gatehouse iam plan -f "+file)
	checkSuperusers(t, c)

	d.done(t, "gatehouse service-account delete --yes dcos_signal_service")
	for _, m := range c.Masters {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AwaitHealthy(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	d.fails(t, statusDiffers, "+ service account dcos_signal_service", "gatehouse iam plan -f "+file) // it is applied once
	applied := 0
	for _, m := range c.Masters {
		applied += strings.Count(m.Log(), `"bootstrap file applied"`)
	}
	if applied != 1 {
		t.Errorf("the file was applied %d times, want once", applied)
	}
}

// list is one member of each item of a collection.
func list(t *testing.T, c *rig.Cluster, url, token, member string) (values []string) {
	t.Helper()
	var got struct{ Array []map[string]any }
	decode(t, answered(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: url, Token: token}).Body, &got)
	for _, item := range got.Array {
		value, _ := item[member].(string)
		values = append(values, value)
	}
	return values
}

// checkSuperusers looks at what contract 3.3 wants: the user, the group, the resource and its grant.
func checkSuperusers(t *testing.T, c *rig.Cluster) {
	t.Helper()
	var d struct {
		Users  []struct{ UID, Description string }
		Groups []struct {
			GID     string
			Members []string
		}
		ACLs []struct {
			RID, Description string
			Groups           map[string][]string
		}
	}
	for _, m := range c.Masters {
		body := answered(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/iam/export", Token: superuser(t, c)}).Body
		if err := json.Unmarshal(body, &d); err != nil {
			t.Fatal(err)
		}
		if len(d.Users) != 1 || d.Users[0].UID != rig.Superuser || d.Users[0].Description != "Bootstrap superuser" {
			t.Errorf("users: %+v", d.Users)
		}
		if len(d.Groups) != 1 || d.Groups[0].GID != "superusers" || !slices.Contains(d.Groups[0].Members, rig.Superuser) {
			t.Errorf("groups: %+v", d.Groups)
		}
		for _, acl := range d.ACLs {
			if acl.RID == "dcos:superuser" && (acl.Description != "Superuser ACL" || !slices.Equal(acl.Groups["superusers"], []string{"full"})) {
				t.Errorf("dcos:superuser: %+v", acl)
			}
		}
	}
}

// A leader that ends between the initialisation and the file leaves the file to the next: as far as clients can see, both happen at once.
func TestTheNextLeaderAppliesTheBootstrapFile(t *testing.T) {
	file := must[string](t)(filepath.Abs(bootstrapFile))
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Dir: t.TempDir(), Binary: binary}))
	finish(t, c)
	for _, m := range c.Masters { // the first leader knows of no file: it is as if it had ended before it came to it
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, 30*time.Second, "the cluster", func(ctx context.Context) error {
		for _, m := range c.Masters {
			if !strings.Contains(m.Log(), `"master serving"`) {
				return errors.New(m.Name + " does not serve yet")
			}
		}
		return nil
	})
	for _, m := range c.Masters {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
		m.Argv = append(m.Argv, "--bootstrap-file", file)
	}
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.Masters {
		var token string
		await(t, 30*time.Second, "a login at "+m.Name, func(ctx context.Context) (err error) {
			token, err = c.Client.Login(ctx, m.API, rig.Superuser, rig.SuperuserPassword)
			return err
		})
		if services := list(t, c, m.API+usersPath+"?type=service", token, "uid"); len(services) < 10 {
			t.Errorf("%s lets clients in with the service accounts %q", m.Name, services)
		}
	}
}

func TestAWrongBootstrapFileStartsNothing(t *testing.T) {
	d := newDesk(t)
	d.file(t, "bootstrap.yaml", "version: 1\nusers: [{uid: a b}, {uid: c, pasword: d}]\ngroups: [{gid: ops, members: [nobody]}]\n")
	d.good(t, "gatehouse keygen -o cluster.key")
	for _, verb := range []string{"agent", "config validate", "dev"} {
		line := "gatehouse " + verb + " --data-dir data --bootstrap-file bootstrap.yaml"
		if verb != "dev" {
			line += " --expect 1 --cluster-key-file cluster.key --listen 127.0.0.1:0"
		}
		status, _, errs := d.run(t, line)
		for _, want := range []string{"bootstrap.yaml:2: user \"a b\": Invalid user ID", `a user has no "pasword"`, "has the member nobody, which is neither"} {
			if status != 2 || !strings.Contains(errs, want) {
				t.Errorf("%s: status %d\n%s\nwant 2 and %s", line, status, errs, want)
			}
		}
	}
	if _, err := os.Stat(d.path("data/node.json")); err == nil {
		t.Error("a master was started")
	}
}
