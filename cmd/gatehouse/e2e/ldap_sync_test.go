//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// syncReport is what a synchronisation tells.
type syncReport struct {
	GroupsRemoved  int      `json:"groups_removed"`
	UsersRemoved   int      `json:"users_removed"`
	UsersCreated   int      `json:"users_created"`
	MembersAdded   int      `json:"members_added"`
	MembersRemoved int      `json:"members_removed"`
	Skipped        []string `json:"skipped"`
}

func synchronise(t *testing.T, c *rig.Cluster, m *rig.Master, force bool) (r syncReport) {
	t.Helper()
	decode(t, order(t, c, m, http.StatusOK, syncPath, map[string]bool{"force": force}).Body, &r)
	return r
}

func TestASynchronisationFollowsTheDirectory(t *testing.T) {
	users := rig.LDAPUsers("sync", 6)
	devs, ops := rig.LDAPGroup{Name: "sync-devs", Members: []string{"sync0", "sync1", "sync2"}}, rig.LDAPGroup{Name: "sync-ops", Members: []string{"sync0", "sync3"}, Posix: true}
	c, s := company(t, rig.SlapdOptions{Users: users, Groups: []rig.LDAPGroup{devs, ops}})
	configure(t, c, c.Masters[0], s.SearchConfig())
	importGroup(t, c, c.Masters[0], http.StatusCreated, devs.Name)
	importGroup(t, c, c.Masters[1], http.StatusCreated, ops.Name)
	putUser(t, c, c.Masters[0], "sync-local", map[string]string{"password": "a passphrase"})
	local := rig.Request{Method: http.MethodPut, URL: c.Masters[0].API + "/acs/api/v1/groups/" + devs.Name + "/users/sync-local", Token: superuser(t, c)}
	ask(t, c, http.StatusNoContent, local)
	t.Cleanup(func() {
		_, _ = c.Client.Do(context.Background(), rig.Request{Method: http.MethodDelete, URL: userURL(c.Masters[0], "sync-local"), Token: local.Token})
	})
	if diff := cmp.Diff(syncReport{Skipped: []string{}}, synchronise(t, c, c.Masters[2], false)); diff != "" {
		t.Errorf("with nothing to do (-want +got):\n%s", diff)
	}
	// sync1 leaves the group, sync2 the company, sync4 comes, the other group goes.
	for _, err := range []error{s.SetMembers(devs, "sync0", "sync2", "sync4"), s.Delete(users[2].DN(), ops.DN())} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := syncReport{GroupsRemoved: 1, UsersRemoved: 1, UsersCreated: 1, MembersAdded: 1, MembersRemoved: 1, Skipped: []string{}}
	if diff := cmp.Diff(want, synchronise(t, c, c.Masters[1], false)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(set("sync0", "sync4", "sync-local"), membersOf(t, c, c.Masters[0], devs.Name)); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	all := usersOf(t, c, c.Masters[2], "")
	for uid, there := range map[string]bool{"sync0": true, "sync1": true, "sync2": false, "sync3": true, "sync4": true, "sync5": false} {
		if _, known := all[uid]; known != there {
			t.Errorf("user %s is known: %v, want %v", uid, known, there)
		}
	}
	ask(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodGet, URL: c.Masters[0].API + "/acs/api/v1/groups/" + ops.Name, Token: superuser(t, c)})
}

func TestASynchronisationRemovesNothingThatItCannotBeSureOf(t *testing.T) {
	users := rig.LDAPUsers("safe", 20)
	group := rig.LDAPGroup{Name: "safe", Members: rig.UIDs(users)}
	c, s := company(t, rig.SlapdOptions{Users: users, Groups: []rig.LDAPGroup{group}})
	good := s.SearchConfig()
	configure(t, c, c.Masters[0], good)
	importGroup(t, c, c.Masters[0], http.StatusCreated, group.Name)
	refused := func(why string, status int, code string) {
		t.Helper()
		answer := order(t, c, c.Masters[1], status, syncPath, nil)
		if answer.Code != code {
			t.Errorf("%s: got %s, want %s", why, answer.Body, code)
		}
		if got := len(membersOf(t, c, c.Masters[2], group.Name)); got != 20 {
			t.Errorf("%s: %d members are left of 20", why, got)
		}
	}
	elsewhere := map[string]any{"search-base": "ou=nowhere," + rig.LDAPSuffix, "search-filter-template": "(uid=%(username)s)"}
	configure(t, c, c.Masters[0], with(s.SearchConfig(), map[string]any{"user-search": elsewhere}))
	refused("another base", http.StatusBadRequest, "ERR_LDAP_IMPORT_SEARCH_FAILED")
	configure(t, c, c.Masters[0], with(s.SearchConfig(), map[string]any{"lookup-dn": rig.LookupDN, "lookup-password": "wrong"}))
	refused("a wrong lookup password", http.StatusBadRequest, "ERR_LDAP_IMPORT_SEARCH_FAILED")
	configure(t, c, c.Masters[0], good)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	refused("a directory that is down", http.StatusBadRequest, "ERR_LDAP_IMPORT_SEARCH_FAILED")
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// More than half of the users are gone at once.
	var gone []string
	for _, u := range users[:11] {
		gone = append(gone, u.DN())
	}
	if err := s.Delete(gone...); err != nil {
		t.Fatal(err)
	}
	refused("eleven users of twenty", http.StatusConflict, "ERR_CONFLICT")
	status := string(ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: c.Masters[0].API + syncPath, Token: superuser(t, c)}).Body)
	if !strings.Contains(status, `"result": "refused"`) || !strings.Contains(status, "11 of 20 users") {
		t.Errorf("the status says %s", status)
	}
	if got := synchronise(t, c, c.Masters[0], true); got.UsersRemoved != 11 {
		t.Errorf("with force: %+v, want 11 users removed", got)
	}
}

func TestTheLastSuperuserIsNotSynchronisedAway(t *testing.T) {
	boss, other := rig.LDAPUser{UID: "boss", Password: "a passphrase"}, rig.LDAPUser{UID: "other", Password: "x"}
	all := []rig.LDAPUser{boss, other, {UID: "stays", Password: "x"}}
	s := slapd(t, rig.SlapdOptions{Users: all})
	c := start(t, rig.Options{Masters: 1, Flags: []string{"--ldap-sync-interval", "0s"}})
	m, token := c.Masters[0], superuser(t, c)
	configure(t, c, m, s.SearchConfig())
	for _, u := range all {
		order(t, c, m, http.StatusCreated, ldapPath+"/importuser", map[string]string{"username": u.UID})
	}
	ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodPut, URL: m.API + "/acs/api/v1/groups/superusers/users/boss", Token: token})
	bossToken := must[string](t)(c.Client.Login(t.Context(), m.API, boss.UID, boss.Password))
	ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: userURL(m, rig.Superuser), Token: bossToken})
	if err := s.Delete(boss.DN(), other.DN()); err != nil {
		t.Fatal(err)
	}
	var got syncReport
	decode(t, ask(t, c, http.StatusOK, rig.Request{Method: http.MethodPost, URL: m.API + syncPath, Token: bossToken}).Body, &got)
	if got.UsersRemoved != 1 || len(got.Skipped) != 1 || !strings.Contains(got.Skipped[0], "boss") {
		t.Errorf("got %+v, want other removed and boss left", got)
	}
	ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(m, boss.UID), Token: bossToken})
}

// The leader synchronises by itself; when it dies, the next one does.
func TestANewLeaderGoesOnSynchronising(t *testing.T) {
	users := rig.LDAPUsers("duty", 30)
	group := rig.LDAPGroup{Name: "duty", Members: rig.UIDs(users[:20])}
	s := slapd(t, rig.SlapdOptions{Users: users, Groups: []rig.LDAPGroup{group}})
	c := start(t, rig.Options{Flags: []string{"--ldap-sync-interval", "1s"}})
	configure(t, c, c.Masters[0], s.SearchConfig())
	await(t, 20*time.Second, "the import", func(ctx context.Context) error { // 409 while the duty runs
		_, err := c.Client.Expect(ctx, http.StatusCreated, rig.Request{Method: http.MethodPost, URL: c.Masters[0].API + ldapPath + "/importgroup", Token: superuser(t, c),
			Body: map[string]string{"groupname": group.Name}})
		return err
	})
	follows := func(m *rig.Master, want ...string) {
		t.Helper()
		await(t, 30*time.Second, "the group follows", func(ctx context.Context) error {
			if got := membersOf(t, c, m, group.Name); !cmp.Equal(set(want...), got) {
				return fmt.Errorf("%d members, want %d", len(got), len(want))
			}
			return nil
		})
	}
	leader := leaderOf(t, c)
	rest := c.Followers(leader)
	if err := s.SetMembers(group, rig.UIDs(users[:25])...); err != nil {
		t.Fatal(err)
	}
	follows(rest[0], rig.UIDs(users[:25])...)
	if err := s.SetMembers(group, rig.UIDs(users[5:])...); err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, 30*time.Second, "another leader", func(ctx context.Context) error {
		if m, err := c.Leader(ctx); err != nil || m == leader {
			return errors.Join(err, errors.New("none"))
		}
		return nil
	})
	for _, m := range rest {
		if err := m.AwaitHealthy(t.Context(), c.Client, 30*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	follows(rest[1], rig.UIDs(users[5:])...)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, 30*time.Second, "a failed synchronisation", func(ctx context.Context) error {
		answer, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: rest[0].API + syncPath, Token: superuser(t, c)})
		if err == nil && !strings.Contains(string(answer.Body), `"result": "failed"`) {
			err = fmt.Errorf("got %s", answer.Body)
		}
		return err
	})
	follows(rest[0], rig.UIDs(users[5:])...)
}
