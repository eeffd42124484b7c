package fsm

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
)

func TestSubmitReturnsTheOutcome(t *testing.T) {
	m := newMachine(t)
	a := &applier{m: m, term: term}
	o, err := m.Submit(t.Context(), a, header(), createUser("bob"))
	if err != nil || o.Index != 3 {
		t.Errorf("%+v %v", o, err)
	}
	h := header()
	h.Level, h.Time = 0, epoch.Add(-time.Hour) // a clock that is behind
	if _, err := m.Submit(t.Context(), a, h, command.DeleteUser{UID: "bob", TokenLife: life}); err != nil {
		t.Fatal(err)
	}
	if got, want := m.State().TokenCutoff("bob"), epoch.Add(time.Second); !got.Equal(want) {
		t.Errorf("cut-off %v, want %v by the state's clock", got, want)
	}
}

func TestSubmitSavesTheLogFromRefusals(t *testing.T) {
	m := newMachine(t)
	a := &applier{m: m, term: term}
	stale := header()
	stale.Term = term - 1
	for name, c := range map[string]struct {
		h    command.Header
		c    command.Command
		code fault.Code
	}{
		"refused":                {header(), createUser("alice"), fault.UserExists},
		"of a term that is over": {stale, createUser("bob"), fault.LeaderChanged},
		"not encodable":          {command.Header{Level: 1, Time: epoch}, createUser("bob"), fault.Internal},
		"a panic in the command": {header(), nil, fault.Internal},
		"a level too high":       {header(), command.SetLevel{Level: 2}, fault.Internal},
	} {
		if _, err := m.Submit(t.Context(), a, c.h, c.c); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if a.entries != 0 || m.AppliedIndex() != 2 {
		t.Errorf("%d entries reached the log, index %d", a.entries, m.AppliedIndex())
	}
}

// While an older master may read the log, it gets nothing that it does not know.
func TestSubmitKeepsToTheLevelOfTheCluster(t *testing.T) {
	m := newMachine(t, func(o *Options) { o.MaxLevel = 2 })
	a := &recorder{applier: applier{m: m, term: term}}
	h := header()
	h.Actor = command.Actor{UID: "alice", IssuedAt: epoch, Right: iam.Right{RID: iam.SuperuserRID, Action: iam.Full}}
	create := command.CreateGroup{Group: iam.Group{GID: "devs", ProviderType: iam.Internal}}
	_, err := m.Submit(t.Context(), a, h, create)
	var refusal *fault.Error
	if !errors.As(err, &refusal) || refusal.Code != fault.Busy || refusal.RetryAfter <= 0 || a.entries != 0 {
		t.Errorf("a kind of level 2 at level 1: %v and %d entries, want %s with a hint when to try again", err, a.entries, fault.Busy)
	}
	if _, err := m.Submit(t.Context(), a, h, createUser("bob")); err != nil || a.last().Level != 1 || !a.last().Actor.Right.Zero() {
		t.Errorf("at level 1: %v and a header with %+v", err, a.last())
	}
	if _, err := m.Submit(t.Context(), a, header(), command.SetLevel{Level: 2}); err != nil {
		t.Fatal(err)
	}
	// Header and right are of a request that began at level 1.
	if _, err := m.Submit(t.Context(), a, h, create); err != nil || a.last().Level != 2 || a.last().Actor.Right != h.Actor.Right {
		t.Errorf("at level 2: %v and a header with %+v", err, a.last())
	}
}

// recorder keeps the entries.
type recorder struct {
	applier
	log [][]byte
}

func (r *recorder) Apply(ctx context.Context, data []byte) (uint64, any, error) {
	r.log = append(r.log, data)
	return r.applier.Apply(ctx, data)
}

func (r *recorder) last() command.Header {
	if len(r.log) == 0 {
		return command.Header{}
	}
	h, _, _ := command.Decode(r.log[len(r.log)-1])
	return h
}

func TestSubmitAnswersARepeatedRequestWithoutAnEntry(t *testing.T) {
	m := newMachine(t)
	a := &applier{m: m, term: term}
	h := header()
	h.Actor = command.Actor{UID: "alice", IssuedAt: epoch}
	h.Idempotency = &command.Idempotency{UID: "alice", Key: "k", Status: 201}
	first, err := m.Submit(t.Context(), a, h, createUser("bob"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.Submit(t.Context(), a, h, createUser("bob"))
	if err != nil || !again.Replayed || again.Index != first.Index || again.Status != 201 || a.entries != 1 {
		t.Errorf("%+v then %+v %v, %d entries", first, again, err, a.entries)
	}
}

func TestSubmitTellsWhatTheLogSays(t *testing.T) {
	m := newMachine(t)
	if _, err := m.Submit(t.Context(), &applier{m: m, term: term + 1}, header(), createUser("bob")); !fault.Is(err, fault.LeaderChanged) {
		t.Errorf("appended in the next term: %v", err)
	}
	unknown := fault.New(fault.OutcomeUnknown, "who knows")
	if _, err := m.Submit(t.Context(), &applier{m: m, err: unknown}, header(), createUser("bob")); !errors.Is(err, unknown) {
		t.Errorf("err = %v, want the applier's", err)
	}
	if _, err := m.Submit(t.Context(), oddApplier{}, header(), createUser("bob")); !fault.Is(err, fault.Internal) {
		t.Errorf("an odd response: %v", err)
	}
}

type oddApplier struct{}

func (oddApplier) Apply(context.Context, []byte) (uint64, any, error) { return 3, "odd", nil }
