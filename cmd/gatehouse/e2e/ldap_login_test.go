//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// loginsMade counts the logins, each of which comes from an address of its own: failed ones slow down whoever makes them.
var loginsMade atomic.Uint32

// ldapLogin asks a master for a token.
func ldapLogin(ctx context.Context, c *rig.Cluster, m *rig.Master, uid, password string) (rig.Answer, error) {
	n := loginsMade.Add(1)
	from := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
	return c.Client.Do(ctx, rig.Request{Method: http.MethodPost, URL: m.API + "/acs/api/v1/auth/login", Header: map[string]string{"X-Forwarded-For": from},
		Body: map[string]string{"uid": uid, "password": password}})
}

// logsIn wants a login to end with a status and a code.
func logsIn(t *testing.T, c *rig.Cluster, m *rig.Master, uid, password string, status int, code string) rig.Answer {
	t.Helper()
	answer := must[rig.Answer](t)(ldapLogin(t.Context(), c, m, uid, password))
	if answer.Status != status || answer.Code != code {
		t.Errorf("login of %s at %s: got %d %s, want %d %s", uid, m.Name, answer.Status, answer.Body, status, code)
	}
	return answer
}

// kinds are the ways to find and bind a user (contract 4.3).
func kinds(s *rig.Slapd) map[string]map[string]any {
	return map[string]map[string]any{
		"simple bind":                  s.BindConfig(),
		"search, anonymously":          s.SearchConfig(),
		"search with a lookup account": with(s.SearchConfig(), map[string]any{"lookup-dn": rig.LookupDN, "lookup-password": rig.LookupPassword}),
	}
}

func TestUsersOfTheDirectoryLogInAtEveryMaster(t *testing.T) {
	users := rig.LDAPUsers("login", 9)
	c, s := company(t, rig.SlapdOptions{Users: users})
	next := 0
	for kind, config := range kinds(s) {
		t.Run(kind, func(t *testing.T) {
			configure(t, c, c.Masters[0], config)
			for _, m := range c.Masters {
				u := users[next]
				next++
				logsIn(t, c, m, u.UID, u.Password, http.StatusOK, "")
				for _, other := range c.Masters {
					logsIn(t, c, other, strings.ToUpper(u.UID), u.Password, http.StatusOK, "")
					if got := getUser(t, c, other, u.UID); got.Description != "Name of "+u.UID {
						t.Errorf("the user is %+v", got)
					}
				}
				logsIn(t, c, m, u.UID, "wrong", http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS")
			}
		})
	}
	counted(t, c, `gatehouse_directory_operations_total{operation="login",result="ok"}`)
	counted(t, c, `gatehouse_directory_operations_total{operation="login",result="refused"}`)
	counted(t, c, `gatehouse_directory_operation_duration_seconds_count{operation="login"}`)
	for _, m := range c.Masters {
		for _, name := range []string{"gatehouse_directory_connections ", `gatehouse_directory_sync_runs_total{result="ok"} `, `gatehouse_directory_sync_changes_total{change="users_created"} `} {
			if text := metricsOf(t, c, m); !strings.Contains(text, "\n"+name) {
				t.Errorf("%s does not tell %s", m.Name, name)
			}
		}
	}
	if all := usersOf(t, c, c.Masters[0], ""); all["LOGIN0"].UID != "" {
		t.Error("a user has two names")
	}
}

func TestHiddenEntriesAreFoundByTheLookupAccountAlone(t *testing.T) {
	users := rig.LDAPUsers("hidden", 2)
	c, s := company(t, rig.SlapdOptions{Users: users, Hidden: true})
	configure(t, c, c.Masters[0], with(s.SearchConfig(), map[string]any{"lookup-dn": rig.LookupDN, "lookup-password": rig.LookupPassword}))
	logsIn(t, c, c.Masters[1], users[0].UID, users[0].Password, http.StatusOK, "")
	configure(t, c, c.Masters[0], s.SearchConfig())
	if answer := must[rig.Answer](t)(ldapLogin(t.Context(), c, c.Masters[2], users[1].UID, users[1].Password)); answer.Status != http.StatusUnauthorized {
		t.Errorf("without the lookup account: got %d %s", answer.Status, answer.Body)
	}
}

// Sixty-four clients log in as somebody whom the cluster has never seen, at all masters at once.
func TestAFirstLoginCreatesTheUserOnceAndFurtherOnesWriteNothing(t *testing.T) {
	u := rig.LDAPUser{UID: "Newcomer", Password: "a passphrase"}
	c, s := company(t, rig.SlapdOptions{Users: []rig.LDAPUser{u}})
	configure(t, c, c.Masters[0], s.SearchConfig())
	var all sync.WaitGroup
	var mu sync.Mutex
	most := 0
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
				if n, err := s.Connections(); err != nil {
					t.Error(err)
				} else {
					most = max(most, n)
				}
			}
		}
	}()
	statuses := map[int]int{}
	for i := range 64 {
		all.Go(func() {
			answer, err := ldapLogin(t.Context(), c, c.Masters[i%3], "newcomer", u.Password)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			statuses[answer.Status]++
			mu.Unlock()
		})
	}
	all.Wait()
	close(done)
	<-watched
	// Whoever waited for a connection for longer than 2 s is told to come again.
	if statuses[http.StatusOK] == 0 || statuses[http.StatusOK]+statuses[http.StatusTooManyRequests] != 64 {
		t.Errorf("got %v", statuses)
	}
	t.Logf("statuses %v, at most %d connections to the directory", statuses, most)
	if most > 3*16+8 { // the kernel's table changes while it is read
		t.Errorf("the masters had %d connections to the directory, want 16 each at most", most)
	}
	if got := getUser(t, c, c.Masters[2], "Newcomer"); got.UID != "Newcomer" {
		t.Errorf("the user is %+v", got)
	}
	// A leader may write something of its own at any time, so one quiet round of logins is what shows that they write nothing.
	index := func() uint64 {
		return ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(c.Masters[0], "Newcomer"), Token: superuser(t, c)}).Index
	}
	await(t, 20*time.Second, "logins of a known user to write nothing", func(context.Context) error {
		before := index()
		for _, m := range c.Masters {
			logsIn(t, c, m, "newcomer", u.Password, http.StatusOK, "")
		}
		if after := index(); after != before {
			return fmt.Errorf("three logins took the log from %d to %d", before, after)
		}
		return nil
	})
}

func TestHostileUsersOfTheDirectory(t *testing.T) {
	users := []rig.LDAPUser{{UID: "mine", Password: "of the directory"}, {UID: "leaver", Password: "a passphrase"}, {UID: "elsewhere", Password: "a passphrase"},
		{UID: rig.Superuser, Password: "of the directory"}}
	c, s := company(t, rig.SlapdOptions{Users: users})
	configure(t, c, c.Masters[0], s.SearchConfig())
	token := superuser(t, c)
	nobody := logsIn(t, c, c.Masters[0], "nobody", "a passphrase", http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS")
	same := func(t *testing.T, got rig.Answer) {
		t.Helper()
		if string(got.Body) != string(nobody.Body) || got.Header.Get("WWW-Authenticate") != nobody.Header.Get("WWW-Authenticate") {
			t.Errorf("got %s, nobody gets %s", got.Body, nobody.Body)
		}
	}
	t.Run("D1", func(t *testing.T) {
		for _, uid := range []string{"*", "*)(uid=*", "a)(|(objectClass=*)", `\2a`, "mine\x01"} {
			same(t, logsIn(t, c, c.Masters[1], uid, "of the directory", http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS"))
		}
	})
	t.Run("D4", func(t *testing.T) {
		for _, password := range []string{"", " ", "   "} {
			if got := must[rig.Answer](t)(ldapLogin(t.Context(), c, c.Masters[0], "leaver", password)); got.Status != http.StatusBadRequest && got.Status != http.StatusUnauthorized {
				t.Errorf("password %q: got %d %s", password, got.Status, got.Body)
			}
		}
	})
	t.Run("D9", func(t *testing.T) {
		putUser(t, c, c.Masters[0], "mine", map[string]string{"password": "of the cluster"})
		putUser(t, c, c.Masters[0], "elsewhere", map[string]string{"provider_type": "oidc", "provider_id": "https://idp.example"})
		t.Cleanup(func() {
			for _, uid := range []string{"mine", "elsewhere"} {
				_, _ = c.Client.Do(context.Background(), rig.Request{Method: http.MethodDelete, URL: userURL(c.Masters[0], uid), Token: token})
			}
		})
		logsIn(t, c, c.Masters[1], "mine", "of the cluster", http.StatusOK, "")
		for _, uid := range []string{"mine", "MINE", rig.Superuser, strings.ToUpper(rig.Superuser)} {
			same(t, logsIn(t, c, c.Masters[2], uid, "of the directory", http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS"))
		}
		same(t, logsIn(t, c, c.Masters[2], "elsewhere", "a passphrase", http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS"))
	})
	t.Run("D10", func(t *testing.T) {
		answer := logsIn(t, c, c.Masters[0], "leaver", "a passphrase", http.StatusOK, "")
		var login struct{ Token string }
		decode(t, answer.Body, &login)
		synchronise(t, c, c.Masters[0], false) // the first by a new configuration removes nothing
		if err := s.Delete(users[1].DN()); err != nil {
			t.Fatal(err)
		}
		same(t, logsIn(t, c, c.Masters[1], "leaver", "a passphrase", http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS"))
		own := rig.Request{Method: http.MethodGet, URL: ownURL(c.Masters[2], "leaver"), Token: login.Token}
		ask(t, c, http.StatusOK, own) // until it expires, or a synchronisation removes the user
		if got := synchronise(t, c, c.Masters[0], false); got.UsersRemoved != 1 {
			t.Errorf("synchronised: %+v", got)
		}
		ask(t, c, http.StatusUnauthorized, own)
	})
	t.Run("D11", func(t *testing.T) {
		if err := s.AddUser(rig.LDAPUser{UID: "MixedCase", Password: "a passphrase"}); err != nil {
			t.Fatal(err)
		}
		for _, typed := range []string{"mixedcase", "MIXEDCASE", "MixedCase"} {
			logsIn(t, c, c.Masters[0], typed, "a passphrase", http.StatusOK, "")
		}
		all := usersOf(t, c, c.Masters[1], "")
		if _, known := all["MixedCase"]; !known || all["mixedcase"].UID != "" || all["MIXEDCASE"].UID != "" {
			t.Errorf("known are %v", all)
		}
	})
	t.Run("D12", func(t *testing.T) {
		putUser(t, c, c.Masters[0], "curious", map[string]string{"password": "a passphrase"})
		t.Cleanup(func() {
			_, _ = c.Client.Do(context.Background(), rig.Request{Method: http.MethodDelete, URL: userURL(c.Masters[0], "curious"), Token: token})
		})
		curious := must[string](t)(c.Client.Login(t.Context(), c.Masters[0].API, "curious", "a passphrase"))
		for _, path := range []string{ldapPath + "/config/test", ldapPath + "/importuser", ldapPath + "/importgroup", syncPath} {
			ask(t, c, http.StatusForbidden, rig.Request{Method: http.MethodPost, URL: c.Masters[1].API + path, Token: curious, Body: map[string]string{}})
			ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodPost, URL: c.Masters[1].API + path, Body: map[string]string{}})
		}
		// A host that speaks something else: what it says is not repeated.
		var port int
		_, _ = fmt.Sscanf(c.Masters[0].Address(), "127.0.0.1:%d", &port)
		configure(t, c, c.Masters[0], with(s.SearchConfig(), map[string]any{"port": port}))
		status, _, description := probe(t, c, c.Masters[2], "mine", "x")
		if status != http.StatusBadGateway || strings.Contains(description, "HTTP") || len(description) > 500 {
			t.Errorf("a directory that speaks HTTP: got %d %s", status, description)
		}
		for _, host := range []string{"/run/slapd.sock", "ldapi:///", "169.254.169.254/latest", "127.0.0.1:389", "a b"} {
			answer := ask(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodPut, URL: c.Masters[0].API + ldapPath + "/config", Token: token,
				Body: with(s.SearchConfig(), map[string]any{"host": host})})
			if answer.Code != "ERR_LDAP_CONFIG_INVALID" {
				t.Errorf("host %q: %s", host, answer.Body)
			}
		}
	})
}

func TestWithoutAConfigurationUsersOfTheDirectoryAreRefused(t *testing.T) {
	u := rig.LDAPUsers("orphan", 1)[0]
	c, s := company(t, rig.SlapdOptions{Users: []rig.LDAPUser{u}})
	configure(t, c, c.Masters[0], s.SearchConfig())
	logsIn(t, c, c.Masters[0], u.UID, u.Password, http.StatusOK, "")
	ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: c.Masters[1].API + ldapPath + "/config", Token: superuser(t, c)})
	for _, m := range c.Masters {
		logsIn(t, c, m, u.UID, u.Password, http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS")
	}
	getUser(t, c, c.Masters[2], u.UID) // its record stays
}
