package fsm

import (
	"context"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/state"
)

// What a state forbids must have ended before anybody learns that the entry is applied: keys are wiped there.
func TestANewStateIsToldBeforeAnybodyIsWoken(t *testing.T) {
	var m *Machine
	var told []uint64
	woken := make(chan uint64, 1)
	m = newMachine(t, func(o *Options) {
		o.OnPublish = func(s *state.State) {
			if m != nil {
				if m.State() != s {
					t.Error("the state is told before it is there")
				}
				select {
				case <-woken:
					t.Error("somebody was woken first")
				case <-time.After(10 * time.Millisecond): // a chance to be woken too early
				}
			}
			told = append(told, s.Index())
		}
	})
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() {
		err := m.WaitIndex(ctx, 3)
		woken <- m.AppliedIndex()
		done <- err
	}()
	for waits := false; !waits; time.Sleep(time.Millisecond) {
		m.waiting.mu.Lock()
		waits = len(m.waiting.groups) > 0
		m.waiting.mu.Unlock()
		if ctx.Err() != nil {
			t.Fatal("nobody waits")
		}
	}
	m.Apply(entry(t, 3, command.SetPrimaryKey{KeyID: "k"}))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || told[1] != 3 {
		t.Errorf("told of %v, want the states at 2 and 3", told)
	}
}

func TestARestoredStateIsTold(t *testing.T) {
	var told *state.State
	m := New(Options{MaxLevel: 1, OnPublish: func(s *state.State) { told = s }})
	if err := restore(m, persist(t, newMachine(t))); err != nil {
		t.Fatal(err)
	}
	if told == nil || told != m.State() {
		t.Error("nobody was told")
	}
}
