package secret

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/fault"
)

// Hostile P4: one canonical form, and none for what a proxy could understand otherwise.
func TestPathsHaveOneSpelling(t *testing.T) {
	for spelled, want := range map[string]string{
		"a": "a", "/a": "a", "a/b": "a/b", "/a/b": "a/b", "A": "A", "sp__1-2_x.y~!": "sp__1-2_x.y~!", "ä/ö": "ä/ö", "a b": "a b",
		"...": "...", "..a": "..a", "a;b": "a;b", "list": "list", "seal-status": "seal-status", "%2e%2e": "%2e%2e", "a*": "a*", "a/**": "a/**", "*a": "*a",
		strings.Repeat("x", MaxPath):              strings.Repeat("x", MaxPath),
		strings.Repeat("a/", MaxSegments-1) + "a": strings.Repeat("a/", MaxSegments-1) + "a",
	} {
		if got, err := ParsePath(spelled); err != nil || got != want {
			t.Errorf("ParsePath(%.80q) = %q, %v; want %q", spelled, got, err, want)
		}
	}
	for _, wrong := range []string{
		"", "/", "//", "//a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "../a", "a/..", "..;/a", "a/..;x/b", ".;", `a\b`, "a\x00b", "a\nb", "a\x7f",
		"a\u0085b", "a\xff", "*", "/*", "a/*", "*/a", "a/*/b", strings.Repeat("x", MaxPath+1), strings.Repeat("a/", MaxSegments) + "a",
	} {
		if got, err := ParsePath(wrong); !fault.Is(err, fault.InvalidSecretPath) {
			t.Errorf("ParsePath(%.80q) = %q, %v; want it refused", wrong, got, err)
		}
	}
}

func TestDirectoriesMayHaveASlashAtTheirEnd(t *testing.T) {
	for spelled, want := range map[string]string{"": "", "/": "", "a": "a", "/a/": "a", "a/b/": "a/b"} {
		if got, err := ParseDir(spelled); err != nil || got != want {
			t.Errorf("ParseDir(%q) = %q, %v; want %q", spelled, got, err, want)
		}
	}
	for _, wrong := range []string{"//", "a//", "//a", "..", "a/../", "\x00", "*", "a/*", "a/*/"} {
		if got, err := ParseDir(wrong); !fault.Is(err, fault.InvalidSecretPath) {
			t.Errorf("ParseDir(%q) = %q, %v; want it refused", wrong, got, err)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"a/b", "/a", "a//b", "..", `a\b`, "ä", "a/*", "a/*b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spelled string) {
		path, err := ParsePath(spelled)
		if err != nil {
			return
		}
		if again, err := ParsePath("/" + path); err != nil || again != path {
			t.Errorf("%q is %q, which is %q, %v", spelled, path, again, err)
		}
		if len(path) > MaxPath || slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." || s == ".." || s == "*" }) {
			t.Errorf("%q is %q", spelled, path)
		}
	})
}

func TestStoreNames(t *testing.T) {
	for _, name := range []string{"default", "a", "0", "a_b-c", strings.Repeat("x", 64)} {
		if err := StoreName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "all", "list", "A", "-a", "_a", "a/b", "a:b", "ä", "a.b", "default/..", strings.Repeat("x", 65)} {
		if err := StoreName(name); !fault.Is(err, fault.InvalidStoreName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Contract 3.6: every documented spelling, the most special first.
func TestTheResourcesOfASecret(t *testing.T) {
	want := []string{
		"dcos:secrets:default:a/b/c", "dcos:secrets:default:/a/b/c", "dcos:secrets:default:a/b/*", "dcos:secrets:default:/a/b/*",
		"dcos:secrets:default:a/*", "dcos:secrets:default:/a/*", "dcos:secrets:default:/*", "dcos:secrets:default:*",
	}
	if got := RIDs("default", "a/b/c"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := RID("default", "a/b/c"); got != want[1] {
		t.Errorf("canonical %q", got)
	}
	if got := RIDs("default", "a"); !slices.Equal(got, []string{"dcos:secrets:default:a", "dcos:secrets:default:/a", "dcos:secrets:default:/*", "dcos:secrets:default:*"}) {
		t.Errorf("%q", got)
	}
}

// Hostile P5: a grant reaches exactly what it names, by segments.
func TestAGrantReachesWholeSegments(t *testing.T) {
	cases := []struct {
		grant, path string
		reaches     bool
	}{
		{"/a", "a", true}, {"a", "a", true}, {"/a", "ab", false}, {"/a", "a/b", false}, {"/a", "A", false}, {"/a/*", "a/b", true},
		{"/a/*", "a/b/c", true}, {"/a/*", "ab/c", false}, {"/a/*", "a", false}, {"a/*", "a/b", true}, {"/*", "x/y", true}, {"*", "x", true},
		{"/a*", "ab", false}, {"/a/b*", "a/bc", false}, {"", "a", false}, {"/", "a", false},
	}
	for _, c := range cases {
		if got := slices.Contains(RIDs("default", c.path), "dcos:secrets:default:"+c.grant); got != c.reaches {
			t.Errorf("%q reaches %q: %v, want %v", c.grant, c.path, got, c.reaches)
		}
	}
}

func TestTheResourcesOfAList(t *testing.T) {
	const base = "dcos:secrets:list:default:"
	want := []string{base + "a/b", base + "/a/b", base + "a/b/*", base + "/a/b/*", base + "a", base + "/a", base + "a/*", base + "/a/*", base + "/", base + "/*", base + "*"}
	if got := ListRIDs("default", "a/b"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := ListRID("default", "a/b"); got != want[1] {
		t.Errorf("canonical %q", got)
	}
	for _, dir := range []string{"", "a", "a/b"} {
		for _, rid := range ListRIDs("default", dir) {
			of, ok := ListedBy("default", rid)
			if !ok || of != dir && !strings.HasPrefix(dir, of+"/") && of != "" {
				t.Errorf("%s of %q is listed by %q, %v", rid, dir, of, ok)
			}
		}
	}
	for _, rid := range []string{"dcos:secrets:default:/a", base, "dcos:secrets:list:other:/a", base + "/a/", base + "//a", base + "/a*"} {
		if dir, ok := ListedBy("default", rid); ok {
			t.Errorf("%s lists %q", rid, dir)
		}
	}
}

// Contract 3.7, the table.
func TestTheRuleOfSpaces(t *testing.T) {
	cases := []struct {
		path, service string
		readable      bool
	}{
		{"group/secret", "/marathon-user/service", false}, {"group/secret", "/group/hdfs/service", true}, {"group/hdfs/secret", "/group/spark/service", false},
		{"hdfs/secret", "/hdfs", true}, {"secret", "/any/thing", true}, {"secret", "/", true}, {"group/secret", "/groups/service", false},
		{"/group/secret", "group/service", true}, {"group/secret", "/", false}, {"group/hdfs/secret", "/group", false},
	}
	for _, c := range cases {
		if got := Readable(c.path, c.service); got != c.readable {
			t.Errorf("%s by %s: %v, want %v", c.path, c.service, got, c.readable)
		}
	}
}

// Hostile S5.
func TestTheDivisionOfARootKey(t *testing.T) {
	for _, good := range [][2]int{{1, 1}, {2, 2}, {3, 2}, {255, 255}} {
		if err := Division(good[0], good[1]); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range [][2]int{{0, 0}, {1, 0}, {2, 1}, {1, 2}, {256, 2}, {-1, -1}, {3, -1}, {1 << 30, 2}} {
		if err := Division(bad[0], bad[1]); !fault.Is(err, fault.InvalidData) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestASealIsWhole(t *testing.T) {
	good := func() *Seal {
		return &Seal{RootID: "r", Shares: 2, Threshold: 2, Check: []byte("c"), Keys: []DataKey{{Term: 1, Wrapped: []byte("w")}, {Term: 3, Wrapped: []byte("w")}}}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, breakIt := range map[string]func(*Seal){
		"no root": func(s *Seal) { s.RootID = "" }, "no check": func(s *Seal) { s.Check = nil }, "no keys": func(s *Seal) { s.Keys = nil },
		"keys out of order": func(s *Seal) { slices.Reverse(s.Keys) }, "a term twice": func(s *Seal) { s.Keys[1].Term = 1 },
		"an empty key": func(s *Seal) { s.Keys[1].Wrapped = nil }, "a share too few": func(s *Seal) { s.EncryptedShares = [][]byte{{1}} },
		"a fingerprint too many": func(s *Seal) { s.Fingerprints = []string{"a", "b", "c"} }, "auto-unseal by nothing": func(s *Seal) { s.Auto = &Auto{Method: "m"} },
		"too many needed": func(s *Seal) { s.Threshold = 3 },
	} {
		s := good()
		breakIt(s)
		if err := s.Validate(); !fault.Is(err, fault.InvalidData) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnUninitializedStoreIsNeitherOpenNorSealed(t *testing.T) {
	s := Store{Name: "default"}
	if s.Initialized() || s.Open() || s.RootID() != "" || s.Term() != 0 {
		t.Errorf("%+v", s)
	}
	s.Seal = &Seal{RootID: "r", Keys: []DataKey{{Term: 1}, {Term: 4}}}
	if k, ok := s.Seal.Key(4); !s.Open() || s.Term() != 4 || !ok || k.Term != 4 {
		t.Errorf("%+v", s)
	}
	if _, ok := s.Seal.Key(2); ok {
		t.Error("there is a key of term 2")
	}
	if s.Sealed = true; s.Open() {
		t.Error("a sealed store is open")
	}
}

func TestASecretEndsAtItsInstant(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s := Secret{Versions: []Version{{Number: 2, Sealed: []byte("ab")}, {Number: 3, Sealed: []byte("c")}}, Ends: now}
	if s.Live(now) || !s.Live(now.Add(-1)) || s.Restorable(now.Add(-1)) || s.Bytes() != 3 {
		t.Errorf("live at its end %v, before %v", s.Live(now), s.Live(now.Add(-1)))
	}
	v, ok := s.Newest()
	old, kept := s.Version(2)
	_, gone := s.Version(1)
	if !ok || v.Number != 3 || !kept || old.Number != 2 || gone {
		t.Errorf("newest %v, 2 kept %v, 1 kept %v", v.Number, kept, gone)
	}
	if s.Deleted = true; s.Live(now.Add(-1)) || !s.Restorable(now.Add(-1)) {
		t.Error("a deleted secret is live, or cannot be brought back")
	}
}

func TestRecordsHideTheirSecrets(t *testing.T) {
	const planted = "plantedsecret"
	p := []byte(planted)
	seal := Seal{RootID: "r", Check: p, EncryptedShares: [][]byte{p}, Keys: []DataKey{{Wrapped: p}}, Auto: &Auto{Blob: p}}
	version := Version{Number: 1, Sealed: p}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{Store{Name: "s", Seal: &seal}, seal, seal.Keys[0], *seal.Auto, version, Secret{Path: "a", Versions: []Version{version}}} {
		log.Info("record", "record", v)
		fmt.Fprintf(&out, "%v %+v %#v %s\n", v, v, v, v)
	}
	for _, form := range []string{planted, fmt.Sprint(p), "cGxhbnRlZHNlY3JldA", "706c616e746564"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("%s is shown:\n%s", form, out.String())
		}
	}
}
