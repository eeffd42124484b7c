package storeapi

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/keyring/barrier"
)

const rekeyPath = "/gatehouse/v1/secrets/default/rekey"

// opened is a cluster whose store default is open by shares of which two are needed, and holds a secret.
func opened(t *testing.T, masters int) (*bed, []string) {
	b := newBed(t, masters, false)
	shares := b.initialise(3, 2)
	b.give(0, shares[0]).Is(t, 200)
	b.give(0, shares[1]).Is(t, 200)
	b.put("default", "kept")
	return b, shares
}

// rekey asks for the next step of a rekey through a master.
func (b *bed) rekey(i int, method, step, body string) (got rekeyStatus) {
	b.T.Helper()
	b.call(i, method, rekeyPath+step, root, body).Is(b.T, 200).Into(b.T, &got)
	return got
}

func share(nonce, key string) string { return fmt.Sprintf(`{"nonce":%q,"key":%q}`, nonce, key) }

// works reports whether a threshold of these shares opens the store after a seal, with the secret in it.
func (b *bed) works(shares ...string) bool {
	b.T.Helper()
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Is(b.T, 200)
	for _, s := range shares {
		b.give(0, s)
	}
	leader := b.leader()
	store, _ := leader.State().Store("default")
	kept, _ := leader.State().Secret("default", "kept")
	v, _ := kept.Newest()
	plain, err := leader.barrier.Decrypt("default", store.Epoch, v.Term, barrier.Name{Path: "kept", Version: 1, Born: kept.Born}, v.Sealed)
	return err == nil && string(plain) == "value"
}

func TestRekeyChangesTheSharesOnceTheyAreVerified(t *testing.T) {
	b, old := opened(t, 3)
	begun := b.rekey(1, "POST", "", `{"shares":4,"threshold":3}`)
	if begun.Stage != stageShares || begun.Nonce == "" || begun.Shares != 4 || begun.Threshold != 3 || begun.Required != 2 || begun.Progress != 0 {
		t.Fatalf("begun: %+v", begun)
	}
	if got := b.rekey(2, "PUT", "", share(begun.Nonce, old[0])); got.Progress != 1 || got.Keys != nil {
		t.Fatalf("one share: %+v", got)
	}
	if got := b.rekey(2, "PUT", "", share(begun.Nonce, strings.ToUpper(old[0]))); got.Progress != 1 {
		t.Fatalf("the same share again: %+v", got)
	}
	handed := b.rekey(0, "PUT", "", share(begun.Nonce, old[2]))
	if handed.Stage != stageVerify || len(handed.Keys) != 4 || handed.Required != 3 {
		t.Fatalf("handed out: %+v", handed)
	}
	if got := b.rekey(1, "GET", "", ""); got.Stage != stageVerify || got.Keys != nil || got.Nonce != begun.Nonce {
		t.Fatalf("the status: %+v", got)
	}
	for i := range 2 {
		if got := b.rekey(i, "PUT", "/verify", share(begun.Nonce, handed.Keys[i])); got.Stage != stageVerify || got.Progress != i+1 {
			t.Fatalf("verified %d: %+v", i+1, got)
		}
	}
	if got := b.rekey(2, "PUT", "/verify", share(begun.Nonce, handed.Keys[3])); got.Stage != stageDone || got.Keys != nil {
		t.Fatalf("verified: %+v", got)
	}
	if got := b.rekey(2, "GET", "", ""); got.Stage != stageNone {
		t.Errorf("afterwards: %+v", got)
	}
	for i, m := range b.Masters {
		index, _ := m.ReadIndex(t.Context())
		_ = m.WaitIndex(t.Context(), index.Index)
		if !b.openOn(i) {
			t.Errorf("the store is not open on master %d after a rekey", i+1)
		}
	}
	if b.works(old[0], old[1]) {
		t.Error("the old shares open the store")
	}
	if !b.works(handed.Keys[0], handed.Keys[1], handed.Keys[2]) {
		t.Error("the new shares do not open the store")
	}
}

func TestRekeyRefusesWhatDoesNotBelongToIt(t *testing.T) {
	b, old := opened(t, 2)
	foreign := strings.Repeat("ab", 32) + "07"
	b.call(0, "PUT", rekeyPath, root, share("x", old[0])).Fault(t, 409, fault.Conflict)
	b.call(0, "POST", rekeyPath, other, `{"shares":3,"threshold":2}`).Is(t, 403)
	b.call(0, "POST", rekeyPath, root, `{"shares":3,"threshold":4}`).Fault(t, 400, fault.InvalidData)
	b.call(0, "POST", rekeyPath, root, `{"shares":3,"threshold":2,"pgp_keys":["x","y","z"]}`).Fault(t, 400, fault.InvalidPGPKey)
	begun := b.rekey(0, "POST", "", `{"shares":3,"threshold":2}`)
	b.call(1, "POST", rekeyPath, root, `{"shares":3,"threshold":2}`).Fault(t, 409, fault.Conflict)
	b.call(1, "PUT", rekeyPath, root, share("x", old[0])).Fault(t, 409, fault.Conflict)
	b.call(1, "PUT", rekeyPath+"/verify", root, share(begun.Nonce, old[0])).Fault(t, 409, fault.Conflict)
	b.call(1, "PUT", rekeyPath, root, share(begun.Nonce, "zz")).Fault(t, 400, fault.InvalidShare)
	b.call(1, "PUT", rekeyPath, root, `{"nonce":"`+begun.Nonce+`","auto":true}`).Fault(t, 400, fault.InvalidShare)
	b.rekey(1, "PUT", "", share(begun.Nonce, old[0]))
	b.call(1, "PUT", rekeyPath, root, share(begun.Nonce, foreign)).Fault(t, 400, fault.InvalidShare)
	if got := b.rekey(0, "GET", "", ""); got.Progress != 0 || got.Stage != stageShares {
		t.Errorf("after a foreign share: %+v", got)
	}
	b.rekey(1, "PUT", "", share(begun.Nonce, old[0]))
	handed := b.rekey(1, "PUT", "", share(begun.Nonce, old[1]))
	b.rekey(1, "PUT", "/verify", share(begun.Nonce, handed.Keys[0]))
	b.call(1, "PUT", rekeyPath+"/verify", root, share(begun.Nonce, old[1])).Fault(t, 400, fault.InvalidShare)
	b.call(1, "DELETE", rekeyPath, root, "").Is(t, 204)
	b.call(1, "PUT", rekeyPath+"/verify", root, share(begun.Nonce, handed.Keys[0])).Fault(t, 409, fault.Conflict)
	if b.works(handed.Keys[0], handed.Keys[1]) || !b.works(old[0], old[1]) {
		t.Error("a rekey that was given up has changed the shares")
	}
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	b.call(0, "POST", rekeyPath, root, `{"shares":3,"threshold":2}`).Fault(t, 503, fault.StoreSealed)
}

// A rekey ends with whatever ends the gathering of shares, and no key of it stays in memory.
func TestRekeyEnds(t *testing.T) {
	for name, end := range map[string]func(b *bed){
		"ten minutes": func(b *bed) { b.Clock.Advance(restLimit) },
		"a new term":  func(b *bed) { b.Lead(0) },
		"a seal":      func(b *bed) { b.call(1, "PUT", "/secrets/v1/seal/default", root, "").Is(b.T, 200) },
		"deletion":    func(b *bed) { b.call(1, "DELETE", rekeyPath, root, "").Is(b.T, 204) },
	} {
		t.Run(name, func(t *testing.T) {
			b, old := opened(t, 2)
			begun := b.rekey(0, "POST", "", `{"shares":3,"threshold":2}`)
			b.rekey(1, "PUT", "", share(begun.Nonce, old[0]))
			b.rekey(1, "PUT", "", share(begun.Nonce, old[1]))
			fresh := b.at(0).api.desk.rekeys["default"].fresh
			end(b)
			if got := b.rekey(1, "GET", "", ""); got.Stage != stageNone {
				t.Errorf("got %+v", got)
			}
			if fresh.root() != nil {
				t.Error("the new root key is still in memory")
			}
		})
	}
}

// A rekey that is interrupted at any step leaves either the old shares or the new ones working, never neither (hostile S22).
func TestHostileS22InterruptedRekeys(t *testing.T) {
	isRekey := func(c command.Command) bool { _, ok := c.(command.RekeyStore); return ok }
	for name, interrupt := range map[string]func(b *bed, step int){
		"the leader changes": func(b *bed, _ int) { b.Lead(1); b.Lead(0) },
		"the leader restarts": func(b *bed, _ int) {
			b.Restart(0)
			b.Lead(0)
		},
		"the leader changes before the commit": func(b *bed, step int) {
			if step < 2 {
				return
			}
			b.Before = func(c command.Command) error {
				if isRekey(c) {
					b.Before = nil
					b.Lead(1)
				}
				return nil
			}
		},
		"nobody takes the new root key": func(b *bed, step int) {
			if step == 2 {
				b.Masters[1].Cut(true)
				b.Masters[2].Cut(true)
			}
		},
		"the outcome is unknown": func(b *bed, step int) {
			if step < 2 {
				return
			}
			b.Before = func(c command.Command) error {
				if !isRekey(c) {
					return nil
				}
				b.Before = nil
				b.Do(c)
				return fault.New(fault.OutcomeUnknown, "nobody knows")
			}
		},
	} {
		for at := range 3 { // before the second old share, before the first new one, before the last
			t.Run(fmt.Sprintf("%s at step %d", name, at), func(t *testing.T) {
				b, old := opened(t, 3)
				fresh := b.interrupted(old, func(step int) {
					if step == at {
						interrupt(b, step)
					}
				})
				b.Before = nil
				for _, m := range b.Masters {
					m.Cut(false)
				}
				oldWork := b.works(old[0], old[1])
				newWork := len(fresh) > 0 && b.works(fresh[0], fresh[1])
				if oldWork == newWork {
					t.Errorf("the old shares work: %v, the new ones: %v; want one of them", oldWork, newWork)
				}
			})
		}
	}
}

// interrupted walks through a rekey with something that happens before some step, and returns the new shares if they were
// handed out. Nobody minds refusals.
func (b *bed) interrupted(old []string, before func(step int)) (fresh []string) {
	begun := b.rekey(0, "POST", "", `{"shares":3,"threshold":2}`)
	b.call(1, "PUT", rekeyPath, root, share(begun.Nonce, old[0]))
	before(0)
	var handed rekeyStatus
	if got := b.call(0, "PUT", rekeyPath, root, share(begun.Nonce, old[1])); got.Status == 200 {
		got.Into(b.T, &handed)
	}
	if len(handed.Keys) == 0 {
		return nil
	}
	before(1)
	b.call(0, "PUT", rekeyPath+"/verify", root, share(begun.Nonce, handed.Keys[0]))
	before(2)
	b.call(0, "PUT", rekeyPath+"/verify", root, share(begun.Nonce, handed.Keys[1]))
	return handed.Keys
}

// Masters that have not heard of a rekey in time get its root key afterwards.
func TestAMasterThatMissedARekeyGetsTheNewRootKey(t *testing.T) {
	b, old := opened(t, 3)
	begun := b.rekey(0, "POST", "", `{"shares":3,"threshold":2}`)
	b.rekey(0, "PUT", "", share(begun.Nonce, old[0]))
	handed := b.rekey(0, "PUT", "", share(begun.Nonce, old[1]))
	b.Masters[2].Cut(true)
	b.rekey(0, "PUT", "/verify", share(begun.Nonce, handed.Keys[0]))
	if got := b.rekey(0, "PUT", "/verify", share(begun.Nonce, handed.Keys[1])); got.Stage != stageDone {
		t.Fatalf("got %+v", got)
	}
	b.Masters[2].Cut(false)
	index, _ := b.at(2).ReadIndex(t.Context())
	_ = b.at(2).WaitIndex(t.Context(), index.Index)
	if b.openOn(2) {
		t.Fatal("a master is open with an old root key")
	}
	if err := b.at(2).keys.Ensure(t.Context(), "default"); err != nil || !b.openOn(2) {
		t.Errorf("a master that missed a rekey: %v", err)
	}
}

func TestRekeyByAutoUnseal(t *testing.T) {
	b := newBed(t, 3, true)
	b.put("default", "kept")
	begun := b.rekey(0, "POST", "", `{"shares":3,"threshold":2,"auto_unseal":true}`)
	handed := b.rekey(1, "PUT", "", `{"nonce":"`+begun.Nonce+`","auto":true}`)
	if handed.Stage != stageVerify || len(handed.Keys) != 3 || !handed.AutoUnseal {
		t.Fatalf("handed out: %+v", handed)
	}
	b.rekey(2, "PUT", "/verify", share(begun.Nonce, handed.Keys[0]))
	if got := b.rekey(2, "PUT", "/verify", share(begun.Nonce, handed.Keys[1])); got.Stage != stageDone {
		t.Fatalf("got %+v", got)
	}
	if !b.works(handed.Keys[1], handed.Keys[2]) {
		t.Error("the shares do not open the store")
	}
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	b.call(0, "PUT", "/secrets/v1/auto-unseal/default", root, "").Is(t, 200)
	if !b.openOn(0) || !b.openOn(1) || !b.openOn(2) {
		t.Error("auto-unseal does not open the store")
	}
	// Back to a root key that only masters have: nobody has a share to verify with.
	begun = b.rekey(0, "POST", "", `{"shares":1,"threshold":1,"auto_unseal":true}`)
	b.rekey(1, "PUT", "", share(begun.Nonce, handed.Keys[0]))
	b.rekey(1, "PUT", "", share(begun.Nonce, handed.Keys[1]))
	if got := b.rekey(1, "PUT", "/verify", `{"nonce":"`+begun.Nonce+`","auto":true}`); got.Stage != stageDone {
		t.Fatalf("got %+v", got)
	}
	if b.works(handed.Keys[0], handed.Keys[1]) {
		t.Error("shares from before open the store")
	}
}

func TestRotateAddsADataKey(t *testing.T) {
	b, _ := opened(t, 3)
	got := b.call(1, "POST", "/gatehouse/v1/secrets/default/rotate", root, "").Is(t, 200)
	if !strings.Contains(got.Body, `"term": 2`) {
		t.Errorf("got %s", got.Body)
	}
	b.put("default", "later")
	later, _ := b.at(0).State().Secret("default", "later")
	if v, _ := later.Newest(); v.Term != 2 {
		t.Errorf("what was written later has term %d, want 2", v.Term)
	}
	for i, m := range b.Masters {
		index, _ := m.ReadIndex(t.Context())
		_ = m.WaitIndex(t.Context(), index.Index)
		if !b.openOn(i) {
			t.Errorf("master %d is not open after a rotation", i+1)
		}
	}
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	b.call(1, "POST", "/gatehouse/v1/secrets/default/rotate", root, "").Fault(t, 503, fault.StoreSealed)
	b.call(1, "POST", "/gatehouse/v1/secrets/"+secret.Default+"x/rotate", root, "").Fault(t, 404, fault.UnknownStore)
}
