package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
)

// ender is the duty of a leader that ends secrets.
func (k *keptStore) ender() *secretEnder {
	return &secretEnder{
		state: k.machine.State, now: func() (time.Time, bool) { return k.clock, true }, log: slog.New(slog.DiscardHandler),
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
	k.clock = k.clock.Add(mostJump)
	k.must(command.SetPrimaryKey{KeyID: "later"})
	k.clock = k.clock.Add(-mostJump)
	k.end(k.ender())
	if got := k.machine.State().StoreCounts(secret.Default).Tombstones; got != 1 {
		t.Errorf("%d tombstones, want 1", got)
	}
}

// A leader whose clock was days ahead has drawn the state's with it, which never goes back: what it made due is kept.
func TestAStateThatIsDaysAheadEndsNothingEarly(t *testing.T) {
	k := newKeptStore(t)
	k.passing(2)
	k.must(command.DeleteSecret{Store: secret.Default, Path: "passing/0"})
	k.clock = k.clock.Add(8 * 24 * time.Hour)
	k.must(command.SetPrimaryKey{KeyID: "later"})
	k.clock = k.clock.Add(-8 * 24 * time.Hour)
	k.end(k.ender())
	if got := k.machine.State().StoreCounts(secret.Default); got.Tombstones != 0 || k.submitted != 0 {
		t.Errorf("%+v after %d commands, want nothing purged", got, k.submitted)
	}
	k.clock = k.clock.Add(time.Minute)
	k.end(k.ender())
	if got := k.machine.State().StoreCounts(secret.Default).Tombstones; got != 2 {
		t.Errorf("%d tombstones, want 2 once time has come", got)
	}
}

func TestAClockThatIsNotBelievedPurgesNothing(t *testing.T) {
	k := newKeptStore(t)
	k.passing(1)
	var said bytes.Buffer
	var passed, ahead time.Duration
	known := true
	wall := k.clock
	guard := clockGuard{wall: func() time.Time { return wall }, passed: func() time.Duration { return passed },
		ahead: func() (time.Duration, bool) { return ahead, known }, log: slog.New(slog.NewTextHandler(&said, nil))}
	e := k.ender()
	e.now = guard.now
	look := func(after time.Duration, what string, rests bool) {
		t.Helper()
		passed, wall = passed+after, wall.Add(after)
		before := k.submitted
		k.end(e)
		if _, believed := guard.now(); believed == rests {
			t.Errorf("%s: believed %v", what, believed)
		}
		if rests && k.submitted != before {
			t.Errorf("%s: something was purged", what)
		}
	}
	look(0, "at the start", false)
	wall = wall.Add(8 * 24 * time.Hour)
	look(time.Second, "eight days ahead", true)
	look(time.Second, "a second later", true)
	wall = wall.Add(-8 * 24 * time.Hour)
	look(time.Second, "right again", false)
	ahead = 2 * time.Minute
	look(50*time.Second, "ahead of the others", true)
	if ahead, known = 0, false; k.submitted != 0 {
		t.Errorf("%d commands before anything ended", k.submitted)
	}
	look(time.Minute, "without the others", true)
	known = true
	look(0, "with the others", false)
	if k.submitted != 1 {
		t.Errorf("%d commands, want the end of what has ended", k.submitted)
	}
	wall = wall.Add(time.Hour)
	look(time.Second, "a lasting jump", true)
	look(jumpRest, "a jump that lasted", false)
	if n := strings.Count(said.String(), "not to be trusted"); n != 3 {
		t.Errorf("logged %d times, want once for each of three jumps:\n%s", n, said.String())
	}
}

func TestASecretThatIsRenewedJustInTimeStays(t *testing.T) {
	k := newKeptStore(t)
	k.passing(1)
	k.clock = k.clock.Add(59 * time.Second)
	late := k.ender()
	late.now = func() (time.Time, bool) { return k.clock.Add(time.Second), true }
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
