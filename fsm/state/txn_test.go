package state

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
)

// mutate makes a random change that touches many trees.
func mutate(t *Txn, r *rand.Rand) {
	uid, gid, rid := fmt.Sprint("u", r.IntN(200)), fmt.Sprint("g", r.IntN(20)), fmt.Sprint("r", r.IntN(20))
	switch r.IntN(20) {
	case 0, 1:
		t.PutUser(regular(uid))
	case 2:
		t.PutUser(service(uid))
	case 3:
		t.DeleteUser(uid)
	case 4:
		t.PutGroup(&iam.Group{GID: gid})
		t.PutUser(regular(uid))
		t.PutMembership(gid, uid)
	case 5:
		t.PutACL(&iam.ACL{RID: rid})
		t.PutUser(regular(uid))
		t.PutGrant(Grant{RID: rid, Principal: uid, Actions: iam.Actions(1 + r.IntN(31))})
	case 6:
		t.PutCutoff(uid, epoch.Add(time.Duration(r.IntN(1000))), epoch.Add(time.Duration(r.IntN(2000))))
	case 7:
		t.PutSigningKey(&iam.SigningKey{KID: fmt.Sprint("k", r.IntN(4)), Status: iam.Prepared})
		t.AdvanceClock(epoch.Add(time.Duration(r.IntN(2000))))
	case 8:
		if key := fmt.Sprint("key", r.IntN(1000)); !replayed(t, uid, key) {
			t.PutReplay(uid, key, Hash{}, 204)
		}
	case 9:
		t.DeleteGroup(gid)
	case 10:
		t.DeleteACL(rid)
	case 12:
		t.PutProvider(&iam.Provider{ID: uid, SAML: &iam.SAMLProvider{Metadata: gid, BaseURL: rid}})
		t.PutDirectory(&iam.Directory{Host: gid, Port: 389, DNTemplate: uid, Version: t.Index()})
	case 13:
		t.DeleteProvider(uid)
		t.DeleteDirectory()
	case 14, 15, 16, 17, 18:
		mutateSecret(t, r)
	case 19:
		mutateStore(t, r)
	case 11:
		newest, _ := t.AuditHead(uid)
		t.PutAuditHead(AuditHead{Master: uid, Sequence: newest.Sequence + uint64(1+r.IntN(2)), Time: epoch, Rotated: r.IntN(2) == 0})
	}
}

func replayed(t *Txn, uid, key string) bool {
	_, ok := t.Replay(uid, key)
	return ok
}

func TestRollbackTakesEverythingBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := sample()
	for round := range 300 {
		txn := s.Begin()
		txn.Next(s.Index() + 1)
		for range r.IntN(5) {
			mutate(txn, r)
		}
		kept := txn.Commit(s.Index() + 1)

		txn = kept.Begin()
		txn.Next(kept.Index() + 1)
		for range 1 + r.IntN(5) {
			mutate(txn, r)
		}
		txn.Rollback()
		after := txn.Commit(kept.Index())
		if after.Digest() != kept.Digest() || after.Sizes() != kept.Sizes() {
			t.Fatalf("round %d: the rollback left %+v of %+v", round, after.Sizes(), kept.Sizes())
		}
		if a, b := after.memberOf.len(), after.grantsOf.len(); a != after.members.len() || b != after.grants.len() {
			t.Fatalf("round %d: one direction has %d and %d items, the other %d and %d", round, a, b, after.members.len(), after.grants.len())
		}
		if diff := miscounted(after); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
		s = kept
	}
}

func TestWhatIsDeletedLeavesNothingHanging(t *testing.T) {
	for name, c := range map[string]struct {
		remove func(*Txn)
		want   []int // memberships and grants that are left
	}{
		"a user":       {func(t *Txn) { t.DeleteUser("bob") }, []int{2, 2}},
		"a group":      {func(t *Txn) { t.DeleteGroup("staff") }, []int{1, 2}},
		"an ACL":       {func(t *Txn) { t.DeleteACL("r") }, []int{3, 1}},
		"what is not":  {func(t *Txn) { t.DeleteGroup("r"); t.DeleteACL("staff"); t.DeleteUser("staff") }, []int{3, 3}},
		"all of these": {func(t *Txn) { t.DeleteGroup("staff"); t.DeleteACL("r"); t.DeleteUser("bob") }, []int{1, 1}},
	} {
		s := change(sample(), c.remove)
		got := []int{s.MembershipCount(), s.GrantCount()}
		if !slices.Equal(got, c.want) || s.memberOf.len() != got[0] || s.grantsOf.len() != got[1] {
			t.Errorf("%s: %v memberships and grants are left (%d and %d in the other direction), want %v", name, got, s.memberOf.len(), s.grantsOf.len(), c.want)
		}
	}
}

func TestOldAuditHeadsAreForgotten(t *testing.T) {
	clock := epoch
	put := func(t *Txn, h AuditHead, later time.Duration) {
		clock = clock.Add(later)
		t.AdvanceClock(clock)
		t.PutAuditHead(h)
	}
	s := change(New(), func(t *Txn) {
		for i := range uint64(MaxRotations + 10) {
			put(t, AuditHead{Master: "m1", Sequence: 1 + i, Time: epoch, Rotated: true}, rotationSpacing)
		}
		put(t, AuditHead{Master: "m0", Sequence: 1, Time: epoch, Rotated: true}, 0)
		put(t, AuditHead{Master: "m1", Sequence: 2000, Time: epoch}, 0)
		put(t, AuditHead{Master: "m1", Sequence: 2001, Time: epoch}, headSpacing)
	})
	heads := slices.Collect(s.AuditHeads())
	if len(heads) != 1+MaxRotations+2 || heads[0].Master != "m0" || heads[1].Sequence != 11 || heads[len(heads)-1].Sequence != 2001 {
		t.Errorf("%d heads from %+v on, want %d from sequence 11 of m1 on, and the newest", len(heads), heads[1], 3+MaxRotations)
	}
	s = change(s, func(t *Txn) {
		for i := range uint64(MaxHeads) {
			clock = clock.Add(headSpacing)
			set(&t.undo, &t.heads, &AuditHead{Master: "m1", Sequence: 3000 + i, Time: epoch, Told: clock})
		}
		put(t, AuditHead{Master: "m1", Sequence: 20_000, Time: epoch}, headSpacing)
	})
	heads = slices.Collect(s.AuditHeads())
	if len(heads) != 1+MaxRotations+MaxHeads || heads[MaxRotations].Sequence != MaxRotations+10 || heads[MaxRotations+1].Sequence != 3001 {
		t.Errorf("%d heads, after the rotations %+v, want %d, and those from sequence 3001 on", len(heads), heads[MaxRotations+1], 1+MaxRotations+MaxHeads)
	}
}

// A master that tells as fast as it can only replaces what it told itself a moment ago.
func TestAFloodOfAuditHeadsEvictsNoOlderOnes(t *testing.T) {
	const honest, flood = 20, 2000
	var genuine []AuditHead
	s := change(New(), func(t *Txn) {
		for i := range uint64(honest) { // one a minute, and a file of them every five
			h := AuditHead{Master: "m1", Sequence: 1 + i, Hash: Hash{byte(i)}, Time: epoch, Told: epoch.Add(time.Duration(i) * time.Minute), Rotated: i%5 == 0}
			genuine = append(genuine, h)
			t.AdvanceClock(h.Told)
			t.PutAuditHead(h)
		}
	})
	end := genuine[honest-1].Told
	for name, rotated := range map[string]func(i int) bool{
		"ordinary heads": func(int) bool { return false },
		"ends of files":  func(int) bool { return true },
		"both":           func(i int) bool { return i%2 == 0 },
	} {
		flooded := change(s, func(t *Txn) {
			t.PutAuditHead(AuditHead{Master: "m1", Sequence: honest, Hash: genuine[honest-1].Hash, Time: epoch, Rotated: rotated(0)}) // the newest one again
			for i := range flood {
				t.AdvanceClock(end.Add(time.Duration(i) * 10 * time.Millisecond))
				t.PutAuditHead(AuditHead{Master: "m1", Sequence: uint64(honest + 1 + i), Time: epoch.Add(time.Hour), Rotated: rotated(i)})
			}
		})
		got := slices.Collect(flooded.AuditHeads())
		if len(got) > honest+2 || got[len(got)-1].Sequence != honest+flood {
			t.Errorf("%s: %d heads are left, the newest %+v", name, len(got), got[len(got)-1])
		}
		if diff := cmp.Diff(genuine, got[:min(len(got), honest)]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Every State must stay what it was when it was published, whatever is begun, abandoned or committed on top of it.
func TestPublishedStatesNeverChange(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	type version struct {
		s      *State
		digest [32]byte
	}
	versions := []version{{sample(), sample().Digest()}}
	for range 200 {
		base := versions[r.IntN(len(versions))].s // also an old one: histories may fork
		abandoned, kept := base.Begin(), base.Begin()
		for _, txn := range []*Txn{abandoned, kept, abandoned} {
			txn.Next(base.Index() + 1)
			for range 5 {
				mutate(txn, r)
			}
		}
		next := kept.Commit(base.Index() + 1)
		versions = append(versions, version{next, next.Digest()})
	}
	for i, v := range versions {
		if v.s.Digest() != v.digest {
			t.Fatalf("version %d has changed", i)
		}
	}
}

// Scratch transactions run on every request's goroutine while the newest state is read and followed up. Run with -race:
// beginning and changing a transaction must not write a word of what is published.
func TestTransactionsMayBeginAtOnce(t *testing.T) {
	s := sample()
	before := s.Digest()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			for range 100 {
				txn := s.Begin()
				txn.Next(s.Index() + 1)
				mutate(txn, r)
				if got := slices.Collect(s.GroupsOf("alice")); len(got) != 2 {
					t.Errorf("alice is in %v", got)
				}
				s.TokenCutoff("bob")
				if next := txn.Commit(s.Index() + 1); next.Index() != s.Index()+1 {
					t.Errorf("index = %d", next.Index())
				}
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	if s.Digest() != before {
		t.Error("the published state has changed")
	}
}
