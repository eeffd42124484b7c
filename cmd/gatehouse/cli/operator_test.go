package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/httpapi/client"
)

// seal is what a fake master knows of a sealed store whose shares are s1 to s3 and, after a rekey, n1 to n3; any two open it.
type seal struct {
	mu     sync.Mutex // guards what follows
	sealed bool
	given  []string
	rekey  client.Rekey
	old    bool // the shares are the old ones
}

// sealedMaster has a store that is sealed.
func sealedMaster(t *testing.T) (*master, *seal) {
	m, s := full(t), &seal{sealed: true, old: true, rekey: client.Rekey{Stage: "none"}}
	row := func(request string, do func(body map[string]any) (any, string)) {
		m.answer(request, func(w http.ResponseWriter, r *http.Request) {
			var body map[string]any
			_ = json.NewDecoder(r.Body).Decode(&body)
			s.mu.Lock()
			answer, code := do(body)
			s.mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			if code != "" {
				w.WriteHeader(http.StatusBadRequest)
				answer = map[string]string{"title": "400 Bad Request", "code": code}
			}
			_ = json.NewEncoder(w).Encode(answer)
		})
	}
	const ours = "/gatehouse/v1/secrets/default/rekey"
	row("GET /secrets/v1/seal-status/default", func(map[string]any) (any, string) { return s.status(), "" })
	row("PUT /secrets/v1/unseal/default", func(body map[string]any) (any, string) { return s.unseal(fmt.Sprint(body["key"])) })
	row("GET "+ours, func(map[string]any) (any, string) { return s.rekey, "" })
	row("POST "+ours, func(body map[string]any) (any, string) {
		s.given = nil
		s.rekey = client.Rekey{Stage: "shares", Nonce: "n1", Shares: int(body["shares"].(float64)), Threshold: int(body["threshold"].(float64)), Required: 2, Fingerprints: []string{}}
		return s.rekey, ""
	})
	row("PUT "+ours, func(body map[string]any) (any, string) { return s.share("s", body) })
	row("PUT "+ours+"/verify", func(body map[string]any) (any, string) { return s.share("n", body) })
	return m, s
}

func (s *seal) status() client.SealStatus {
	status := client.SealStatus{Sealed: s.sealed, Threshold: 2, Shares: 3}
	if s.sealed {
		status.Progress = len(s.given)
	}
	return status
}

func (s *seal) unseal(key string) (any, string) {
	if !strings.HasPrefix(key, "s") {
		return nil, "ERR_INVALID_SHARE"
	}
	if s.note(key); len(s.given) >= 2 {
		s.sealed, s.given = false, nil
	}
	return s.status(), ""
}

// note counts a share once.
func (s *seal) note(key string) {
	if !slices.Contains(s.given, key) {
		s.given = append(s.given, key)
	}
}

// share is one of a rekey.
func (s *seal) share(kind string, body map[string]any) (any, string) {
	key, _ := body["key"].(string)
	switch {
	case body["nonce"] != s.rekey.Nonce:
		return nil, "ERR_CONFLICT"
	case body["auto"] == true:
		s.given = []string{"s1", "s2"}
	case !strings.HasPrefix(key, kind):
		return nil, "ERR_INVALID_SHARE"
	default:
		s.note(key)
	}
	if s.rekey.Progress = len(s.given); s.rekey.Progress < 2 {
		return s.rekey, ""
	}
	s.given = nil
	if kind == "s" {
		s.rekey.Stage, s.rekey.Progress, s.rekey.Required = "verify", 0, s.rekey.Threshold
		return struct {
			client.Rekey
			Keys []string `json:"keys"`
		}{s.rekey, []string{"n1", "n2", "n3"}[:s.rekey.Shares]}, ""
	}
	done := s.rekey
	done.Stage, s.old, s.rekey = "done", false, client.Rekey{Stage: "none"}
	return done, ""
}

// give is another operator's share.
func (s *seal) give(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.unseal(key)
}

func TestUnsealAsksForSharesUntilTheStoreIsOpen(t *testing.T) {
	m, _ := sealedMaster(t)
	p := loggedInTo(t, m)
	p.terminal, p.passwords = true, []string{"x", "s1", " s1 ", "s2"}
	got := p.good("operator", "unseal")
	for _, want := range []string{"A share of the store default (0 of 2 shares given): ", "ERR_INVALID_SHARE", "1 of 2 shares.", "That share was there already; 1 of 2 shares."} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("said %q, want %q", got.stderr, want)
		}
	}
	if got.stdout != "The store default is open.\n" || strings.Contains(got.stdout+got.stderr, "s1") {
		t.Errorf("printed %q, said %q", got.stdout, got.stderr)
	}
	p.passwords = nil
	if got := p.good("operator", "unseal"); got.stdout != "The store default is open.\n" {
		t.Errorf("printed %q", got.stdout)
	}
}

// What others do is seen while somebody thinks; when they have opened the store nobody is asked any more.
func TestUnsealShowsWhatOthersDo(t *testing.T) {
	m, s := sealedMaster(t)
	p := loggedInTo(t, m)
	p.terminal = true
	p.ask = func(ctx context.Context, _ string) (string, error) {
		s.give("s1")
		for m.count("GET", "/secrets/v1/seal-status/default") < 2 && wait(ctx, lookEvery/50) {
		}
		s.give("s2")
		<-ctx.Done()
		return "", ctx.Err()
	}
	got := p.good("operator", "unseal")
	if got.stdout != "The store default is open.\n" || !strings.Contains(got.stderr, "1 of 2 shares now: another operator was here.") {
		t.Errorf("printed %q, said %q", got.stdout, got.stderr)
	}
}

func TestScriptsGiveTheSharesThatTheyHave(t *testing.T) {
	m, s := sealedMaster(t)
	p := loggedInTo(t, m)
	p.stdin = "\n s1 \n"
	if got := p.good("operator", "unseal", "-o", "json"); !strings.Contains(got.stdout, `"sealed": true`) || !strings.Contains(got.stdout, `"progress": 1`) {
		t.Errorf("printed %s", got.stdout)
	}
	p.bad(StatusFailed, "ERR_INVALID_SHARE", "operator", "unseal", "--share-file", p.file("wrong", "x\n"))
	if got := p.good("operator", "unseal", "--share-file", p.file("one", "s1\n"), "--share-file", p.file("two", "s2\ns3\n")); got.stdout != "The store default is open.\n" {
		t.Errorf("printed %q", got.stdout)
	}
	if s.sealed {
		t.Error("the store is sealed")
	}
	p.stdin = " \n"
	p.bad(StatusUsage, "standard input is empty", "operator", "unseal")
	p.bad(StatusUsage, "want one of them", "operator", "unseal", "--auto", "--reset")
	p.bad(StatusUsage, "--share-file: open", "operator", "unseal", "--share-file", "/nonexistent")
	p.bad(StatusUsage, "holds no shares", "operator", "unseal", "--share-file", p.file("big", strings.Repeat("x\n", 256)))
}

func TestCtrlCEndsUnsealing(t *testing.T) {
	m, _ := sealedMaster(t)
	p := loggedInTo(t, m)
	p.terminal = true
	ctx, interrupt := context.WithCancel(t.Context())
	p.ask = func(ctx context.Context, _ string) (string, error) {
		interrupt()
		<-ctx.Done()
		return "", ctx.Err()
	}
	if got := p.runWith(ctx, "operator", "unseal"); got.status != StatusInterrupted {
		t.Errorf("got %+v", got)
	}
}

func TestStatusTellsScriptsWhetherStoresAreOpen(t *testing.T) {
	p := loggedInTo(t, full(t))
	got := p.run("operator", "status")
	want := "STORE   STATE   UNSEALED BY    GIVEN   OPENS ITSELF  DATA KEY\n" +
		"open    open    3 of 5 shares          key-file      number 2; what 1 older one encrypted is encrypted anew\n" +
		"sealed  sealed  3 of 5 shares  2 of 3  key-file      number 2; what 1 older one encrypted is encrypted anew\n"
	if got.status != StatusSealed || got.stdout != want || got.stderr != "" {
		t.Errorf("status %d, %q\n%s", got.status, got.stderr, got.stdout)
	}
	p.good("operator", "status", "--store", "open")
	p.bad(StatusSealed, "the master says 503 Service Unavailable", "secret", "get", "a", "--store", "sealed")
}

// New shares are printed once, where somebody wants them, or they are not made.
func TestSharesGoWhereSomebodyWantsThem(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	const row = "PUT /secrets/v1/init/default"
	m.answer(row, map[string]any{"initialized": true, "keys": []string{"c1", "c2"}, "pgp_fingerprints": []string{}})
	args := []string{"operator", "init", "--shares", "2", "--threshold", "2"}
	p.bad(StatusUsage, "use --out-dir DIRECTORY", args...)
	p.bad(StatusUsage, "--yes", append(args, "-o", "json")...) // there are shares already
	dir := filepath.Join(p.env["HOME"], "shares")
	p.file("default-share-2.txt", "")
	p.bad(StatusUsage, "default-share-2.txt exists", append(args, "--yes", "--out-dir", p.env["HOME"])...)
	if _, err := os.Stat(filepath.Join(p.env["HOME"], "default-share-1.txt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty file stays: %v", err)
	}
	if n := m.count("PUT", "/secrets/v1/init/default"); n != 0 {
		t.Errorf("initialised %d times", n)
	}
	got := p.good(append(args, "--yes", "--out-dir", dir)...)
	for i, want := range []string{"c1\n", "c2\n"} {
		path := filepath.Join(dir, fmt.Sprintf("default-share-%d.txt", i+1))
		content, err := os.ReadFile(path)
		info, errInfo := os.Stat(path)
		if err != nil || errInfo != nil || string(content) != want || info.Mode() != 0o600 || !strings.Contains(got.stdout, path) {
			t.Errorf("%s: %q, %v, %v", path, content, info, err)
		}
	}
	if strings.Contains(got.stdout, "c1") || !strings.Contains(got.stdout, "WARNING") {
		t.Errorf("printed %s", got.stdout)
	}
	m.answer(row, no{400, `{"title":"400 Bad Request","code":"ERR_STORE_NOT_EMPTY"}`})
	other := filepath.Join(p.env["HOME"], "other")
	p.bad(StatusFailed, "gatehouse operator rekey", append(args, "--yes", "--out-dir", other)...)
	if left, err := os.ReadDir(other); err != nil || len(left) > 0 {
		t.Errorf("files of shares that do not exist: %v, %v", left, err)
	}
	m.answer(row, no{500, `{"title":"500"}`})
	p.bad(StatusUnknown, "do it again", append(args, "--yes", "-o", "json")...)
	m.answer(row, map[string]any{"initialized": true, "keys": []string{"c1", "c2"}})
	p.terminal, p.lines = true, []string{"y"}
	if got := p.good(args...); !strings.Contains(got.stdout, "Share 1: c1\nShare 2: c2\n") || !strings.Contains(got.stdout, "WARNING: the shares are shown this once") {
		t.Errorf("printed %s", got.stdout)
	}
}

func TestKeysOfPGPAreTakenInEveryForm(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	armored := "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\nmQEN\nBA==\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
	dir := filepath.Join(p.env["HOME"], "shares")
	args := []string{"operator", "init", "--yes", "--out-dir", dir, "--shares", "3", "--threshold", "2", "--pgp-key", p.file("alice.asc", armored), "--pgp-key", p.file("bob.gpg", "\x99\x01\x0d\x04"),
		"--pgp-key", p.file("carol.b64", "mQEN\nBA==\n")}
	m.answer("PUT /secrets/v1/init/default", map[string]any{"initialized": true, "keys": []string{"c1aa", "c1bb", "c1cc"}, "pgp_fingerprints": []string{"f1", "f2", "f3"}})
	p.good(args...)
	if got, want := m.last().body, `{"shares":3,"threshold":2,"pgp_keys":["mQENBA==","mQENBA==","mQENBA=="]}`; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	if message, err := os.ReadFile(filepath.Join(dir, "default-share-1-alice.gpg")); err != nil || string(message) != "\xc1\xaa" {
		t.Errorf("the share of alice is %q, %v", message, err)
	}
	before := len(m.asked)
	for content, want := range map[string]string{
		"": "no PGP key", "not a key": "no PGP key", "\x94\x01": "private key", "\xc5\x01": "private key", "lQEN": "private key", "\x88\x01": "does not begin with a public key",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQEN": "no PGP key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQEN\n-----END PGP PRIVATE KEY BLOCK-----": "private key",
	} {
		p.bad(StatusUsage, want, "operator", "init", "--yes", "--shares", "1", "--threshold", "1", "--pgp-key", p.file("key", content))
	}
	p.bad(StatusUsage, "got 1 PGP key for 5 shares", "operator", "init", "--yes", "--pgp-key", p.file("bob.gpg", "\x99\x01"))
	p.bad(StatusUsage, "--pgp-key: open", "operator", "init", "--yes", "--pgp-key", "/nonexistent")
	if len(m.asked) != before {
		t.Errorf("asked %+v", m.asked[before:])
	}
}

// From the first old share to the last new one at one terminal.
func TestRekeyWalksFromOldSharesToNewOnes(t *testing.T) {
	m, s := sealedMaster(t)
	p := loggedInTo(t, m)
	p.terminal, p.passwords = true, []string{"s1", "x", "s2", "n3", "n1"}
	got := p.good("operator", "rekey", "--shares", "3", "--threshold", "2")
	for _, want := range []string{"A rekey begins, nonce n1", "A present share of the store default (1 of 2 shares given)", "ERR_INVALID_SHARE", "A new share of the store default (0 of 2 shares given)"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("said %q, want %q", got.stderr, want)
		}
	}
	for _, want := range []string{"Nonce: n1", "Share 1: n1\nShare 2: n2\nShare 3: n3\n", "WARNING", "The store default has new shares: any 2 of 3 unseal it."} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("printed %q, want %q", got.stdout, want)
		}
	}
	if s.old {
		t.Error("the old shares count")
	}
}

// Each of several operators gives one share, in a script, at different times.
func TestRekeyIsJoinedByOthers(t *testing.T) {
	m, s := sealedMaster(t)
	p := loggedInTo(t, m)
	one := func(share string, more ...string) outcome {
		p.t.Helper()
		p.stdin = share + "\n"
		return p.good(append([]string{"operator", "rekey", "-o", "json"}, more...)...)
	}
	for _, step := range []struct{ share, want string }{{"s1", `"stage": "shares"`}, {"s2", `"n2"`}, {"n1", `"stage": "verify"`}, {"n2", `"stage": "done"`}} {
		flags := []string{"--nonce", "n1"}
		if step.share == "s1" {
			flags = []string{"--shares", "2", "--threshold", "2"}
		}
		if got := one(step.share, flags...); !strings.Contains(got.stdout, step.want) {
			t.Errorf("%s: printed %s, want %s", step.share, got.stdout, step.want)
		}
	}
	if s.old {
		t.Error("the old shares count")
	}
	p.bad(StatusFailed, "no rekey is under way", "operator", "rekey", "--nonce", "n1", "-o", "json")
	one("s1", "--shares", "2", "--threshold", "2")
	p.bad(StatusFailed, "its nonce is n1", "operator", "rekey", "--nonce", "n9", "-o", "json")
	p.stdin = ""
	p.bad(StatusUsage, "not on a terminal", "operator", "rekey", "--auto")
	if got := p.good("operator", "rekey", "--auto", "-o", "json"); !strings.Contains(got.stdout, `"n1"`) {
		t.Errorf("printed %s", got.stdout)
	}
}

// The admin socket needs neither a login nor the other masters.
func TestSealLocallyAsksTheMasterOfThisMachine(t *testing.T) {
	m := newMaster(t, map[string]any{"POST /gatehouse/v1/secrets/s/local-seal": nil})
	p := newPerson(t)
	p.socket = m.Client()
	p.bad(StatusUsage, "--yes", "operator", "seal", "--local", "--admin-socket", m.URL)
	p.bad(StatusUsage, "add --admin-socket", "operator", "seal", "--local", "--yes")
	p.bad(StatusUsage, "add --local", "operator", "seal", "--admin-socket", "x", "--yes")
	p.good("operator", "seal", "--local", "--admin-socket", m.URL, "--yes", "--store", "s")
	if got := m.last(); got.path != "/gatehouse/v1/secrets/s/local-seal" || got.body != "" || got.token != "" {
		t.Errorf("asked %+v", got)
	}
	m.answer("POST /gatehouse/v1/secrets/s/local-seal", no{404, `{"title":"404","code":"ERR_UNKNOWN_STORE"}`})
	p.bad(StatusFailed, "gatehouse store list", "operator", "seal", "--local", "--admin-socket", m.URL, "--yes", "--store", "s")
	m.Close()
	p.bad(StatusUnavailable, "a master that runs", "operator", "seal", "--local", "--admin-socket", m.URL, "--yes")
}

func TestAStoreThatHoldsSecretsIsDeletedByForce(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	m.answer("DELETE /secrets/v1/store/payments", no{409, `{"title":"409 Conflict","code":"ERR_CONFLICT"}`})
	p.bad(StatusFailed, "--force destroys them", "store", "delete", "--yes", "payments")
	m.answer("DELETE /secrets/v1/store/payments?force=true", nil)
	p.good("store", "delete", "--yes", "--force", "payments")
}

func TestRotateFollowsUntilOneKeyIsLeft(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	asked := 0
	m.answer("GET /gatehouse/v1/secrets/default", func(w http.ResponseWriter) {
		terms := "[1,2,3]"
		if asked++; asked > 1 {
			terms = "[3]"
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"name":"default","terms":`+terms+`}`)
	})
	p.terminal = true
	got := p.good("operator", "rotate", "--follow")
	if !strings.Contains(got.stdout, "Everything in the store default is encrypted with data key number 3.") || !strings.Contains(got.stderr, "number 3; what 2 older ones encrypted is encrypted anew") {
		t.Errorf("printed %q, said %q", got.stdout, got.stderr)
	}
}
