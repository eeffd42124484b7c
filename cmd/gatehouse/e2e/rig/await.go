package rig

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollEvery is how often Await asks again: short enough to measure a failover, long enough to cost nothing.
const pollEvery = 20 * time.Millisecond

// ErrFinal marks an error that no waiting will mend; Await gives up on it at once.
var ErrFinal = errors.New("waiting will not help")

// Await calls check until it answers nil, and fails with its last error when limit has passed or ctx ends.
// what says what was waited for and opens the error.
func Await(ctx context.Context, limit time.Duration, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrFinal) || Pause(ctx, pollEvery) != nil {
			return fmt.Errorf("%s: not so after %v: %w", what, time.Since(start).Round(time.Millisecond), err)
		}
	}
}

// Pause waits for d or for the end of ctx, whose error it answers. It is for time that is part of a scenario (how long
// a fault lasts), never a guess at how long something takes: that is what Await is for.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
