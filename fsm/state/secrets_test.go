package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/secret"
)

func seal(terms ...uint32) *secret.Seal {
	s := &secret.Seal{RootID: "r1", Shares: 1, Threshold: 1, Check: []byte("c")}
	for _, term := range terms {
		s.Keys = append(s.Keys, secret.DataKey{Term: term, Wrapped: []byte("w"), Created: epoch})
	}
	return s
}

func vault(name string, terms ...uint32) *secret.Store {
	s := &secret.Store{Name: name, Driver: secret.Vault, Created: epoch, MaxVersions: 3, Undelete: 60, Epoch: 1}
	if len(terms) > 0 {
		s.Seal = seal(terms...)
	}
	return s
}

// record is a secret with the versions of these numbers, sealed with keys of these terms.
func secretOf(store, path string, changed uint64, terms ...uint32) *secret.Secret {
	s := &secret.Secret{Store: store, Path: path, Born: epoch, Last: uint64(max(1, len(terms))), Changed: changed}
	for i, term := range terms {
		s.Versions = append(s.Versions, secret.Version{Number: uint64(i + 1), Index: changed, Term: term, Created: epoch, Sealed: bytes.Repeat([]byte{byte(i)}, 10*(i+1))})
	}
	if len(terms) == 0 {
		s.Deleted, s.Ends = true, epoch.Add(time.Hour)
	}
	return s
}

// sampleSecrets has a store without keys, and one with a live secret, one that ends, a deleted one and a tombstone.
func sampleSecrets(t *Txn) {
	t.PutStore(vault("raw"))
	t.PutStore(vault("default", 1, 2))
	t.PutSecret(secretOf("default", "a", 1, 1, 2))
	ends := secretOf("default", "a/b", 1, 2)
	ends.Ends = epoch.Add(time.Minute)
	t.PutSecret(ends)
	deleted := secretOf("default", "a.b", 1, 1)
	deleted.Deleted, deleted.Ends, deleted.Lease = true, epoch.Add(2*time.Minute), epoch.Add(time.Hour)
	t.PutSecret(deleted)
	t.PutSecret(secretOf("default", "gone", 1))
	t.CountSealings("default", 1, 7)
}

func mutateStore(t *Txn, r *rand.Rand) {
	name := fmt.Sprint("s", r.IntN(3))
	switch r.IntN(4) {
	case 0:
		t.DeleteStore(name)
	case 1:
		t.ClearStore(name)
	default:
		if s, ok := t.Store(name); ok {
			changed := *s
			changed.Description = fmt.Sprint(r.IntN(1000))
			t.PutStore(&changed)
			return
		}
		t.PutStore(vault(name, 1, 2, 3))
	}
}

func mutateSecret(t *Txn, r *rand.Rand) {
	name, path := fmt.Sprint("s", r.IntN(3)), fmt.Sprint("d", r.IntN(5), "/p", r.IntN(20))
	store, ok := t.Store(name)
	if !ok || store.Seal == nil {
		t.PutStore(vault(name, 1, 2, 3))
	} else if len(store.Seal.Keys) != 3 {
		return
	}
	if old, ok := t.Secret(name, path); ok && r.IntN(4) == 0 {
		t.DropSecret(old)
		return
	}
	terms := make([]uint32, r.IntN(4))
	for i := range terms {
		terms[i] = uint32(1 + r.IntN(3))
	}
	s := secretOf(name, path, max(1, t.Index()), terms...)
	if r.IntN(2) == 0 {
		s.Deleted, s.Ends = r.IntN(2) == 0, epoch.Add(time.Duration(1+r.IntN(5))*time.Minute)
	}
	s.Deleted = s.Deleted || len(terms) == 0
	t.PutSecret(s)
	if len(terms) > 0 {
		t.CountSealings(name, terms[0], 1)
	}
}

// miscounted counts everything about secrets anew, and says what was kept otherwise, or "".
func miscounted(s *State) string {
	changed, due := 0, 0
	for store := range s.Stores() {
		want, terms := Counts{}, make([]int, 4)
		for one := range s.Secrets(store.Name, "") {
			switch {
			case len(one.Versions) == 0:
				want.Tombstones++
			case one.Deleted:
				want.Deleted++
			default:
				want.Live++
			}
			for _, v := range one.Versions {
				want.Versions++
				want.Bytes += int64(len(v.Sealed))
				terms[v.Term]++
			}
			want.Paths += int64(len(one.Path))
			changed++
			if !one.Ends.IsZero() {
				due++
			}
		}
		if got := s.StoreCounts(store.Name); got != want {
			return fmt.Sprintf("%s counts %+v, has %+v", store.Name, got, want)
		}
		for term := range terms {
			if got := s.TermUse(store.Name, uint32(term)); got != terms[term] {
				return fmt.Sprintf("term %d of %s counts %d, has %d", term, store.Name, got, terms[term])
			}
		}
		for one := range s.SecretsChanged(store.Name, 0) {
			if same, ok := s.Secret(one.Store, one.Path); !ok || same != one {
				return one.Path + " has changed into something else"
			}
		}
	}
	for one := range s.SecretsDue(epoch.Add(100 * 24 * time.Hour)) {
		if same, ok := s.Secret(one.Store, one.Path); !ok || same != one {
			return one.Path + " ends as something else"
		}
	}
	if s.secrets.len() != changed || s.changed.len() != changed || s.due.len() != due || s.stores.len() != s.tallies.len() {
		return fmt.Sprintf("%d secrets are %d, %d changed, %d of %d due", changed, s.secrets.len(), s.changed.len(), s.due.len(), due)
	}
	return ""
}

func pathsOf(list func(func(*secret.Secret) bool)) (paths []string) {
	for s := range list {
		paths = append(paths, s.Path)
	}
	return paths
}

func TestSecretsAreListedBySegments(t *testing.T) {
	s := change(sample(), func(t *Txn) { t.PutSecret(secretOf("raw", "a/z", 2)) })
	for dir, want := range map[string][]string{
		"": {"a", "a.b", "a/b", "gone"}, "a": {"a/b"}, "a/b": nil, "a.": nil, "none": nil,
	} {
		if got := pathsOf(s.Secrets("default", dir)); !slices.Equal(got, want) {
			t.Errorf("below %q: %q, want %q", dir, got, want)
		}
	}
	if got := pathsOf(s.Secrets("none", "")); got != nil {
		t.Errorf("in no store: %q", got)
	}
	for range s.Secrets("default", "") {
		break // whoever has enough
	}
}

func TestChangesComeInTheirOrder(t *testing.T) {
	s := sample()
	s = change(s, func(t *Txn) { t.PutSecret(secretOf("default", "z", t.Index(), 1)) })
	s = change(s, func(t *Txn) {
		t.PutSecret(secretOf("default", "a", t.Index(), 1))
		t.PutSecret(secretOf("default", "b", t.Index(), 1))
	})
	if got, want := pathsOf(s.SecretsChanged("default", 1)), []string{"z", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := pathsOf(s.SecretsChanged("default", 3)); got != nil {
		t.Errorf("after the newest: %q", got)
	}
}

func TestADroppedTombstoneIsForgotten(t *testing.T) {
	s := change(sample(), func(t *Txn) {
		gone, _ := t.Secret("default", "gone")
		t.DropSecret(gone)
	})
	if _, ok := s.Secret("default", "gone"); ok || s.Forgotten("default") != 1 {
		t.Errorf("forgotten up to %d", s.Forgotten("default"))
	}
}

func TestWhatIsDueComesFirst(t *testing.T) {
	s := sample()
	if got := pathsOf(s.SecretsDue(epoch)); got != nil {
		t.Errorf("%q is due", got)
	}
	if got, want := pathsOf(s.SecretsDue(epoch.Add(2*time.Minute))), []string{"a/b", "a.b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := s.LiveSecrets("default", epoch.Add(2*time.Minute)); got != 1 || s.StoreCounts("default").Live != 2 {
		t.Errorf("%d live of %+v", got, s.StoreCounts("default"))
	}
}

func TestSecretsOfOldTermsAreFound(t *testing.T) {
	s := sample()
	if got, want := pathsOf(s.SecretsOfOldTerms("default", "")), []string{"a", "a.b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := pathsOf(s.SecretsOfOldTerms("default", "a")), []string{"a.b"}; !slices.Equal(got, want) {
		t.Errorf("behind a: %q, want %q", got, want)
	}
	for _, store := range []string{"raw", "none"} {
		if got := pathsOf(s.SecretsOfOldTerms(store, "")); got != nil {
			t.Errorf("%s: %q", store, got)
		}
	}
	s = change(s, func(t *Txn) {
		t.PutSecret(secretOf("default", "a", 1, 2))
		t.PutSecret(secretOf("default", "a.b", 1, 2))
	})
	if got := pathsOf(s.SecretsOfOldTerms("default", "")); got != nil || s.TermUse("default", 1) != 0 {
		t.Errorf("%q", got)
	}
}

// Whoever follows stores compares pointers: a write of a secret must not move one.
func TestAStoreIsTheSameWhileItsSecretsChange(t *testing.T) {
	s := sample()
	before, _ := s.Store("default")
	s = change(s, func(t *Txn) {
		t.PutSecret(secretOf("default", "new", 2, 2))
		t.CountSealings("default", 2, 1)
	})
	if after, _ := s.Store("default"); after != before || s.Sealings("default", 2) != 1 || s.Sealings("default", 1) != 7 {
		t.Errorf("the store is another; term 1 sealed %d, term 2 %d", s.Sealings("default", 1), s.Sealings("default", 2))
	}
}

func TestKeysThatStayKeepTheirCounts(t *testing.T) {
	s := change(sample(), func(t *Txn) { t.PutStore(vault("default", 1, 2, 3)) })
	if s.Sealings("default", 1) != 7 || s.TermUse("default", 1) != 2 || s.Sealings("default", 3) != 0 {
		t.Errorf("term 1 sealed %d, used by %d", s.Sealings("default", 1), s.TermUse("default", 1))
	}
	s = change(s, func(t *Txn) { t.ClearStore("default"); t.PutStore(vault("default", 1)) })
	if s.Sealings("default", 1) != 0 || s.StoreCounts("default") != (Counts{}) || s.Forgotten("default") != s.Index() {
		t.Errorf("term 1 sealed %d, counts %+v", s.Sealings("default", 1), s.StoreCounts("default"))
	}
}

// No line of a dump holds more than one value, however many versions there are.
func TestEachVersionIsARecordOfItsOwn(t *testing.T) {
	const value = 64 << 10
	s := change(sample(), func(t *Txn) {
		big := secretOf("default", "big", 2, 1, 1, 1)
		for i := range big.Versions {
			big.Versions[i].Sealed = bytes.Repeat([]byte{0xff}, value)
		}
		t.PutSecret(big)
	})
	for _, line := range dump(t, s) {
		if len(line) > value*4/3+1000 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	back, err := loadLines(dump(t, s))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := back.Secret("default", "big")
	want, _ := s.Secret("default", "big")
	if diff := cmp.Diff(*want, *got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoaderRefusesSecretsThatCannotBe(t *testing.T) {
	good := dump(t, sample())
	const deleted = `{"secret":{"store":"default","path":"a.b"`
	at := slices.IndexFunc(good, func(line string) bool { return strings.HasPrefix(line, deleted) })
	version := good[at+1]
	if !strings.HasPrefix(version, `{"version":`) {
		t.Fatalf("behind the secret: %s", version)
	}
	edit := func(i int, old, with string) []string {
		lines := slices.Clone(good)
		if lines[i] = strings.Replace(lines[i], old, with, 1); lines[i] == good[i] {
			t.Fatalf("%s is not in %s", old, good[i])
		}
		return lines
	}
	store := slices.IndexFunc(good, func(line string) bool { return strings.HasPrefix(line, `{"store":{"name":"default"`) })
	cases := map[string][]string{
		"a version too few":       slices.Delete(slices.Clone(good), at+1, at+2),
		"a version too many":      slices.Insert(slices.Clone(good), at+2, version),
		"a version of nothing":    slices.Insert(slices.Clone(good), store+1, version),
		"the last one cut off":    slices.Delete(slices.Clone(good), at+1, len(good)),
		"a secret twice":          slices.Insert(slices.Clone(good), at+2, good[at], version),
		"secrets out of order":    append(slices.Clone(good), good[at], version),
		"no store":                slices.Delete(slices.Clone(good), store, store+1),
		"a store twice":           slices.Insert(slices.Clone(good), store, good[store]),
		"a path that is none":     edit(at, `"a.b"`, `"a//b"`),
		"a path spelled else":     edit(at, `"a.b"`, `"/a.b"`),
		"deleted without an end":  edit(at, `"ends":"2026-03-01T12:02:00Z",`, ``),
		"never changed":           edit(at, `"changed":1`, `"changed":0`),
		"never written":           edit(at, `"last":1`, `"last":0`),
		"another newest":          edit(at, `"last":1`, `"last":2`),
		"too many versions":       edit(at, `"kept":1`, `"kept":1000000`),
		"fewer than none":         edit(at, `"kept":1`, `"kept":-1`),
		"a tombstone that lives":  edit(len(good)-1, `"deleted":true,`, ``),
		"an unknown key":          edit(at+1, `"term":1`, `"term":9`),
		"number zero":             edit(at+1, `"number":1`, `"number":0`),
		"no value":                edit(at+1, `"sealed":"AAAAAAAAAAAAAA=="`, `"sealed":""`),
		"both at once":            edit(at, `{"secret":`, `{"version":{"number":1},"secret":`),
		"a store of another kind": edit(store, `"driver":"vault"`, `"driver":"x"`),
		"a store that is not":     edit(store, `"threshold":1`, `"threshold":2`),
		"a key not counted":       edit(store, `"sealings":[7,0]`, `"sealings":[7]`),
	}
	if _, err := loadLines(good); err != nil {
		t.Fatal(err)
	}
	for name, lines := range cases {
		if _, err := loadLines(lines); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
