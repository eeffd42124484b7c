//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// imported is the answer to the import of a group.
type imported struct {
	Count int `json:"imported_user_count"`
}

func importGroup(t *testing.T, c *rig.Cluster, m *rig.Master, status int, name string) imported {
	t.Helper()
	var got imported
	decode(t, order(t, c, m, status, ldapPath+"/importgroup", map[string]string{"groupname": name}).Body, &got)
	return got
}

func TestAUserIsImportedOnceAndUnderItsOwnName(t *testing.T) {
	c, s := company(t, rig.SlapdOptions{Users: []rig.LDAPUser{{UID: "Ada", Password: "x"}}})
	for name, config := range map[string]map[string]any{"searched": s.SearchConfig(), "by template": s.BindConfig()} {
		t.Run(name, func(t *testing.T) {
			configure(t, c, c.Masters[0], config)
			byName := func(status int, name string) rig.Answer {
				t.Helper()
				return order(t, c, c.Masters[1], status, ldapPath+"/importuser", map[string]string{"username": name})
			}
			byName(http.StatusCreated, "aDA")
			for _, m := range c.Masters {
				if got := getUser(t, c, m, "Ada"); got.Description != "Name of Ada" {
					t.Errorf("the user is %+v", got)
				}
			}
			if again := byName(http.StatusConflict, "ada"); again.Code != "ERR_USER_EXISTS" {
				t.Errorf("again: %s", again.Body)
			}
			if nobody := byName(http.StatusBadRequest, "nobody"); nobody.Code != "ERR_LDAP_IMPORT_USER_NOT_FOUND" {
				t.Errorf("nobody: %s", nobody.Body)
			}
			for _, id := range []string{"*", "*)(uid=*", "a)(|(objectClass=*)", `\2a`, "Ada,ou=people", `a+b="c"#`, " Ada", ""} { // D1, D2
				if odd := byName(http.StatusBadRequest, id); odd.Code != "ERR_INVALID_USER_ID" {
					t.Errorf("%q: %s", id, odd.Body)
				}
			}
			ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: userURL(c.Masters[0], "Ada"), Token: superuser(t, c)})
		})
	}
}

func TestAGroupOfAThousandIsImportedInSeconds(t *testing.T) {
	users := rig.LDAPUsers("member", 1000)
	uids := rig.UIDs(users)
	c, s := company(t, rig.SlapdOptions{Users: users, SizeLimit: 50, Groups: []rig.LDAPGroup{
		{Name: "thousand", Members: uids}, {Name: "unix", Members: uids, Posix: true}}})
	configure(t, c, c.Masters[0], s.SearchConfig())
	leader := leaderOf(t, c)
	before := time.Now()
	got := importGroup(t, c, c.Followers(leader)[0], http.StatusCreated, "thousand")
	took := time.Since(before)
	t.Logf("1,000 members were imported in %v", took)
	if got.Count != 1000 {
		t.Errorf("imported %d users, want 1000", got.Count)
	}
	if took > 5*time.Second {
		t.Errorf("the import took %v, want 5 s at most", took)
	}
	if diff := cmp.Diff(set(uids...), membersOf(t, c, leader, "thousand")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if got := importGroup(t, c, leader, http.StatusCreated, "unix"); got.Count != 0 || len(membersOf(t, c, c.Masters[0], "unix")) != 1000 {
		t.Errorf("the posixGroup of users who are known: imported %d, want none, and a thousand members", got.Count)
	}
	exists := order(t, c, c.Masters[2], http.StatusConflict, ldapPath+"/importgroup", map[string]string{"groupname": "THOUSAND"})
	if exists.Code != "ERR_GROUP_EXISTS" {
		t.Errorf("again: %s", exists.Body)
	}
}

// A group names what it likes: other groups, itself, users of elsewhere and of nowhere, and names of users that are our own (D14).
func TestWhatIsNoUserOfTheDirectoryIsLeftOutOfAnImport(t *testing.T) {
	c, s := company(t, rig.SlapdOptions{Users: rig.LDAPUsers("team", 4)})
	token := superuser(t, c)
	putUser(t, c, c.Masters[0], "team1", map[string]string{"password": "a passphrase"})
	putUser(t, c, c.Masters[0], "team2", map[string]string{"provider_type": "oidc", "provider_id": "https://elsewhere.example"})
	t.Cleanup(func() {
		for _, uid := range []string{"team1", "team2"} {
			_, _ = c.Client.Do(context.Background(), rig.Request{Method: http.MethodDelete, URL: userURL(c.Masters[0], uid), Token: token})
		}
	})
	configure(t, c, c.Masters[0], s.SearchConfig())
	order(t, c, c.Masters[0], http.StatusCreated, ldapPath+"/importuser", map[string]string{"username": "team3"})
	group := rig.LDAPGroup{Name: "odd", Members: []string{"team0", "team1", "team2", "team3", "nobody", "no body", "*"}}
	if err := s.AddGroup(group); err != nil {
		t.Fatal(err)
	}
	nested := []string{group.DN(), "cn=other," + rig.LDAPGroups, "uid=team0,dc=elsewhere", rig.LDAPPeople, rig.LookupDN}
	for _, uid := range group.Members {
		nested = append(nested, rig.LDAPUser{UID: uid}.DN())
	}
	if err := s.Modify(group.DN(), "member", nested...); err != nil {
		t.Fatal(err)
	}
	if got := importGroup(t, c, c.Masters[1], http.StatusCreated, "odd"); got.Count != 1 {
		t.Errorf("imported %d users, want 1", got.Count)
	}
	if diff := cmp.Diff(set("team0", "team3"), membersOf(t, c, c.Masters[2], "odd")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	for name, code := range map[string]string{"nothing": "ERR_LDAP_IMPORT_GROUP_NOT_FOUND", "a.b": "ERR_INVALID_GROUP_ID", "*": "ERR_INVALID_GROUP_ID"} {
		if got := order(t, c, c.Masters[0], http.StatusBadRequest, ldapPath+"/importgroup", map[string]string{"groupname": name}); got.Code != code {
			t.Errorf("%s: got %s, want %s", name, got.Body, code)
		}
	}
	configure(t, c, c.Masters[0], with(s.SearchConfig(), map[string]any{"group-search": nil}))
	if got := order(t, c, c.Masters[0], http.StatusBadRequest, ldapPath+"/importgroup", map[string]string{"groupname": "odd"}); got.Code != "ERR_LDAP_IMPORT_SEARCH_FAILED" {
		t.Errorf("without group-search: %s", got.Body)
	}
}

func TestAnImportThatRunsOutOfTimeIsPartialAndTheNextSynchronisationCompletesIt(t *testing.T) {
	users := rig.LDAPUsers("late", 3000)
	s := slapd(t, rig.SlapdOptions{Users: users, Groups: []rig.LDAPGroup{{Name: "late", Members: rig.UIDs(users)}}})
	c := start(t, rig.Options{Flags: []string{"--ldap-sync-interval", "0s", "--ldap-import-limit", "2ms"}})
	configure(t, c, c.Masters[0], s.SearchConfig())
	got := importGroup(t, c, c.Masters[0], http.StatusAccepted, "late")
	if members := membersOf(t, c, c.Masters[1], "late"); got.Count >= 3000 || len(members) != got.Count {
		t.Errorf("imported %d users, %d members; want as many, and less than all", got.Count, len(members))
	}
	report := synchronise(t, c, c.Masters[2], false)
	if report.MembersAdded != 3000-got.Count || len(membersOf(t, c, c.Masters[1], "late")) != 3000 {
		t.Errorf("after %d members the synchronisation added %+v", got.Count, report)
	}
}

func TestTwoImportsAtOnceAreNotMade(t *testing.T) {
	users := rig.LDAPUsers("twice", 2000)
	c, s := company(t, rig.SlapdOptions{Users: users, Groups: []rig.LDAPGroup{{Name: "one", Members: rig.UIDs(users)}, {Name: "two", Members: rig.UIDs(users)}}})
	for range 5 {
		configure(t, c, c.Masters[0], s.SearchConfig())
		statuses := importAtOnce(t, c, "one", "two")
		if statuses[http.StatusServiceUnavailable] > 0 { // the leader has changed meanwhile
			forget(t, c)
			continue
		}
		if statuses[http.StatusCreated] == 0 || statuses[http.StatusCreated]+statuses[http.StatusConflict] != 2 { // the first may be done already
			t.Errorf("got %v", statuses)
		}
		return
	}
	t.Error("the leader changes all the time")
}

// importAtOnce imports groups through a master each, and counts the answers by status.
func importAtOnce(t *testing.T, c *rig.Cluster, names ...string) map[int]int {
	t.Helper()
	answers := make(chan rig.Answer, len(names))
	for i, name := range names {
		request := rig.Request{Method: http.MethodPost, URL: c.Masters[i].API + ldapPath + "/importgroup", Token: superuser(t, c), Body: map[string]string{"groupname": name}}
		go func() {
			answer, err := c.Client.Do(t.Context(), request)
			if err != nil {
				t.Error(err)
			}
			answers <- answer
		}()
	}
	statuses := map[int]int{}
	for range names {
		answer := <-answers
		statuses[answer.Status]++
		if answer.Status == http.StatusConflict && !strings.Contains(string(answer.Body), "is running") {
			t.Errorf("refused with %s", answer.Body)
		}
	}
	return statuses
}
