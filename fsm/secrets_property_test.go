package fsm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/fsm/command"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

// drawSecret draws a command about secrets. Epochs, numbers and terms are drawn too, so that most writes are refused: those
// that fit are what TestWritersOfSecretsMeet is about.
func drawSecret(t *rapid.T, now time.Time) command.Command {
	name := rapid.SampledFrom([]string{"default", "more"}).Draw(t, "store")
	path := rapid.SampledFrom([]string{"a", "a/b", "a//b"}).Draw(t, "path")
	root := rapid.SampledFrom([]string{"", "r1", "r2"}).Draw(t, "root")
	number := uint64(rapid.IntRange(0, 3).Draw(t, "number"))
	epoch := uint64(rapid.IntRange(3, 30).Draw(t, "epoch"))
	term := uint32(rapid.IntRange(1, 2).Draw(t, "term"))
	ends := now.Add(time.Duration(rapid.IntRange(-1, 5).Draw(t, "hours")) * time.Hour)
	version := command.VersionData{Number: number, Term: term, Sealed: []byte(path)}
	return rapid.SampledFrom([]command.Command{
		command.CreateStore{Store: vault(name, nil)}, command.CreateStore{Store: vault(name, sealOf("r1", 1))},
		command.UpdateStore{Name: name, MaxVersions: new(int(number)), Undelete: new(int64(epoch))},
		command.DeleteStore{Name: name, Force: number == 1},
		command.InitStore{Name: name, OldRootID: root, Seal: *sealOf("r2", 1), Open: number > 1},
		command.SealStore{Name: name}, command.UnsealStore{Name: name, RootID: root, Epoch: epoch},
		command.RekeyStore{Name: name, OldRootID: root, Seal: *sealOf("r2", term)},
		command.RotateStore{Name: name, RootID: root, Key: sealOf("", term).Keys[0]},
		command.DropDataKeys{Name: name, Terms: []uint32{term}},
		command.ResealAuto{Name: name, RootID: root, Auto: secret.Auto{Method: "key-file", Blob: []byte{1}}},
		command.CreateSecret{Store: name, Path: path, Epoch: epoch, Version: version, Born: now, Ends: ends},
		command.UpdateSecret{Store: name, Path: path, Epoch: epoch, Version: version, IfVersion: number},
		command.DeleteSecret{Store: name, Path: path, IfVersion: number},
		command.UndeleteSecret{Store: name, Path: path}, command.PurgeSecret{Store: name, Path: path},
		command.RenewSecret{Store: name, Path: path, Ends: ends},
		command.ExpireSecrets{Items: []command.ExpiredSecret{{Store: name, Path: path, Version: number}}},
		command.ReencryptSecrets{Store: name, Epoch: epoch, Items: []command.ReencryptedSecret{{Path: path, Version: number, OldTerm: 1, Term: term, Sealed: []byte{1}}}},
	}).Draw(t, "command about secrets")
}

func vault(name string, seal *secret.Seal) secret.Store {
	return secret.Store{Name: name, Driver: secret.Vault, MaxVersions: 3, Undelete: 3600, Seal: seal}
}

func sealOf(rootID string, term uint32) *secret.Seal {
	return &secret.Seal{RootID: rootID, Shares: 1, Threshold: 1, Check: []byte("c"), Keys: []secret.DataKey{{Term: term, Wrapped: []byte("w")}}}
}

// writer draws commands as handlers make them: from a state, which may be that of a moment ago.
type writer struct {
	t   *rapid.T
	s   *state.State
	now time.Time
}

func (w writer) draw() command.Command {
	path := rapid.SampledFrom([]string{"a", "a/b", "c"}).Draw(w.t, "path")
	store, _ := w.s.Store("default")
	ends := time.Time{}
	if rapid.Bool().Draw(w.t, "ends") {
		ends = w.now.Add(time.Duration(rapid.IntRange(1, 10_000).Draw(w.t, "seconds")) * time.Second)
	}
	old, known := w.s.Secret("default", path)
	create := command.CreateSecret{Store: "default", Path: path, Epoch: store.Epoch, Born: w.now, Ends: ends}
	create.Version = command.VersionData{Number: 1, Term: store.Term(), Sealed: fmt.Appendf(nil, "%s %d", path, w.s.Index())}
	if known {
		create.Born, create.Version.Number = old.Born, old.Last+1
	}
	commands := []command.Command{
		create, create, command.UpdateSecret{Store: "default", Path: path, Epoch: store.Epoch, Version: create.Version, Ends: &ends},
		command.UpdateSecret{Store: "default", Path: path, Epoch: store.Epoch, Version: create.Version},
		command.DeleteSecret{Store: "default", Path: path}, command.UndeleteSecret{Store: "default", Path: path},
		command.PurgeSecret{Store: "default", Path: path}, command.RenewSecret{Store: "default", Path: path, Ends: w.now.Add(time.Hour)},
		command.ExpireSecrets{Items: command.Due(w.s, w.now, 10)}, command.ExpireSecrets{Items: command.Due(w.s, w.now, 10)},
		command.SealStore{Name: "default"}, command.UnsealStore{Name: "default", RootID: store.RootID(), Epoch: store.Epoch},
		command.RotateStore{Name: "default", RootID: store.RootID(), Key: sealOf("", store.Term()+1).Keys[0]},
		command.UpdateStore{Name: "default", MaxVersions: new(rapid.IntRange(1, 3).Draw(w.t, "kept"))},
		command.InitStore{Name: "default", OldRootID: store.RootID(), Seal: *sealOf("r"+fmt.Sprint(w.s.Index()), 1), Open: true},
		w.reencrypt(store), w.reencrypt(store), command.DropDataKeys{Name: "default", Terms: []uint32{store.Term() - 1}},
	}
	return rapid.SampledFrom(commands).Draw(w.t, "command")
}

func (w writer) reencrypt(store *secret.Store) command.ReencryptSecrets {
	c := command.ReencryptSecrets{Store: "default", Epoch: store.Epoch}
	for s := range w.s.SecretsOfOldTerms("default", "") {
		for _, v := range s.Versions {
			c.Items = append(c.Items, command.ReencryptedSecret{Path: s.Path, Version: v.Number, OldTerm: v.Term, Term: store.Term(), Sealed: []byte("anew")})
		}
	}
	return c
}

// Writers who see the state of now, or that of some entries ago, never bring it out of its rules; and a master that comes
// in through a snapshot agrees with one that saw it all.
func TestWritersOfSecretsMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, now := New(Options{MaxLevel: 3}), epoch
		init := initCluster()
		init.Level = 3
		m.Apply(encodeEntry(t, 1, command.Header{Level: 3, Time: now}, init))
		m.Apply(encodeEntry(t, 2, command.Header{Level: 3, Term: term, Time: now}, command.CreateStore{Store: vault("default", sealOf("r1", 1))}))
		seen := []*state.State{m.State()}
		for i := range rapid.IntRange(0, 60).Draw(t, "entries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "pause")) * time.Second)
			base := seen[max(0, len(seen)-1-rapid.IntRange(0, 3).Draw(t, "behind"))]
			m.Apply(encodeEntry(t, uint64(3+i), command.Header{Level: 3, Term: term, Time: now}, writer{t, base, now}.draw()))
			if broken := brokenRule(seen[len(seen)-1], m.State()); broken != "" {
				t.Fatalf("entry %d: %s", 3+i, broken)
			}
			seen = append(seen, m.State())
			if rapid.IntRange(0, 9).Draw(t, "snapshot") == 0 {
				digest := m.State().Digest()
				if m = throughSnapshot(t, m); m.State().Digest() != digest {
					t.Fatal("the snapshot differs")
				}
			}
		}
		if wrong := miscounted(m.State()); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// brokenRule says what no entry may do, or "".
func brokenRule(before, after *state.State) string {
	was, _ := before.Store("default")
	is, _ := after.Store("default")
	reinitialized := is.RootID() != was.RootID()
	switch {
	case is.Epoch < was.Epoch || is.Epoch > was.Epoch+1:
		return fmt.Sprintf("epoch %d after %d", is.Epoch, was.Epoch)
	case is.Epoch == was.Epoch && (is.Sealed != was.Sealed || reinitialized):
		return "another seal in the same epoch"
	case reinitialized && after.Sizes().Secrets > 0:
		return "secrets outlived their root key"
	}
	for s := range after.Secrets("default", "") {
		old, known := before.Secret("default", s.Path)
		switch {
		case known && (s.Last < old.Last || s.Last > old.Last+1 || !s.Born.Equal(old.Born)):
			return fmt.Sprintf("%s is at version %d of %s, was at %d of %s", s.Path, s.Last, s.Born, old.Last, old.Born)
		case s.Last > 1 && !known:
			return s.Path + " begins in the middle"
		case len(s.Versions) > max(is.MaxVersions, kept(old)):
			return fmt.Sprintf("%s has %d versions of %d", s.Path, len(s.Versions), is.MaxVersions)
		case s.Tombstone() && !s.Deleted || s.Deleted && s.Ends.IsZero():
			return s.Path + " stays for ever, with nothing in it"
		}
		for _, v := range s.Versions {
			if _, ok := is.Seal.Key(v.Term); !ok {
				return fmt.Sprintf("version %d of %s is sealed with a key that is gone", v.Number, s.Path)
			}
		}
	}
	return ""
}

// kept is how many versions there are of a secret that may be none.
func kept(s *secret.Secret) int {
	if s == nil {
		return 0
	}
	return len(s.Versions)
}

// miscounted compares what is kept about secrets with what they are, and says where they differ, or "".
func miscounted(s *state.State) string {
	for store := range s.Stores() {
		want := state.Counts{}
		terms := make([]int, 100)
		var changed []string
		for one := range s.Secrets(store.Name, "") {
			switch {
			case one.Tombstone():
				want.Tombstones++
			case one.Deleted:
				want.Deleted++
			default:
				want.Live++
			}
			want.Bytes += one.Bytes()
			want.Paths += int64(len(one.Path))
			want.Versions += len(one.Versions)
			for _, v := range one.Versions {
				terms[v.Term]++
			}
			changed = append(changed, one.Path)
		}
		if got := s.StoreCounts(store.Name); got != want {
			return fmt.Sprintf("%s counts %+v and has %+v", store.Name, got, want)
		}
		for term, n := range terms {
			if got := s.TermUse(store.Name, uint32(term)); got != n || uint64(n) > s.Sealings(store.Name, uint32(term)) {
				return fmt.Sprintf("term %d seals %d versions, counts %d of %d sealings", term, n, got, s.Sealings(store.Name, uint32(term)))
			}
		}
		var seen []string
		for one := range s.SecretsChanged(store.Name, 0) {
			seen = append(seen, one.Path)
		}
		if slices.Sort(seen); !slices.Equal(seen, changed) {
			return fmt.Sprintf("%q have changed, there are %q", seen, changed)
		}
	}
	return ""
}
