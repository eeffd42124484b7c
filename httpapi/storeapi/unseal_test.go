package storeapi

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
)

func TestAStoreOfAutoUnsealIsOpenOnEveryMaster(t *testing.T) {
	b := newBed(t, 3, true)
	for i := range b.Masters {
		if !b.openOn(i) {
			t.Errorf("the store is not open on master %d", i+1)
		}
	}
	if got := b.status(1); got.Sealed || got.Shares != 1 || got.Threshold != 1 || got.Progress != 0 || got.Nonce != "" {
		t.Errorf("status: %+v", got)
	}
	got := b.call(2, "GET", "/secrets/v1/seal-status/default", root, "").Is(t, 200)
	if got.Body != `{"sealed":false,"threshold":1,"shares":1,"progress":0}` || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %q of type %q", got.Body, got.Header.Get("Content-Type"))
	}
}

// Shares sent to different masters add up, whoever sends them (hostile S9); all masters are open with the last one.
func TestSharesAddUpThroughAllMasters(t *testing.T) {
	b := newBed(t, 3, false)
	shares := b.initialise(5, 3)
	if got := b.status(0); !got.Sealed || got.Shares != 5 || got.Threshold != 3 || got.Progress != 0 {
		t.Fatalf("after init: %+v", got)
	}
	nonce := ""
	for i := range 2 {
		var got status
		b.give(i, shares[i]).Is(t, 200).Into(t, &got)
		if !got.Sealed || got.Progress != i+1 || got.Nonce == "" || nonce != "" && got.Nonce != nonce {
			t.Fatalf("after %d shares: %+v, nonce before %q", i+1, got, nonce)
		}
		nonce = got.Nonce
		for m := range b.Masters {
			if at := b.status(m); at.Progress != i+1 || at.Nonce != nonce {
				t.Errorf("master %d shows %+v after %d shares", m+1, at, i+1)
			}
		}
	}
	got := b.give(2, shares[4]).Is(t, 200)
	if got.Body != `{"sealed":false,"threshold":3,"shares":5,"progress":0}` {
		t.Errorf("the last share: %s", got.Body)
	}
	for i := range b.Masters {
		if !b.openOn(i) {
			t.Errorf("the store is not open on master %d", i+1)
		}
	}
	b.give(1, shares[0]).Is(t, 200) // of an open store: nothing happens
	if got := b.status(1); got.Sealed || got.Progress != 0 {
		t.Errorf("a share for an open store: %+v", got)
	}
}

// One share in other spellings counts once (hostile S1).
func TestAShareCountsOnce(t *testing.T) {
	b := newBed(t, 2, false)
	share := b.initialise(3, 2)[0]
	raw, _ := hex.DecodeString(share)
	for i, spelling := range []string{share, strings.ToUpper(share), " " + share + "\n", base64.StdEncoding.EncodeToString(raw)} {
		b.give(i%2, spelling).Is(t, 200)
		if got := b.status(0); got.Progress != 1 {
			t.Fatalf("spelling %d: progress %d, want 1", i, got.Progress)
		}
	}
}

// Wrong shares are found at the end and reset the progress (hostile S2); what is no share changes nothing (hostile S4).
func TestWrongSharesAreFound(t *testing.T) {
	b := newBed(t, 1, false)
	old := b.initialise(3, 2)
	shares := b.initialise(3, 2) // makes the old ones foreign
	for _, malformed := range []string{"", "zz", shares[0][:64], shares[0] + "00", strings.Repeat("00", 33), shares[0][:64] + "00"} {
		b.give(0, malformed).Fault(t, 400, fault.InvalidShare)
	}
	b.give(0, shares[0]).Is(t, 200)
	b.give(0, "00").Fault(t, 400, fault.InvalidShare)
	if got := b.status(0); got.Progress != 1 {
		t.Errorf("after malformed shares: progress %d, want 1", got.Progress)
	}
	b.give(0, old[1]).Fault(t, 400, fault.InvalidShare)
	if got := b.status(0); got.Progress != 0 || !got.Sealed {
		t.Errorf("after foreign shares: %+v", got)
	}
	b.give(0, shares[1]).Is(t, 200)
	b.give(0, shares[2]).Is(t, 200)
	if !b.openOn(0) {
		t.Error("the right shares do not open the store after that")
	}
}

// Progress ends when it rests (hostile S10), with every seal and init, and on demand; each time under another name (hostile S11).
func TestProgressEnds(t *testing.T) {
	b := newBed(t, 2, false)
	shares := b.initialise(3, 2)
	nonces := map[string]bool{}
	for name, end := range map[string]func(){
		"ten minutes": func() { b.Clock.Advance(restLimit) },
		"a seal":      func() { b.call(1, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200) },
		"a reset":     func() { b.call(1, "PUT", "/secrets/v1/unseal/default", root, `{"reset":true}`).Is(t, 200) },
		"an init":     func() { shares = b.initialise(3, 2) },
		"a new term":  func() { b.Lead(0) },
	} {
		b.give(1, shares[0]).Is(t, 200)
		got := b.status(0)
		if got.Progress != 1 || nonces[got.Nonce] {
			t.Errorf("before %s: %+v, nonces before %v", name, got, nonces)
		}
		nonces[got.Nonce] = true
		end()
		if got := b.status(0); got.Progress != 0 || got.Nonce != "" {
			t.Errorf("after %s: %+v", name, got)
		}
	}
}

func TestSharesThatRestAreWiped(t *testing.T) {
	b := newBed(t, 1, false)
	shares := b.initialise(3, 2)
	b.give(0, shares[0]).Is(t, 200)
	desk := &b.at(0).api.desk
	kept := desk.unseals["default"].shares[0]
	desk.sweep(b.Clock.Now(), false)
	if kept.Bytes() == nil {
		t.Fatal("a share that did not rest was wiped")
	}
	b.Clock.Advance(restLimit)
	desk.sweep(b.Clock.Now(), false)
	if kept.Bytes() != nil || len(desk.unseals) != 0 {
		t.Error("a share that rested for ten minutes is still there")
	}
}

// The leader changes between the last share and the commit: nothing is opened, and the shares are to be given again.
func TestALeaderThatEndsBeforeTheCommitOpensNothing(t *testing.T) {
	b := newBed(t, 3, false)
	shares := b.initialise(3, 2)
	b.give(0, shares[0]).Is(t, 200)
	once := true
	b.Before = func(c command.Command) error {
		if _, ok := c.(command.UnsealStore); ok && once {
			once = false
			b.Lead(1)
		}
		return nil
	}
	b.give(2, shares[1]).Is(t, 200) // handed on to the new leader, for which it is the first
	if got := b.status(0); !got.Sealed || got.Progress != 1 {
		t.Fatalf("after the change of leaders: %+v, want sealed with 1 share", got)
	}
	b.give(0, shares[2]).Is(t, 200)
	for i := range b.Masters {
		if !b.openOn(i) {
			t.Errorf("the store is not open on master %d", i+1)
		}
	}
}

// A seal that comes between the last share and the commit wins: shares were gathered for the epoch before it.
func TestASealBeforeTheCommitWins(t *testing.T) {
	b := newBed(t, 1, false)
	shares := b.initialise(2, 2)
	b.give(0, shares[0]).Is(t, 200)
	raced := false
	b.Before = func(c command.Command) error {
		if _, ok := c.(command.UnsealStore); ok && !raced {
			raced = true
			s, _ := b.at(0).State().Store("default")
			b.Do(command.UnsealStore{Name: "default", RootID: s.RootID(), Epoch: s.Epoch})
			b.Do(command.SealStore{Name: "default"})
		}
		return nil
	}
	b.give(0, shares[1]).Fault(t, 409, fault.Conflict)
	if got := b.status(0); !got.Sealed || b.openOn(0) {
		t.Errorf("the store is open after a seal: %+v", got)
	}
}

// Who is cut off gets the keys when it is back; the answer names it until then. A late answer opens nothing that was sealed.
func TestUnsealNamesWhomItDidNotReach(t *testing.T) {
	b := newBed(t, 3, false)
	shares := b.initialise(2, 2)
	b.Masters[2].Cut(true)
	b.give(0, shares[0]).Is(t, 200)
	var got status
	b.give(1, shares[1]).Is(t, 200).Into(t, &got)
	if got.Sealed || len(got.Unreached) != 1 || got.Unreached[0] != "name of master-3" {
		t.Fatalf("got %+v, want master 3 unreached", got)
	}
	if b.at(2).keys.Ensure(t.Context(), "default") == nil || b.openOn(2) {
		t.Fatal("a master that is cut off has the keys")
	}
	b.Masters[2].Cut(false)
	if err := b.at(2).keys.Ensure(t.Context(), "default"); err != nil || !b.openOn(2) {
		t.Errorf("a master that is back does not get the keys: %v", err)
	}
}

// A master that restarts gets the keys from the others, and none that restart all together do: the intention stays, and shares
// are needed again (hostile S16).
func TestRestartsAndKeys(t *testing.T) {
	b := newBed(t, 3, false)
	shares := b.initialise(2, 2)
	b.give(0, shares[0]).Is(t, 200)
	b.give(0, shares[1]).Is(t, 200)
	for i := range b.Masters {
		b.Restart(i)
		if err := b.at(i).keys.Ensure(t.Context(), "default"); err != nil || !b.openOn(i) {
			t.Fatalf("master %d after its restart: %v", i+1, err)
		}
	}
	for i := range b.Masters {
		b.Restart(i)
	}
	if got := b.status(1); !got.Sealed {
		t.Fatalf("all restarted: %+v, want sealed", got)
	}
	b.give(1, shares[0]).Is(t, 200)
	if got := b.status(2); !got.Sealed || got.Progress != 1 {
		t.Errorf("a share after all restarted: %+v", got)
	}
	b.give(2, shares[1]).Is(t, 200)
	for i := range b.Masters {
		if !b.openOn(i) {
			t.Errorf("master %d is not open after the shares", i+1)
		}
	}
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	for i := range b.Masters {
		b.Restart(i)
		if b.at(i).keys.Ensure(t.Context(), "default") == nil {
			t.Errorf("master %d opened a sealed store after its restart", i+1)
		}
	}
}

// All masters down together: auto-unseal opens the store again, but not one that was sealed by hand (hostile S17).
func TestAutoUnsealAfterAllRestarted(t *testing.T) {
	b := newBed(t, 3, true)
	for i := range b.Masters {
		b.Restart(i)
	}
	for i := range b.Masters {
		if err := b.at(i).keys.Ensure(t.Context(), "default"); err != nil || !b.openOn(i) {
			t.Errorf("master %d: %v", i+1, err)
		}
	}
	b.call(2, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	for i := range b.Masters {
		b.Restart(i)
		if b.at(i).keys.Ensure(t.Context(), "default") == nil {
			t.Errorf("master %d opened a store that was sealed by hand", i+1)
		}
	}
	b.call(1, "PUT", "/secrets/v1/auto-unseal/default", root, "").Is(t, 200)
	for i := range b.Masters {
		if !b.openOn(i) {
			t.Errorf("master %d is not open after auto-unseal on demand", i+1)
		}
	}
}

// A blob that is not the present one is refused, and so is everything where there is none (hostile S27).
func TestAutoUnsealTakesThePresentBlobOnly(t *testing.T) {
	b := newBed(t, 2, true)
	blob := func() string {
		var in initAnswer
		b.call(1, "GET", "/secrets/v1/init/default", root, "").Is(t, 200).Into(t, &in)
		if len(in.Keys) != 1 {
			t.Fatalf("GET init shows %d keys", len(in.Keys))
		}
		return in.Keys[0]
	}
	old := blob()
	b.call(0, "PUT", "/secrets/v1/init/default", root, `{"shares":1,"threshold":1,"auto_unseal":true}`).Is(t, 200)
	now := blob()
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	altered := now[:len(now)-1] + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(now, "0")]
	for _, wrong := range []string{old, now[2:], altered, "zz", strings.Repeat("ab", 60)} {
		b.call(1, "PUT", "/secrets/v1/auto-unseal/default", root, `{"key":"`+wrong+`"}`).Fault(t, 400, fault.InvalidShare)
	}
	b.call(1, "PUT", "/secrets/v1/auto-unseal/default", root, `{"key":" `+strings.ToUpper(now)+`"}`).Is(t, 200)
	if !b.openOn(0) || !b.openOn(1) {
		t.Error("the present blob does not open the store")
	}
	b.initialise(2, 2)
	b.call(0, "PUT", "/secrets/v1/auto-unseal/default", root, "").Fault(t, 400, fault.InvalidShare)
	b.call(0, "PUT", "/secrets/v1/auto-unseal/default", root, `{"key":"`+now+`"}`).Fault(t, 400, fault.InvalidShare)
}

// Only superusers touch shares, and whoever gives wrong ones in a row has to wait, alone (hostile S12).
func TestHostileS12FloodsOfShares(t *testing.T) {
	b := newBed(t, 2, false)
	shares := b.initialise(3, 2)
	b.give(0, shares[0]).Is(t, 200)
	b.call(0, "PUT", "/secrets/v1/unseal/default", "", `{"reset":true}`).Is(t, 401)
	b.call(1, "PUT", "/secrets/v1/unseal/default", other, `{"reset":true}`).Is(t, 403)
	b.call(1, "PUT", "/secrets/v1/unseal/default", other, `{"key":"`+shares[1]+`"}`).Is(t, 403)
	if got := b.status(0); got.Progress != 1 {
		t.Fatalf("somebody without rights changed the progress: %+v", got)
	}
	for range wrongBurst {
		b.give(1, "00").Fault(t, 400, fault.InvalidShare)
	}
	b.give(1, shares[1]).Fault(t, 429, fault.Throttled)
	b.Clock.Advance(wrongRefill)
	b.give(1, shares[1]).Is(t, 200)
	if !b.openOn(0) {
		t.Error("the store is not open after the wait")
	}
}

func TestNoShareIsLoggedOrAudited(t *testing.T) {
	b := newBed(t, 2, false)
	shares := b.initialise(3, 2)
	b.give(1, shares[0]).Is(t, 200)
	b.give(1, shares[1][:64]+"ff").Is(t, 400)
	b.give(0, shares[0]).Is(t, 200)
	b.give(0, shares[2]).Is(t, 200)
	for i, m := range b.Masters {
		for what, text := range map[string]string{"log": m.Logs.String(), "audit trail": m.Audits.String()} {
			for _, share := range shares {
				if strings.Contains(text, share[:24]) {
					t.Errorf("a share stands in the %s of master %d", what, i+1)
				}
			}
		}
	}
	if audits := b.at(0).Audits.String(); !strings.Contains(audits, "action=secrets.unseal object=/secrets/v1/unseal/default") {
		t.Errorf("the audit trail does not tell of the unseal:\n%s", audits)
	}
}

// A seal on one master binds on all, also where the entry was not applied yet.
func TestASealWipesEveryMaster(t *testing.T) {
	b := newBed(t, 3, true)
	b.Masters[2].Cut(true)
	b.call(1, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	b.call(1, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200) // once more is nothing
	if _, open := b.at(0).barrier.Open("default"); open {
		t.Error("the leader has the keys after a seal")
	}
	b.Masters[2].Cut(false)
	index, err := b.at(2).ReadIndex(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.at(2).WaitIndex(t.Context(), index.Index); err != nil {
		t.Fatal(err)
	}
	if _, open := b.at(2).barrier.Open("default"); open {
		t.Error("a master that was cut off has the keys after it has caught up with a seal")
	}
	if b.at(2).keys.Ensure(t.Context(), "default") == nil {
		t.Error("a sealed store was opened")
	}
}

func TestALocalSealNeedsNobody(t *testing.T) {
	b := newBed(t, 3, true)
	b.Masters[2].Cut(true)
	b.socket(2, "POST", "/gatehouse/v1/secrets/default/local-seal").Is(t, 200)
	b.socket(2, "POST", "/gatehouse/v1/secrets/none/local-seal").Fault(t, 404, fault.UnknownStore)
	if _, open := b.at(2).barrier.Open("default"); open {
		t.Fatal("the keys are there after a local seal")
	}
	b.Masters[2].Cut(false)
	for range 2 {
		if b.at(2).keys.Ensure(t.Context(), "default") == nil {
			t.Fatal("a store that was sealed here was opened")
		}
		b.Restart(2)
	}
	if !b.openOn(0) || !b.openOn(1) {
		t.Error("a local seal closed the others")
	}
	b.call(2, "POST", "/gatehouse/v1/secrets/default/local-seal", root, "").Is(t, 404) // not for clients
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	b.call(0, "PUT", "/secrets/v1/auto-unseal/default", root, "").Is(t, 200)
	if !b.openOn(2) {
		t.Error("a later unseal does not end the local seal")
	}
}

func TestNothingWorksBelowTheLevelButPing(t *testing.T) {
	b := newBed(t, 1, false)
	for _, r := range b.at(0).api.Routes() {
		if pings := r.ID == "secrets.ping"; pings != (r.MinLevel < command.LevelSecrets) {
			t.Errorf("%s works from level %d", r.ID, r.MinLevel)
		}
	}
	if got := b.call(0, "GET", "/secrets/v1/ping", "", "").Is(t, 200); got.Body != "pong" {
		t.Errorf("ping: %q", got.Body)
	}
	b.call(0, "GET", "/secrets/v1/ping/backends/default", "", "").Is(t, 200)
	b.call(0, "GET", "/secrets/v1/ping/backends/all", "", "").Is(t, 200)
	b.call(0, "GET", "/secrets/v1/ping/backends/none", "", "").Is(t, 404)
}

// A caller who waits for ever is none: what Ensure does without a quorum is bounded.
func TestEnsureWithoutQuorumEnds(t *testing.T) {
	b := newBed(t, 3, false)
	shares := b.initialise(2, 2)
	b.give(0, shares[0]).Is(t, 200)
	b.give(0, shares[1]).Is(t, 200)
	b.Restart(1)
	for _, m := range b.Masters {
		m.Cut(true)
	}
	began := time.Now()
	if err := b.at(1).keys.Ensure(t.Context(), "default"); !fault.Is(err, fault.StoreSealed) {
		t.Errorf("got %v, want a fault that says sealed", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
