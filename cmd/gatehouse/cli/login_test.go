package cli

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/client"
)

// secretFile is a login secret for m.
func (p *person) secretFile(name, uid, base string) string {
	p.t.Helper()
	key, _, err := client.NewServiceKey()
	if err != nil {
		p.t.Fatal(err)
	}
	secret, err := client.NewLoginSecret(uid, key, base+"/acs/api/v1/auth/login")
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := secret.JSON()
	if err != nil {
		p.t.Fatal(err)
	}
	return p.file(name, string(text))
}

func TestLoginAsksWhatItIsNotToldAndShowsNoPassword(t *testing.T) {
	m := admitting(t, "alice")
	p := newPerson(t)
	p.terminal, p.lines, p.passwords = true, []string{"alice"}, []string{"wonderland"}
	got := p.good("login", "--url", m.URL)
	if want := `{"uid":"alice","password":"wonderland"}`; m.last().body != want {
		t.Errorf("the master got %s, want %s", m.last().body, want)
	}
	name := strings.TrimPrefix(m.URL, "http://")
	if want := "User: Password of alice at " + name + ": \n"; got.stderr != want {
		t.Errorf("prompts %q, want %q", got.stderr, want)
	}
	if want := "Logged in to " + name + " (" + m.URL + ") as alice; the login ends in 6 days.\n"; got.stdout != want {
		t.Errorf("output %q, want %q", got.stdout, want)
	}
	token := tokenOf("alice", noon.Add(5*24*time.Hour))
	// The clocks differ by 36 hours, so the life of the token counts.
	want := logins{Current: name, Clusters: map[string]*cluster{name: {URLs: []string{m.URL}, UID: "alice", Token: token}}}
	if diff := cmp.Diff(want, p.stored()); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	p.lines, p.passwords = nil, []string{"again"}
	p.good("login") // knows where, and who
	if want := `{"uid":"alice","password":"again"}`; m.last().body != want {
		t.Errorf("the second time the master got %s, want %s", m.last().body, want)
	}
}

func TestLoginsHaveNamesAndOneIsCurrent(t *testing.T) {
	one, two := full(t), full(t)
	p := loggedInTo(t, one)
	two.answer(loginRow, map[string]string{"token": tokenOf("admin", noon.Add(time.Hour))})
	p.good("login", "--name", "test", "--url", two.URL+"/", "--uid", "admin", "--password-file", p.file("password", "x"))
	p.good("user", "list")
	if two.last().path != "/acs/api/v1/users" {
		t.Errorf("the login that came last is not current: %+v", two.last())
	}
	p.good("user", "list", "--cluster", "prod")
	if one.last().token != tokenOf("admin", noon.Add(5*24*time.Hour)) {
		t.Errorf("prod was asked %+v", one.last())
	}
	p.env["GATEHOUSE_CLUSTER"] = "prod"
	p.good("user", "show", "alice")
	if one.last().path != "/acs/api/v1/users/alice/permissions" {
		t.Errorf("GATEHOUSE_CLUSTER did not count: %+v", one.last())
	}
	delete(p.env, "GATEHOUSE_CLUSTER")
	p.good("cluster", "use", "prod")
	p.good("logout")
	p.bad(StatusLogin, "gatehouse login --name prod", "user", "list")
	p.good("logout", "--all")
	p.bad(StatusLogin, "gatehouse login --name test", "user", "list", "--cluster", "test")
	p.good("cluster", "remove", "prod")
	if got := p.stored(); got.Current != "" || len(got.Clusters) != 1 || got.Clusters["test"].Token != "" {
		t.Errorf("stored in the end: %+v", got)
	}
}

// A token is shown to nobody but the cluster that gave it.
func TestTokensGoNowhereElse(t *testing.T) {
	mine, other := full(t), full(t)
	p := loggedInTo(t, mine)
	for _, args := range []string{"user list --url " + other.URL, "user list --url " + mine.URL + "," + other.URL, "token show --url " + other.URL} {
		p.bad(StatusLogin, "gatehouse login --url", strings.Fields(args)...)
	}
	p.bad(StatusLogin, "if it is one of yours (prod): --cluster NAME\n  otherwise log in: gatehouse login --url "+other.URL, "user", "list", "--url", other.URL)
	p.env["GATEHOUSE_URL"] = other.URL
	p.bad(StatusLogin, "not logged in to "+other.URL, "user", "list")
	p.good("masters")
	p.good("health")
	for _, a := range other.asked {
		if a.token != "" {
			t.Errorf("the other cluster got a token: %+v", a)
		}
	}
	p.env["GATEHOUSE_TOKEN"] = "mine.own.token"
	p.good("user", "list")
	if got := other.last().token; got != "mine.own.token" {
		t.Errorf("with both variables: token %q", got)
	}
	delete(p.env, "GATEHOUSE_URL")
	p.good("user", "list")
	if got := mine.last().token; got != "mine.own.token" {
		t.Errorf("GATEHOUSE_TOKEN does not override the stored one: %q", got)
	}
	delete(p.env, "GATEHOUSE_TOKEN")
	p.good("user", "list", "--url", mine.URL+"/")
	if got := mine.last().token; got == "" || got == "mine.own.token" {
		t.Errorf("the stored login was not found by its URL: %q", got)
	}
	p.good("user", "list", "--url", other.URL, "--cluster", "prod") // this is meant
}

// What a flag names is not mixed with what a forgotten variable names.
func TestFlagsAreNotMixedWithVariables(t *testing.T) {
	mine, other := full(t), full(t)
	p := loggedInTo(t, mine)
	p.env["GATEHOUSE_CLUSTER"] = "prod"
	p.bad(StatusLogin, "not logged in to "+other.URL, "user", "list", "--url", other.URL)
	delete(p.env, "GATEHOUSE_CLUSTER")
	p.env["GATEHOUSE_URL"] = other.URL
	p.good("user", "list", "--cluster", "prod")
	p.good("login", "--name", "prod", "--password-file", p.file("password", "secret\n"))
	if len(other.asked) > 0 || !slices.Equal(p.stored().Clusters["prod"].URLs, []string{mine.URL}) {
		t.Errorf("the other cluster was asked %+v, stored is %+v", other.asked, p.stored().Clusters["prod"])
	}
	p.env["GATEHOUSE_CLUSTER"] = "prod"
	p.good("user", "list") // both variables: this is meant
	if got := other.last().token; got == "" {
		t.Error("the variables together do not count")
	}
}

func TestServiceKeysRenewTheLogin(t *testing.T) {
	m := full(t)
	p := newPerson(t)
	m.answer(loginRow, map[string]string{"token": tokenOf("svc", noon.Add(-time.Minute))})
	secret := p.secretFile("svc.json", "svc", m.URL)
	p.good("login", "--name", "ci", "--service-key", secret)
	if got := p.stored().Clusters["ci"]; got.ServiceKey != secret || got.UID != "svc" || got.URLs[0] != m.URL {
		t.Errorf("stored %+v", got)
	}
	fresh := tokenOf("svc", noon.Add(time.Hour))
	m.answer(loginRow, map[string]string{"token": fresh})
	p.good("user", "list")
	p.good("user", "list")
	if got := p.stored().Clusters["ci"].Token; got != fresh || m.last().token != fresh {
		t.Errorf("the renewed token is not used and stored: %q", got)
	}
	if n := m.count("POST", "/acs/api/v1/auth/login"); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	p.good("user", "list") // the token still serves
	m.answer("GET /acs/api/v1/users", no{401, `{"code":"ERR_UNAUTHENTICATED"}`})
	p.bad(StatusLogin, "gatehouse login --name ci", "user", "list")
	p.bad(StatusUsage, "service key: open "+secret, "login", "--name", "ci", "--service-key", secret)
}

func TestServiceKeysInPEMNeedAName(t *testing.T) {
	m := full(t)
	p := newPerson(t)
	m.answer(loginRow, map[string]string{"token": tokenOf("svc", noon.Add(time.Hour))})
	text, _ := os.ReadFile(p.secretFile("svc.json", "svc", m.URL))
	secret, err := client.ParseLoginSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	pem := p.file("svc.pem", secret.PrivateKey)
	p.bad(StatusUsage, "add --uid UID", "login", "--url", m.URL, "--service-key", pem)
	p.bad(StatusUsage, "that of svc, not of other", "login", "--url", m.URL, "--uid", "other", "--service-key", filepath.Join(p.env["HOME"], "svc.json"))
	if err := os.Chmod(pem, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := p.good("login", "--url", m.URL, "--uid", "svc", "--service-key", pem); !strings.Contains(got.stderr, "run chmod 600 "+pem) {
		t.Errorf("no warning about a key that others can read: %q", got.stderr)
	}
}

func TestPlainHTTPToOthersIsWarnedAbout(t *testing.T) {
	p := newPerson(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody is asked
	for address, want := range map[string]bool{"http://127.0.0.1:1": false, "http://localhost:1": false, "http://[::1]:1": false, "https://cluster.invalid": false, "http://cluster.invalid": true, "http://10.0.0.1:1": true} {
		got := p.runWith(ctx, "login", "--url", address, "--uid", "x", "--insecure-password", "secret")
		if warned := strings.Contains(got.stderr, "is not encrypted"); warned != want || got.status != StatusInterrupted {
			t.Errorf("%s: status %d, %q; want a warning: %v", address, got.status, got.stderr, want)
		}
	}
}

func TestWrongCredentialsAreAStatusOfTheirOwn(t *testing.T) {
	m := newMaster(t, map[string]any{loginRow: no{401, `{"title":"401 Unauthorized","description":"Invalid credentials.","code":"ERR_INVALID_CREDENTIALS"}`}})
	p := newPerson(t)
	p.stdin = "wrong\n"
	p.bad(StatusLogin, "alice is not let in", "login", "--url", m.URL, "--uid", "alice", "--password-stdin")
	if _, err := os.Stat(filepath.Join(p.env["HOME"], ".config")); !os.IsNotExist(err) {
		t.Errorf("something is stored: %v", err)
	}
}

func TestADirectoryThatIsDownIsNoRefusedLogin(t *testing.T) {
	m := newMaster(t, map[string]any{loginRow: no{401, `{"title":"401 Unauthorized","description":"The directory could not be asked.","code":"ERR_LDAP_AUTH_FAILED"}`}})
	p := newPerson(t)
	p.stdin = "right\n"
	got := p.run("login", "--url", m.URL, "--uid", "alice", "--password-stdin")
	if got.status != StatusUnavailable || !strings.Contains(got.stderr, "cannot ask its directory") || strings.Contains(got.stderr, "stored login") || strings.Contains(got.stderr, "log in again") {
		t.Errorf("status %d, %q", got.status, got.stderr)
	}
}

func TestTokenShowAndVerify(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	raw := p.stored().Clusters["prod"].Token
	if got := p.good("token", "show", "--raw"); got.stdout != raw+"\n" {
		t.Errorf("--raw printed %q", got.stdout)
	}
	jwks := p.file("jwks.json", `{"keys":[{"kid":"k1","kty":"RSA","alg":"RS256","use":"sig","n":"AQAB","e":"AQAB"}]}`)
	p.bad(StatusFailed, "invalid token", "token", "verify", "--jwks", jwks)
	p.stdin = "not a token\n"
	p.bad(StatusFailed, "invalid token", "token", "verify", "--jwks", jwks, "--token-stdin")
	p.bad(StatusUsage, "no keys", "token", "verify", "--jwks", p.file("empty.json", `{"keys":[]}`))
	m.answer("GET /acs/api/v1/auth/jwks", map[string]any{"keys": []any{}})
	p.bad(StatusFailed, "invalid token", "token", "verify")
	if got := m.last(); got.path != "/acs/api/v1/auth/jwks" || got.token != "" {
		t.Errorf("verify asked %+v; the token must stay here", got)
	}
	p.env["GATEHOUSE_TOKEN"] = "opaque"
	p.bad(StatusFailed, "--raw", "token", "show")
}

func TestTimesThatNoCalendarKnowsAreLeftOut(t *testing.T) {
	for _, exp := range []string{"1e300", "-5", "null", "253402300800"} {
		claims, err := readToken("e30." + enc(`{"uid":"x","exp":`+exp+`}`) + ".c2ln")
		if err != nil || !claims.ExpiresAt.IsZero() {
			t.Errorf("exp %s: %+v, %v", exp, claims, err)
		}
	}
	for _, raw := range []string{"", "a.b", "a.b.c.d", "!.!.!", "e30." + enc(`{"exp":"x"}`) + ".c2ln"} {
		if claims, err := readToken(raw); err == nil {
			t.Errorf("%q: got %+v", raw, claims)
		}
	}
}

// broken closes the connection instead of answering.
func broken(w http.ResponseWriter) {
	conn, _, _ := w.(http.Hijacker).Hijack()
	conn.Close()
}

func TestErrorsHaveTheirStatusAndAdvice(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	const create, show = "PUT /acs/api/v1/users/bob", "GET /acs/api/v1/users/alice"
	for _, tt := range []struct {
		row    string
		answer any
		status int
		want   string
	}{
		{create, no{409, `{"title":"409 Conflict","description":"User with id bob already exists.","code":"ERR_USER_EXISTS"}`}, StatusFailed, "already exists"},
		{create, no{401, `{"title":"401 Unauthorized","code":"ERR_UNAUTHENTICATED"}`}, StatusLogin, "gatehouse login --name prod"},
		{create, no{403, `{"title":"403 Forbidden","code":"ERR_FORBIDDEN"}`}, StatusLogin, "Log in as a user that may do this"},
		{create, no{500, `{"title":"500 Internal Server Error"}`}, StatusUnknown, "gatehouse user show bob"},
		{create, no{503, `{"title":"503","code":"ERR_DISK_LOW"}`}, StatusUnavailable, "nothing was changed"},
		{show, no{500, `{"title":"500 Internal Server Error"}`}, StatusFailed, "the master says 500"},
		{show, no{400, `{"title":"400 Bad Request","description":"\u001b[31mred\u202e","code":"ERR_X"}`}, StatusFailed, "the master says 400 Bad Request"},
		{"POST /gatehouse/v1/keys", http.HandlerFunc(nil), StatusUnknown, "gatehouse keys list"},
	} {
		if _, isFunc := tt.answer.(http.HandlerFunc); isFunc {
			tt.answer = broken
		}
		m.answer(tt.row, tt.answer)
		args := map[string][]string{create: {"user", "create", "bob", "--insecure-password", "secret"}, show: {"user", "show", "alice"}}[tt.row]
		if args == nil {
			args = []string{"keys", "prepare"}
		}
		if got := p.bad(tt.status, tt.want, args...); strings.ContainsAny(got.stderr, "\x1b\u202e") {
			t.Errorf("an escape reaches the terminal: %q", got.stderr)
		}
	}
}

func TestUnreachableMastersAreAStatusOfTheirOwn(t *testing.T) {
	m := newMaster(t, nil)
	address := m.URL
	m.Close()
	p := newPerson(t)
	p.bad(StatusUnavailable, "no answer from "+address, "health", "--url", address)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // instead of our patience
	defer cancel()
	if got := p.runWith(ctx, "masters", "--url", address); got.status != StatusUnavailable || !strings.Contains(got.stderr, "is it the right address") {
		t.Errorf("masters: status %d, %s", got.status, got.stderr)
	}
	p.bad(StatusUnavailable, "no master answers", "health", "--url", address+","+address+"/2")
	live := full(t)
	got := p.bad(StatusFailed, "1 of 2 are not healthy", "health", "--url", live.URL+","+address)
	if !strings.Contains(got.stdout, "no answer from "+address) {
		t.Errorf("the table does not say why:\n%s", got.stdout)
	}
	got = p.bad(StatusFailed, "is not healthy", "health", "--url", live.URL, "--leader")
	if !strings.Contains(got.stdout, "starting; not the leader") {
		t.Errorf("the report does not say why:\n%s", got.stdout)
	}
	p.bad(StatusUnavailable, "use http://", "health", "--url", strings.Replace(live.URL, "http:", "https:", 1))
}

// People are told why nothing happens; scripts are not.
func TestWaitingForAMasterIsSaidOnceOnATerminal(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	busy := 0
	m.answer("GET /acs/api/v1/users/alice", func(w http.ResponseWriter) {
		if busy++; busy%3 == 0 {
			_, _ = w.Write([]byte(`{"uid":"alice"}`))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"code":"ERR_NO_LEADER"}`))
	})
	for _, terminal := range []bool{true, false} {
		p.terminal = terminal
		want := map[bool]int{true: 1, false: 0}[terminal]
		if got := p.good("user", "show", "alice"); strings.Count(got.stderr, "No master serves this yet; trying for 10 seconds.") != want {
			t.Errorf("terminal %v: stderr %q, want the news %d times", terminal, got.stderr, want)
		}
	}
	p.terminal = true
	if got := p.run("user", "show", "nobody"); strings.Contains(got.stderr, "trying") {
		t.Errorf("a refusal is no reason to wait: %q", got.stderr)
	}
}

func TestInterruptedQuestionsChangeNothing(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.terminal = true
	if got := p.runWith(ctx, "user", "show", "alice"); got.status != StatusInterrupted {
		t.Errorf("status %d, %s; want %d", got.status, got.stderr, StatusInterrupted)
	}
}

func TestRelativeTimesReadWell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "now", time.Second: "in 1 second", -time.Second: "1 second ago", 59 * time.Second: "in 59 seconds", time.Minute: "in 1 minute",
		-90 * time.Minute: "1 hour ago", 5*24*time.Hour - 400*time.Millisecond: "in 5 days", 5*24*time.Hour - 20*time.Second: "in 5 days", 47 * time.Hour: "in 1 day", 400 * 24 * time.Hour: "in 400 days",
	} {
		if got := relative(noon.Add(d), noon); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
	if got := relative(time.Time{}, noon) + timestamp(time.Time{}) + both(time.Time{}, noon); got != "" {
		t.Errorf("no time is shown as %q", got)
	}
}

func TestWordsAreQuotedForTheShell(t *testing.T) {
	for word, want := range map[string]string{"prod": "prod", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'", "https://h:1/p": "https://h:1/p"} {
		if got := quote(word); got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
}
