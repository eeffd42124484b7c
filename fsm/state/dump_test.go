package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func dump(t *testing.T, s *State) []string {
	t.Helper()
	var out bytes.Buffer
	n, err := s.WriteRecords(&out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
	if n != len(lines) {
		t.Fatalf("%d records in %d lines", n, len(lines))
	}
	return lines
}

func loadLines(lines []string) (*State, error) {
	l := NewLoader()
	for _, line := range lines {
		if err := addLine(l, []byte(line)); err != nil {
			return nil, err
		}
	}
	return l.State(1)
}

func addLine(l *Loader, line []byte) error {
	r, err := DecodeRecord(line)
	if err != nil {
		return err
	}
	return l.Add(r)
}

// directions are the sizes of the trees that hold what another tree holds, in another order.
func directions(s *State) []int {
	return []int{s.memberOf.len(), s.grantsOf.len(), s.cutoffExpiry.len(), s.replays.len(), s.replayAge.len(), s.changed.len(), s.due.len(), s.tallies.len()}
}

func TestDumpAndLoadGiveTheSameState(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	s := sample()
	for range 50 {
		s = change(s, func(t *Txn) {
			for range 20 {
				mutate(t, r)
			}
		})
		back, err := loadLines(dump(t, s))
		if err != nil {
			t.Fatal(err)
		}
		if back.Digest() != s.Digest() || back.Sizes() != s.Sizes() {
			t.Fatalf("loaded %+v, dumped %+v", back.Sizes(), s.Sizes())
		}
		if diff := cmp.Diff(directions(s), directions(back)); diff != "" {
			t.Fatalf("the trees that a dump does not show (-want +got):\n%s", diff)
		}
		if diff := miscounted(s) + miscounted(back); diff != "" {
			t.Fatal(diff)
		}
		// The copies must also go on alike.
		seed := r.Uint64()
		a := change(s, func(t *Txn) { mutate(t, rand.New(rand.NewPCG(seed, 0))) })
		b := change(back, func(t *Txn) { t.Next(a.Index()); mutate(t, rand.New(rand.NewPCG(seed, 0))) })
		if a.Digest() != b.Digest() {
			t.Fatal("after a change the loaded state differs")
		}
	}
}

func TestDigestDoesNotDependOnTheIndex(t *testing.T) {
	s := sample()
	if later := s.Begin().Commit(99); later.Digest() != s.Digest() {
		t.Error("the digest depends on the index")
	}
	if other := change(s, func(t *Txn) { t.DeleteMembership("staff", "bob") }); other.Digest() == s.Digest() {
		t.Error("the digest does not depend on memberships")
	}
}

func TestLoaderRefusesWhatNoDumpContains(t *testing.T) {
	good := dump(t, sample())
	find := func(prefix string) int {
		for i, line := range good {
			if strings.HasPrefix(line, prefix) {
				return i
			}
		}
		t.Fatalf("no record starts with %s", prefix)
		return 0
	}
	without := func(prefix string) []string {
		i := find(prefix)
		return append(append([]string{}, good[:i]...), good[i+1:]...)
	}
	replace := func(prefix, line string) []string {
		lines := append([]string{}, good...)
		lines[find(prefix)] = line
		return lines
	}
	swap := func(a, b string) []string {
		lines := append([]string{}, good...)
		i, j := find(a), find(b)
		lines[i], lines[j] = lines[j], lines[i]
		return lines
	}
	replay := good[find(`{"replay":`)]
	head, told := good[find(`{"audit_head":{"master":"s1","sequence":5`)], `"`+epoch.Format(time.RFC3339Nano)+`"`
	if !strings.Contains(head, `"told":`+told) {
		t.Fatalf("not told at %s: %s", told, head)
	}
	after := func(line string) []string {
		i := find(`{"replay":`) + 1
		return append(append(append([]string{}, good[:i]...), line), good[i:]...)
	}
	if _, err := loadLines(good); err != nil {
		t.Fatal(err)
	}
	cases := map[string][]string{
		"nothing":                   nil,
		"no meta":                   good[1:],
		"meta twice":                append(good[:1:1], good...),
		"a user twice":              replace(`{"user":{"uid":"bob"`, good[find(`{"user":{"uid":"alice"`)]),
		"users out of order":        swap(`{"user":{"uid":"bob"`, `{"user":{"uid":"alice"`),
		"kinds out of order":        swap(`{"group":`, `{"acl":`),
		"member without user":       without(`{"user":{"uid":"alice"`),
		"member without group":      without(`{"group":{"gid":"staff"`),
		"grant without acl":         without(`{"acl":{"rid":"r"`),
		"grant of nothing":          replace(`{"grant":{"rid":"r","principal":"bob"`, `{"grant":{"rid":"r","principal":"bob","actions":""}}`),
		"grant without actions":     replace(`{"grant":{"rid":"r","principal":"bob"`, `{"grant":{"rid":"r","principal":"bob"}}`),
		"unknown kind":              append(append([]string{}, good...), `{"unheard-of":{}}`),
		"provider of no type":       replace(`{"provider":{"id":"dex"`, `{"provider":{"id":"dex"}}`),
		"provider before a grant":   swap(`{"grant":{"rid":"r","principal":"staff"`, `{"provider":{"id":"dex"`),
		"directory that is none":    replace(`{"directory":`, `{"directory":{"host":"ldap","port":389}}`),
		"directory twice":           append(append([]string{}, good[:find(`{"directory":`)+1]...), good[find(`{"directory":`):]...),
		"directory before provider": swap(`{"directory":`, `{"provider":{"id":"dex"`),
		"unknown member":            replace(`{"group":{"gid":"staff"`, `{"group":{"gid":"staff","provider_type":"ldap","x":1}}`),
		"no kind":                   replace(`{"group":{"gid":"staff"`, `{}`),
		"two kinds":                 replace(`{"group":{"gid":"staff"`, `{"group":{"gid":"staff"},"acl":{"rid":"a"}}`),
		"two values":                replace(`{"group":{"gid":"staff"`, `{"group":{"gid":"staff"}}{"group":{"gid":"t"}}`),
		"two values at the end":     append(append([]string{}, good[:len(good)-1]...), good[len(good)-1]+"{}"),
		"value and bytes":           replace(`{"group":{"gid":"staff"`, `{"group":{"gid":"staff"}} 1}`),
		"cut off":                   replace(`{"group":{"gid":"staff"`, `{"group":{"gid":"staff"`),
		"not an object":             replace(`{"group":{"gid":"staff"`, `[]`),
		"null":                      replace(`{"group":{"gid":"staff"`, `null`),
		"empty line":                replace(`{"group":{"gid":"staff"`, "\n"),
		"a key twice":               append(append([]string{}, good[:find(`{"key":`)+1]...), good[find(`{"key":`):]...),
		"a replay twice":            after(replay),
		"a gap in a user's replays": after(strings.NewReplacer("key-1", "key-2", `"seq":1`, `"seq":3`, `"index":1`, `"index":2`).Replace(replay)),
		"a hash too short":          replace(`{"replay":`, strings.Replace(replay, "010203", "0102", 1)),
		"a hash that is none":       replace(`{"replay":`, strings.Replace(replay, "010203", "01020x", 1)),
		"a head twice":              append(append([]string{}, good...), good[len(good)-1]),
		"heads out of order":        swap(`{"audit_head":{"master":"s1","sequence":5`, `{"audit_head":{"master":"s1","sequence":4`),
		"a head of nobody":          replace(`{"audit_head":{"master":"s1","sequence":5`, `{"audit_head":{"sequence":5}}`),
		"a head never told":         replace(`{"audit_head":{"master":"s1","sequence":5`, strings.Replace(head, `,"told":`+told, "", 1)),
		"a head told hereafter":     replace(`{"audit_head":{"master":"s1","sequence":5`, strings.Replace(head, `"told":`+told, `"told":"2999-01-01T00:00:00Z"`, 1)),
		"a head told too early":     replace(`{"audit_head":{"master":"s1","sequence":5`, strings.Replace(head, `"told":`+told, `"told":"2001-01-01T00:00:00Z"`, 1)),
		"a replay after the heads":  append(append([]string{}, good...), replay),
	}
	for name, lines := range cases {
		if _, err := loadLines(lines); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzLoader(f *testing.F) {
	var out bytes.Buffer
	if _, err := sample().WriteRecords(&out); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add([]byte(`{"meta":{}}` + "\n" + `{"user":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := loadLines(strings.SplitAfter(string(data), "\n"))
		if err != nil {
			return
		}
		back, err := loadLines(dump(t, s))
		if err != nil || back.Digest() != s.Digest() {
			t.Fatal(fmt.Errorf("what was loaded cannot be loaded again: %w", err))
		}
	})
}
