package main

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
)

// ender is the duty of a leader that ends secrets.
func (k *keptStore) ender() *secretEnder {
	return &secretEnder{
		state: k.machine.State, now: func() time.Time { return k.clock }, log: slog.New(slog.DiscardHandler),
		rest: func(_ context.Context, d time.Duration) { k.rests, k.rested = k.rests+1, k.rested+d },
		submit: func(ctx context.Context, c command.Command) error {
			k.submitted++
			if k.onSubmit != nil {
				k.onSubmit()
			}
			return k.submit(ctx, c)
		},
	}
}

func (k *keptStore) end(e *secretEnder) {
	k.t.Helper()
	if err := e.run(k.t.Context()); err != nil {
		k.t.Fatalf("run: %v", err)
	}
}

// passing writes secrets that end after a minute.
func (k *keptStore) passing(n int) {
	k.t.Helper()
	for i := range n {
		k.must(command.CreateSecret{Store: secret.Default, Path: fmt.Sprint("passing/", i), Epoch: k.store().Epoch, Born: k.clock,
			Ends: k.clock.Add(time.Minute), Version: command.VersionData{Number: 1, Term: 1, Sealed: []byte("sealed")}})
	}
}

func TestNothingIsWrittenWhileNoSecretEnds(t *testing.T) {
	k := newKeptStore(t)
	k.passing(3)
	before := k.machine.AppliedIndex()
	for range 100 {
		k.end(k.ender())
	}
	if k.submitted != 0 || k.rests != 0 || k.machine.AppliedIndex() != before {
		t.Errorf("%d commands, index %d after %d", k.submitted, k.machine.AppliedIndex(), before)
	}
}

func TestSecretsEndInBatchesAndThenTheirTombstones(t *testing.T) {
	k := newKeptStore(t)
	const n = command.MaxExpired + 10
	k.passing(n)
	k.clock = k.clock.Add(time.Minute)
	k.end(k.ender())
	if got := k.machine.State().StoreCounts(secret.Default); got.Tombstones != n || got.Versions != 0 || k.submitted != 2 || k.rests != 2 || k.rested <= 0 {
		t.Errorf("%+v after %d commands, %d rests of %s; want %d tombstones, and a rest after each of two", got, k.submitted, k.rests, k.rested, n)
	}
	k.end(k.ender())
	if k.submitted != 2 {
		t.Errorf("%d commands, though nothing is due", k.submitted)
	}
	k.clock = k.clock.Add(secret.TombstoneLife)
	k.end(k.ender())
	if got := k.machine.State().Sizes().Secrets; got != 0 {
		t.Errorf("%d records are left", got)
	}
}

// A leader whose clock is behind that of the one before ends what that one's would have.
func TestSecretsEndByTheLaterOfBothClocks(t *testing.T) {
	k := newKeptStore(t)
	k.passing(1)
	k.clock = k.clock.Add(time.Hour)
	k.must(command.SetPrimaryKey{KeyID: "later"})
	k.clock = k.clock.Add(-time.Hour)
	k.end(k.ender())
	if got := k.machine.State().StoreCounts(secret.Default).Tombstones; got != 1 {
		t.Errorf("%d tombstones, want 1", got)
	}
}

func TestASecretThatIsRenewedJustInTimeStays(t *testing.T) {
	k := newKeptStore(t)
	k.passing(1)
	k.clock = k.clock.Add(59 * time.Second)
	late := k.ender()
	late.now = func() time.Time { return k.clock.Add(time.Second) }
	k.onSubmit = func() {
		k.onSubmit = nil
		k.must(command.RenewSecret{Store: secret.Default, Path: "passing/0", Ends: k.clock.Add(time.Hour)})
	}
	k.end(late)
	if got := k.machine.State().StoreCounts(secret.Default); got.Live != 1 || k.rests != 0 {
		t.Errorf("%+v, want it to live", got)
	}
}

func TestTheDutyTellsWhatFails(t *testing.T) {
	k := newKeptStore(t)
	k.passing(1)
	k.clock = k.clock.Add(time.Minute)
	e := k.ender()
	e.submit = func(context.Context, command.Command) error { return fault.New(fault.DiskLow, "no room") }
	if err := e.run(t.Context()); !fault.Is(err, fault.DiskLow) {
		t.Errorf("%v", err)
	}
}
