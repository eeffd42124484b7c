package loginapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login/ldap"
)

// staff is a directory whose people all have one password.
type staff struct {
	people map[string]ldap.Entry // by the name in lower case
	err    error                 // in place of an answer
	asked  atomic.Int64
	hosts  sync.Map // of the configurations by which it was asked
}

const staffPassword = "open sesame"

func (d *staff) Authenticate(_ context.Context, cfg *ldap.Config, username, password string) (ldap.Entry, error) {
	d.asked.Add(1)
	d.hosts.Store(cfg.Host+" "+cfg.LookupPassword, true)
	if d.err != nil {
		return ldap.Entry{}, d.err
	}
	e, known := d.people[strings.ToLower(username)]
	if !known || password != staffPassword {
		return ldap.Entry{}, ldap.ErrInvalidCredentials
	}
	return e, nil
}

// configure stores the configuration of a directory.
func (h *house) configure(host string) {
	cfg := ldap.Config{Host: host, Port: 389, DNTemplate: "uid=%(username)s,dc=example", LookupDN: "cn=reader", LookupPassword: "lookup of " + host}
	h.Do(command.PutDirectory{Directory: *cfg.Record(apitest.Ring())})
}

// company is a house with a directory and a user of every kind.
func company(t *testing.T, masters int, changes ...func(*settings)) (*house, *staff) {
	d := &staff{people: map[string]ldap.Entry{
		"ldapuser": {UID: "ldapuser", CN: "A known one"},
		"dora":     {UID: "dora", CN: "Dora Dora"},
		"emil":     {UID: "Emil"},
		"alice":    {UID: "alice"}, "bob@example.com": {UID: "bob@example.com"}, "robot": {UID: "robot"},
		"liz": {UID: "somebody-else"},
	}}
	h := newHouse(t, masters, append(changes, func(o *settings) { o.Directory, o.Keys = d, apitest.Ring() })...)
	h.PutUsers(people()...)
	h.configure("ldap.example.com")
	return h, d
}

func (h *house) refused(got apitest.Answer, what string) {
	h.T.Helper()
	if got.Status != http.StatusUnauthorized || got.Body != wrongCredentials {
		h.T.Errorf("%s: %d %s, want the one refusal", what, got.Status, got.Body)
	}
}

func TestKnownUsersOfTheDirectoryLogInWithoutAWrite(t *testing.T) {
	h, _ := company(t, 2)
	before := len(h.Entries())
	for _, m := range h.masters() {
		got := m.login("uid", "ldapuser", "password", staffPassword).Is(t, http.StatusOK)
		cookies := (&http.Response{Header: got.Header}).Cookies()
		if info := infoIn(t, cookies[1].Value); !strings.Contains(info, `"is_remote": false`) {
			t.Errorf("info cookie %s", info)
		}
		m.own(tokenIn(t, got), "ldapuser").Is(t, http.StatusOK)
		want := `action=ldap-login result=allow reason="valid password provided" uid=ldapuser`
		if !strings.Contains(m.Audits.String(), want) {
			t.Errorf("%s lacks the record %s:\n%s", m.ID(), want, m.Audits)
		}
		if metrics := m.metrics(); !strings.Contains(metrics, `kind="ldap",result="ok"} 1`) {
			t.Errorf("the login is not counted:\n%s", grep(metrics, "login"))
		}
	}
	if n := len(h.Entries()); n != before {
		t.Errorf("logins of known users wrote %d entries", n-before)
	}
}

func TestTheFirstLoginOfAUserOfTheDirectoryMakesTheUser(t *testing.T) {
	for i := range 2 {
		h, d := company(t, 2)
		m := h.masters()[i]
		m.own(m.tokenOf("dora", staffPassword), "dora").Is(t, http.StatusOK)
		m.tokenOf("EMIL", staffPassword)
		if want := `action=ldap-login result=allow reason="valid password provided, typed as EMIL" uid=Emil`; !strings.Contains(h.Masters[0].Audits.String()+h.Masters[1].Audits.String(), want) {
			t.Errorf("no record %s", want)
		}
		if want := `action=iam.users.create result=allow reason="first login through the directory" uid=Emil object=/acs/api/v1/users/Emil`; !strings.Contains(h.Leader().Audits.String(), want) {
			t.Errorf("no record %s:\n%s", want, h.Leader().Audits)
		}
		for uid, text := range map[string]string{"dora": "Dora Dora", "Emil": "Emil"} {
			u, _ := h.Leader().State().User(uid)
			want := iam.User{UID: uid, Description: text, ProviderType: iam.LDAP}
			if u == nil || *u != want {
				t.Errorf("user %+v, want %+v", u, want)
			}
		}
		asked, before := d.asked.Load(), len(h.Entries())
		m.tokenOf("dora", staffPassword)
		if d.asked.Load() != asked+1 || len(h.Entries()) != before {
			t.Error("the second login is not one bind without a write")
		}
		all := h.Leader().Audits.String() + h.follower().Audits.String()
		if n := strings.Count(all, "action=ldap-login result=allow"); n != 3 {
			t.Errorf("%d records of 3 logins:\n%s", n, all)
		}
	}
}

func TestADirectoryThatCannotBeAskedIsNobodysGuess(t *testing.T) {
	h, d := company(t, 1)
	d.err = &ldap.UnreachableError{Stage: ldap.StageConnect, Err: errors.New("connection refused by 10.0.0.1")}
	for range 3 * pairFree {
		for _, uid := range []string{"ldapuser", "nobody"} {
			h.Leader().login("uid", uid, "password", staffPassword).Fails(t, 401, "ERR_LDAP_AUTH_FAILED", "The directory could not be asked.")
		}
	}
	for _, slept := range h.Clock.Slept() {
		if slept > tick {
			t.Errorf("a login slept %v", slept)
		}
	}
	if n := len(h.Clock.Slept()); n != 6*pairFree {
		t.Errorf("%d of %d refusals waited for the tick", n, 6*pairFree)
	}
	if !strings.Contains(h.Leader().Logs.String(), "connection refused by 10.0.0.1") || !strings.Contains(h.Leader().metrics(), `kind="ldap",result="unreachable"`) {
		t.Error("nobody can see why the directory was not asked")
	}
	h.Leader().tokenOf("alice", "wonderland")
	d.err = ldap.ErrBusy
	if got := h.Leader().login("uid", "ldapuser", "password", staffPassword).Want(t, 429, "ERR_TOO_MANY_REQUESTS"); got.Header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	d.err = nil
	h.Leader().tokenOf("ldapuser", staffPassword)
}

func TestUsersOfTheDirectoryNeedItsConfiguration(t *testing.T) {
	h, d := company(t, 1)
	h.Do(command.DeleteDirectory{})
	asked := d.asked.Load()
	h.refused(h.Leader().login("uid", "ldapuser", "password", staffPassword), "a known one")
	h.refused(h.Leader().login("uid", "dora", "password", staffPassword), "an unknown one")
	if d.asked.Load() != asked {
		t.Error("the directory was asked without a configuration")
	}
	h.configure("other.example.com")
	h.Leader().tokenOf("ldapuser", staffPassword)
	if _, ok := d.hosts.Load("other.example.com lookup of other.example.com"); !ok {
		t.Error("the directory was not asked by its new configuration")
	}
}

func TestGuessesAtTheDirectoryAreCountedWhateverTheCase(t *testing.T) {
	h, _ := company(t, 1)
	for _, uid := range []string{"dora", "DORA", "Dora", "dOra", "doRa"} {
		h.refused(h.Leader().login("uid", uid, "password", "guess"), uid)
	}
	h.Leader().login("uid", "doRA", "password", staffPassword).Is(t, http.StatusTooManyRequests)
	// A local user of the same letters has a counter of its own.
	for _, uid := range []string{"ALICE", "Alice", "aLICE", "aLice", "alicE"} {
		h.refused(h.Leader().login("uid", uid, "password", "guess"), uid)
	}
	h.Leader().login("uid", "ALICE", "password", "guess").Is(t, http.StatusTooManyRequests)
	h.Leader().tokenOf("alice", "wonderland")
}

func TestWithoutAQuorumOnlyKnownUsersOfTheDirectoryLogIn(t *testing.T) {
	h, _ := company(t, 2, func(o *settings) { o.Stale = time.Hour })
	m := h.follower()
	m.rootToken()
	h.Clock.Advance(time.Minute)
	h.Down(true)
	m.tokenOf("ldapuser", staffPassword)
	m.login("uid", "dora", "password", staffPassword).Fails(t, 503, "ERR_NO_LEADER", "No leader: the first login of a user needs one.")
	h.refused(m.login("uid", "dora", "password", "guess"), "a wrong password")
}

// TestHostileDirectory holds the cases of logins by the directory, by their ids.
func TestHostileDirectory(t *testing.T) {
	for id, test := range map[string]func(*testing.T){
		"L1": oneRefusalOfTheDirectory, "L2": oneHashOfTheDirectory, "L3": wrongDoorOfTheDirectory, "L26": firstLoginRace,
		"D1": strangeNames, "D4": noPassword, "D9": localUsersWin, "D11": oneSpelling,
	} {
		t.Run(id, test)
	}
}

// badLogins are wrong passwords of everybody whom the directory may know.
var badLogins = []string{"ldapuser", "dora", "EMIL", "nobody", "alice", "no body"}

func oneRefusalOfTheDirectory(t *testing.T) {
	h, _ := company(t, 1)
	var first http.Header
	for _, uid := range append(badLogins, "liz") {
		got := h.Leader().login("uid", uid, "password", map[bool]string{true: staffPassword, false: "guess"}[uid == "liz"])
		h.refused(got, uid)
		for _, varies := range []string{"X-Gatehouse-Request-Id", "X-Gatehouse-Index"} {
			got.Header.Del(varies)
		}
		if first == nil {
			first = got.Header
		}
		if len(got.Header) != len(first) || got.Header.Get("Www-Authenticate") != "acsjwt" {
			t.Errorf("%s: headers %v, want %v", uid, got.Header, first)
		}
	}
}

func oneHashOfTheDirectory(t *testing.T) {
	h, _ := company(t, 1)
	for _, uid := range badLogins {
		before, slept := h.Leader().passwords.Checked.Load(), len(h.Clock.Slept())
		h.refused(h.Leader().login("uid", uid, "password", "guess"), uid)
		if n := h.Leader().passwords.Checked.Load() - before; n != 1 || len(h.Clock.Slept()) != slept+1 {
			t.Errorf("%s cost %d hashes and %d waits, want 1 and 1", uid, n, len(h.Clock.Slept())-slept)
		}
	}
	before := h.Leader().passwords.Checked.Load()
	h.Leader().tokenOf("ldapuser", staffPassword)
	if h.Leader().passwords.Checked.Load() != before {
		t.Error("a login that the directory let in cost a hash beside")
	}
}

func wrongDoorOfTheDirectory(t *testing.T) {
	h, d := company(t, 1)
	asked := d.asked.Load()
	h.refused(h.Leader().login("uid", "robot", "password", staffPassword), "a service account")
	h.refused(h.Leader().login("uid", "bob@example.com", "password", staffPassword), "a user of a provider")
	h.refused(h.Leader().login("uid", "ldapuser", "token", h.ServiceToken(apitest.ServiceKey(), "ldapuser")), "a service token")
	if d.asked.Load() != asked {
		t.Error("the directory was asked")
	}
}

// firstLoginRace: everybody who comes at once is let in, and there is one user.
func firstLoginRace(t *testing.T) {
	h, _ := company(t, 2)
	var all sync.WaitGroup
	answers := make([]apitest.Answer, 12)
	for i := range answers {
		all.Go(func() { answers[i] = h.masters()[i%2].login("uid", "dora", "password", staffPassword) })
	}
	all.Wait()
	for i, got := range answers {
		if got.Status != http.StatusOK {
			t.Errorf("login %d: %d %s", i, got.Status, got.Body)
		}
	}
	if u, ok := h.Leader().State().User("dora"); !ok || u.ProviderType != iam.LDAP {
		t.Errorf("user %+v", u)
	}
	if n := h.Leader().State().RegularUserCount(); n != len(people())-1+2 {
		t.Errorf("%d users, want one more than before", n)
	}
}

func strangeNames(t *testing.T) {
	h, d := company(t, 1)
	for _, uid := range []string{"*", "*)(uid=*", "a)(|(objectClass=*)", `\2a`, "dora,dc=x", " dora", "dora "} {
		h.refused(h.Leader().login("uid", uid, "password", staffPassword), uid)
		h.Clock.Advance(time.Minute)
	}
	h.Leader().login("uid", "dora\u0000", "password", staffPassword).Is(t, http.StatusBadRequest)
	if d.asked.Load() != 0 {
		t.Error("the directory was asked for what can be no uid")
	}
}

func noPassword(t *testing.T) {
	h, d := company(t, 1)
	h.Leader().login("uid", "ldapuser", "password", "").Fails(t, 400, "", "`uid` and `password` must not be empty strings")
	for _, password := range []string{"\x00", "\x00\x00\x00", staffPassword + "\x00", "\x00" + staffPassword} {
		h.Leader().login("uid", "ldapuser", "password", password).Is(t, http.StatusBadRequest)
	}
	for _, password := range []string{" ", "\t \n", "\u00a0"} {
		h.refused(h.Leader().login("uid", "ldapuser", "password", password), password)
		h.Clock.Advance(time.Minute)
	}
	if d.asked.Load() != 0 {
		t.Error("the directory was asked with what is no password")
	}
}

func localUsersWin(t *testing.T) {
	h, d := company(t, 1)
	before := len(h.Entries())
	h.refused(h.Leader().login("uid", "alice", "password", staffPassword), "a local user")
	h.refused(h.Leader().login("uid", "robot", "password", staffPassword), "a service account")
	if d.asked.Load() != 0 {
		t.Error("a local uid reached the directory")
	}
	h.refused(h.Leader().login("uid", "ALICE", "password", staffPassword), "a local user by another spelling")
	h.refused(h.Leader().login("uid", "Bob@example.com", "password", staffPassword), "a user of a provider by another spelling")
	h.refused(h.Leader().login("uid", "Robot", "password", staffPassword), "a service account by another spelling")
	if len(h.Entries()) != before {
		t.Error("a refused login wrote something")
	}
	h.Leader().tokenOf("alice", "wonderland")
}

func oneSpelling(t *testing.T) {
	h, _ := company(t, 1)
	for _, uid := range []string{"Dora", "DORA", "dora"} {
		h.Leader().own(h.Leader().tokenOf(uid, staffPassword), "dora").Is(t, http.StatusOK)
	}
	h.refused(h.Leader().login("uid", "liz", "password", staffPassword), "an entry of another name")
	for _, uid := range []string{"Dora", "DORA", "liz", "somebody-else"} {
		if _, known := h.Leader().State().User(uid); known {
			t.Errorf("there is a user %s", uid)
		}
	}
}

func TestAnotherSpellingInTheDirectoryIsNoOtherUser(t *testing.T) {
	h, d := company(t, 2)
	d.people["ldapuser"] = ldap.Entry{UID: "LdapUser"}
	before := len(h.Entries())
	for _, m := range h.masters() {
		for _, typed := range []string{"ldapuser", "LdapUser", "LDAPUSER"} {
			m.own(m.tokenOf(typed, staffPassword), "ldapuser").Is(t, http.StatusOK)
		}
	}
	if n := len(h.Entries()); n != before {
		t.Errorf("%d entries were written", n-before)
	}
}
