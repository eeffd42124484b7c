package command

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

func TestACommandTakesEffectOnlyInItsTerm(t *testing.T) {
	m := newMachine(t)
	for _, wrong := range []uint64{term - 1, term + 1} {
		h := m.header()
		h.Term, h.Time = wrong, epoch.Add(day)
		if _, err := m.apply(h, CreateUser{User: *regular("bob")}); !fault.Is(err, fault.LeaderChanged) {
			t.Errorf("authorized in term %d, applied in %d: %v, want %s", wrong, term, err, fault.LeaderChanged)
		}
	}
	if !m.s.Meta().Clock.Equal(epoch) {
		t.Error("a refused command moved the clock")
	}
}

func TestTheActorIsLookedAtAgain(t *testing.T) {
	m := newMachine(t)
	m.must(CreateUser{User: *regular("bob")})
	as := func(uid string, issued time.Time) error {
		h := m.header()
		h.Actor = Actor{UID: uid, IssuedAt: issued}
		_, err := m.apply(h, UpdateUser{UID: "alice", Description: ptr(uid)})
		return err
	}
	if err := as("bob", epoch); err != nil {
		t.Errorf("an unhindered actor: %v", err)
	}
	if err := as("nobody", epoch); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a user that is not there: %v", err)
	}
	next := NextSecond(epoch)
	m.must(RevokeTokens{UID: "bob", NotBefore: next, Expires: next.Add(life)})
	if err := as("bob", next.Add(-time.Second)); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a revoked token: %v", err)
	}
	if err := as("bob", next); err != nil {
		t.Errorf("a token of after the revocation: %v", err)
	}
	m.must(DeleteUser{UID: "bob", TokenLife: life})
	if err := as("bob", next.Add(day)); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a deleted user: %v", err)
	}
	m.must(RevokeTokens{NotBefore: next, Expires: next.Add(life)})
	if err := as("alice", next.Add(-time.Second)); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("all tokens revoked: %v", err)
	}
	if err := as("", time.Time{}); err != nil {
		t.Errorf("the admin socket: %v", err)
	}
}

func TestCommandsSeeTheStatesClock(t *testing.T) {
	m := newMachine(t)
	m.clock = epoch.Add(day)
	m.must(CreateUser{User: *regular("bob")})
	m.clock = epoch // a leader whose clock is behind
	m.must(DeleteUser{UID: "bob", TokenLife: life})
	if got, want := m.s.TokenCutoff("bob"), NextSecond(epoch.Add(day)); !got.Equal(want) {
		t.Errorf("cut-off = %v, want %v by the state's clock", got, want)
	}
	if got := m.s.Meta().Clock; !got.Equal(epoch.Add(day)) {
		t.Errorf("the clock went back to %v", got)
	}
}

func TestARepeatedRequestIsAnsweredTheSame(t *testing.T) {
	m := newMachine(t)
	m.must(CreateUser{User: *regular("bob")})
	id := &Idempotency{UID: "alice", Key: "k", Hash: state.Hash{1}, Status: 201}
	send := func(id Idempotency, c Command) (Outcome, error) {
		h := m.header()
		h.Idempotency = &id
		return m.apply(h, c)
	}
	first, err := send(*id, CreateUser{User: *regular("carol")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Outcome{Status: 201, Index: m.s.Index()}, first); diff != "" {
		t.Errorf("the first (-want +got):\n%s", diff)
	}
	m.must(DeleteUser{UID: "carol", TokenLife: life})
	again, err := send(Idempotency{UID: "alice", Key: "k", Hash: state.Hash{1}, Status: 500}, CreateUser{User: *regular("carol")})
	if diff := cmp.Diff(Outcome{Status: 201, Index: first.Index, Replayed: true}, again); err != nil || diff != "" {
		t.Errorf("the second: %v (-want +got):\n%s", err, diff)
	}
	if _, ok := m.s.User("carol"); ok {
		t.Error("the repeated request took effect again")
	}
	if _, err := send(Idempotency{UID: "alice", Key: "k", Hash: state.Hash{2}, Status: 201}, CreateUser{User: *regular("dave")}); !fault.Is(err, fault.IdempotencyMismatch) {
		t.Errorf("another request under the key: %v, want %s", err, fault.IdempotencyMismatch)
	}
	if _, err := send(Idempotency{UID: "bob", Key: "k", Hash: state.Hash{2}, Status: 201}, CreateUser{User: *regular("dave")}); err != nil {
		t.Errorf("another user's key of the same name: %v", err)
	}
	m.clock = m.clock.Add(state.ReplayLife)
	if _, err := send(*id, CreateUser{User: *regular("carol")}); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

func TestARefusedRequestMayBeRepeated(t *testing.T) {
	m := newMachine(t)
	h := m.header()
	h.Idempotency = &Idempotency{UID: "alice", Key: "k", Status: 204}
	c := UpdateUser{UID: "bob", Description: ptr("x")}
	if _, err := m.apply(h, c); !fault.Is(err, fault.UnknownUser) {
		t.Fatal(err)
	}
	m.must(CreateUser{User: *regular("bob")})
	if o, err := m.apply(h, c); err != nil || o.Replayed {
		t.Errorf("%+v %v, want it to be tried again", o, err)
	}
}

func TestADeletedUserLeavesNoIdempotencyKey(t *testing.T) {
	m := newMachine(t)
	m.must(CreateUser{User: *regular("bob")})
	h := m.header()
	h.Actor = Actor{UID: "bob", IssuedAt: epoch}
	h.Idempotency = &Idempotency{UID: "bob", Key: "k", Status: 204}
	if o, err := m.apply(h, DeleteUser{UID: "bob", TokenLife: life}); err != nil || o.Status != 204 {
		t.Fatal(o, err)
	}
	if n := m.s.Sizes().Replays; n != 0 {
		t.Errorf("%d records are left", n)
	}
}
