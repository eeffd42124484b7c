package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

const (
	// endPoll is how often the leader looks for secrets whose end has come. Readers do not wait for that: what has ended
	// is refused by the clock.
	endPoll = time.Second
	// dutyShare is how many parts of the time a duty leaves to others for each that it takes: it gets a twentieth.
	dutyShare = 19
)

// endSecrets purges secrets that have ended or were deleted long enough ago, and drops their tombstones later.
func (m *master) endSecrets(ctx context.Context, term uint64) error {
	began := time.Now()
	guard := clockGuard{wall: func() time.Time { return time.Now().UTC() }, passed: func() time.Duration { return time.Since(began) }, ahead: m.node.ClockAheadOfMost, log: m.log}
	e := secretEnder{
		state: m.machine.State, now: guard.now, log: m.log, rest: rest,
		submit: func(ctx context.Context, c command.Command) error {
			_, err := m.machine.Submit(ctx, m.node, m.header(term), c)
			return err
		},
	}
	return repeatedly(ctx, endPoll, func() error { return e.run(ctx) })
}

// secretEnder ends what is due. When nothing is, it writes nothing.
type secretEnder struct {
	state  func() *state.State
	now    func() (t time.Time, believed bool)
	submit func(context.Context, command.Command) error
	rest   func(context.Context, time.Duration)
	log    *slog.Logger
}

// run ends all that is due, batch by batch, in a twentieth of the time.
func (e *secretEnder) run(ctx context.Context) error {
	for ctx.Err() == nil {
		items := e.due()
		if len(items) == 0 {
			return nil
		}
		start := time.Now()
		err := e.submit(ctx, command.ExpireSecrets{Items: items})
		if fault.Is(err, fault.Conflict) {
			return nil // all of them changed meanwhile; the next look finds what is due then
		}
		if err != nil {
			return fmt.Errorf("end %d secrets: %w", len(items), err)
		}
		e.log.Info("secrets ended", "records", len(items))
		e.rest(ctx, dutyShare*time.Since(start))
	}
	return nil
}

// due is what is due by this leader's clock or by the state's, whichever is ahead: the command will carry that time. What is
// purged cannot be undeleted, so a clock that is not believed purges nothing, and neither does a state's that one drew far ahead.
func (e *secretEnder) due() []command.ExpiredSecret {
	s := e.state()
	now, believed := e.now()
	if !believed {
		return nil
	}
	if clock := s.Meta().Clock; clock.After(now) && clock.Sub(now) <= mostJump {
		now = clock
	}
	return command.Due(s, now, command.MaxExpired)
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
