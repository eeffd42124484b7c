package flow

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/keyring"
)

func ring(t testing.TB) *keyring.Ring {
	t.Helper()
	r, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatWasSealedIsOpened(t *testing.T) {
	s := Sealer{Keys: ring(t), Cluster: "c1"}
	f := New(noon)
	f.Type, f.Provider, f.Version, f.Target, f.Term, f.Loopback, f.Challenge = "oidc", "dex", 7, "/a?b", 3, 4711, Challenge("x")
	if got, err := s.OpenFlow(s.SealFlow(f)); err != nil || got != f {
		t.Errorf("%v\n%s", err, cmp.Diff(f, got))
	}
	h := Handle{Flow: f.ID, Provider: "adfs", Version: 7, Name: "alice@example.com", Description: "Alice", Term: 3, Ends: noon.Unix()}
	if got, err := s.OpenHandle(s.SealHandle(h)); err != nil || got != h {
		t.Errorf("%v\n%s", err, cmp.Diff(h, got))
	}
	q := Question{Flow: f.ID, Type: "saml", UID: "alice", Ends: noon.Unix()}
	if got, err := s.OpenQuestion(s.SealQuestion(q)); err != nil || got != q {
		t.Errorf("%v\n%s", err, cmp.Diff(q, got))
	}
	c := Code{ID: NewID(), UID: "alice", Type: "saml", Provider: "adfs", Version: 7, Subject: "hash", Challenge: f.Challenge, Term: 3, Ends: noon.Unix()}
	if got, err := s.OpenCode(s.SealCode(c)); err != nil || got != c {
		t.Errorf("%v\n%s", err, cmp.Diff(c, got))
	}
}

func TestWhatIsSealedIsBoundToItsKindAndCluster(t *testing.T) {
	keys := ring(t)
	s := Sealer{Keys: keys, Cluster: "c1"}
	sealed := s.SealFlow(New(noon))
	flipped := "A" + sealed[1:]
	if sealed[0] == 'A' {
		flipped = "B" + sealed[1:]
	}
	foreign := map[string]struct {
		by   Sealer
		text string
	}{
		"another cluster": {Sealer{Keys: keys, Cluster: "c2"}, sealed},
		"another key":     {Sealer{Keys: ring(t), Cluster: "c1"}, sealed},
		"a handle":        {s, s.SealHandle(Handle{})},
		"a code":          {s, s.SealCode(Code{})},
		"nothing":         {s, ""},
		"no base64":       {s, "!" + sealed},
		"padding":         {s, sealed + "="},
		"a line end":      {s, sealed + "\n"},
		"cut off":         {s, sealed[:len(sealed)-2]},
		"changed":         {s, flipped},
		"too long":        {s, strings.Repeat("A", maxSealed+1)},
	}
	for name, c := range foreign {
		if _, err := c.by.OpenFlow(c.text); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v, want %v", name, err, ErrForeign)
		}
	}
	for name, open := range map[string]func(string) error{
		"handle": func(text string) error { _, err := s.OpenHandle(text); return err },
		"code":   func(text string) error { _, err := s.OpenCode(text); return err },
	} {
		if err := open(sealed); !errors.Is(err, ErrForeign) {
			t.Errorf("a flow is opened as a %s: %v", name, err)
		}
	}
}

func TestErrorsTellNothingOfWhatWasSealed(t *testing.T) {
	s := Sealer{Keys: ring(t), Cluster: "c1"}
	text := s.SealCode(Code{UID: "planted"})
	if _, err := s.OpenFlow(text); err == nil || strings.Contains(err.Error(), text) {
		t.Errorf("%v", err)
	}
}

func TestFlowsAreSmallAndDiffer(t *testing.T) {
	s := Sealer{Keys: ring(t), Cluster: "c1"}
	f := New(noon)
	f.Type, f.Provider, f.Version, f.Term = "oidc", strings.Repeat("p", 64), 1<<40, 1<<30
	if n := len(s.SealFlow(f)); n > 600 {
		t.Errorf("a flow has %d characters, want at most 600", n)
	}
	f.Target = "/" + strings.Repeat("a", MaxTarget-1)
	if n := len(s.SealFlow(f)); n > 2000 {
		t.Errorf("a flow with the longest target has %d characters, want at most 2000", n)
	}
	for _, worst := range []string{"&", "<", "'", `"`, `\`, "\u2028", "ü", "\x7f"} {
		target, err := Target("/?" + strings.Repeat(worst, MaxTarget-2))
		for n := MaxTarget - 2; err != nil && n > 0; n-- {
			target, err = Target("/?" + strings.Repeat(worst, n))
		}
		if f.Target = target; len(s.SealFlow(f)) > maxSealed*4/5 {
			t.Errorf("a flow with the longest target of %q has %d characters, want at most %d", worst, len(s.SealFlow(f)), maxSealed*4/5)
		}
		if got, err := s.OpenFlow(s.SealFlow(f)); err != nil || got != f {
			t.Errorf("%q: %v\n%s", worst, err, cmp.Diff(f, got))
		}
	}
	g := New(noon)
	if f.ID == g.ID || f.Nonce == g.Nonce || f.Verifier == g.Verifier || f.ID == f.Nonce {
		t.Error("two flows share a secret")
	}
	if len(f.Verifier) != 43 || !ValidID(f.ID) || !ValidID(NewID()) || f.Ends() != noon.Add(10*time.Minute) {
		t.Errorf("flow is %d, %v, %v", len(f.Verifier), ValidID(f.ID), f.Ends())
	}
	if CookieName(f.ID) == CookieName(g.ID) || len(CookieName(f.ID)) != len(CookiePrefix)+16 {
		t.Errorf("cookies %s and %s", CookieName(f.ID), CookieName(g.ID))
	}
}

func TestIDsHaveOneSpelling(t *testing.T) {
	id := NewID()
	for _, bad := range []string{"", id[1:], id + "A", id[:21] + "=", id[:21] + "/", id[:21] + "\n", id[:21] + "B", strings.Repeat("A", 80), strings.Repeat("A", 10<<10)} {
		if ValidID(bad) {
			t.Errorf("%q is an id", bad)
		}
	}
	if !ValidChallenge(Challenge("x")) || ValidChallenge(Challenge("x")+"A") || ValidChallenge("") || ValidChallenge(id) {
		t.Error("challenges are judged wrongly")
	}
	for _, good := range []string{strings.Repeat("v", 43), strings.Repeat("v", 128), strings.Repeat("a", 39) + "-._~"} {
		if !Answers(good, Challenge(good)) || Answers(good, Challenge("x")) || Answers(good, "") {
			t.Errorf("the verifier %s is judged wrongly", good)
		}
	}
	for _, bad := range []string{"", "x", strings.Repeat("v", 42), strings.Repeat("v", 129), strings.Repeat("v", 42) + "+", strings.Repeat("v", 43) + "ü", strings.Repeat("v", 43) + "\n"} {
		if Answers(bad, Challenge(bad)) {
			t.Errorf("%q is a verifier", bad)
		}
	}
}

// TestChallengeIsThatOfTheStandard is the example of RFC 7636, appendix B.
func TestChallengeIsThatOfTheStandard(t *testing.T) {
	if got := Challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge %s", got)
	}
}
