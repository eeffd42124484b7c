//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// median is that of the time that something takes, n times, one after the other.
func median(t *testing.T, n int, do func() error) time.Duration {
	t.Helper()
	took := make([]time.Duration, n)
	for i := range took {
		before := time.Now()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(before)
	}
	slices.Sort(took)
	return took[n/2]
}

// A directory that answers nothing holds up those who ask it, for a few seconds, and nobody else (D8).
func TestASlowDirectoryHoldsUpNobodyElse(t *testing.T) {
	users := rig.LDAPUsers("slow", 64)
	c, s := company(t, rig.SlapdOptions{Users: users})
	configure(t, c, c.Masters[0], s.SearchConfig())
	m, token := c.Masters[1], superuser(t, c)
	logsIn(t, c, m, users[0].UID, users[0].Password, http.StatusOK, "")
	local := func() error {
		_, err := c.Client.Login(t.Context(), m.API, rig.Superuser, rig.SuperuserPassword)
		return err
	}
	read := func() error {
		_, err := c.Client.Expect(t.Context(), http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(m, rig.Superuser), Token: token})
		return err
	}
	usual := []time.Duration{median(t, 9, local), median(t, 9, read)}
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Thaw() })
	var all sync.WaitGroup
	for _, u := range users {
		all.Go(func() {
			before := time.Now()
			answer, err := ldapLogin(t.Context(), c, m, u.UID, u.Password)
			took := time.Since(before)
			switch {
			case err != nil:
				t.Error(err)
			case answer.Status == http.StatusUnauthorized && answer.Code == "ERR_LDAP_AUTH_FAILED", answer.Status == http.StatusTooManyRequests:
			default:
				t.Errorf("login of %s: got %d %s", u.UID, answer.Status, answer.Body)
			}
			if took > 15*time.Second { // 5 s and what it may wait for its turn; the machine may be busy
				t.Errorf("login of %s took %v", u.UID, took)
			}
		})
	}
	meanwhile := []time.Duration{median(t, 9, local), median(t, 9, read)}
	all.Wait()
	t.Logf("local logins and reads: %v usually, %v while 64 logins hang", usual, meanwhile)
	for i, name := range []string{"a local login", "a read"} {
		if meanwhile[i] > 10*usual[i]+500*time.Millisecond {
			t.Errorf("%s takes %v while the directory hangs, %v otherwise", name, meanwhile[i], usual[i])
		}
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	await(t, 20*time.Second, "logins work again", awaitLogin(c, m, users[1]))
}

func TestADirectoryThatIsDownIsAskedAgainWhenItIsBack(t *testing.T) {
	users := rig.LDAPUsers("down", 2)
	c, s := company(t, rig.SlapdOptions{Users: users})
	configure(t, c, c.Masters[0], with(s.SearchConfig(), map[string]any{"enforce-starttls": true, "ca-certs": string(s.Authority.PEM)}))
	for _, m := range c.Masters {
		logsIn(t, c, m, users[0].UID, users[0].Password, http.StatusOK, "")
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Masters {
		for _, u := range users { // known and unknown
			logsIn(t, c, m, u.UID, u.Password, http.StatusUnauthorized, "ERR_LDAP_AUTH_FAILED")
		}
		status, code, _ := probe(t, c, m, users[0].UID, users[0].Password)
		if status != http.StatusBadGateway || code != "DIRECTORY_UNREACHABLE" {
			t.Errorf("the test says %d %s", status, code)
		}
		must[string](t)(c.Client.Login(t.Context(), m.API, rig.Superuser, rig.SuperuserPassword))
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Masters {
		await(t, 20*time.Second, "logins work again", awaitLogin(c, m, users[1]))
	}
}
