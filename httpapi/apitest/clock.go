package apitest

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Clock is the clock of all masters.
type Clock struct {
	mu     sync.Mutex // guards the rest but real
	now    time.Time
	real   bool
	slept  []time.Duration
	onWake func()
}

// Now is the time.
func (c *Clock) Now() time.Time {
	if c.real {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the time on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Sleep moves the time on, and runs what OnWake was given. A real clock waits.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if c.real {
		return wait(ctx, d)
	}
	c.mu.Lock()
	c.now, c.slept = c.now.Add(d), append(c.slept, d)
	wake := c.onWake
	c.onWake = nil
	c.mu.Unlock()
	if wake != nil {
		wake()
	}
	return ctx.Err()
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Slept lists how long each Sleep was.
func (c *Clock) Slept() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.slept)
}

// OnWake runs f once, at the end of the next Sleep.
func (c *Clock) OnWake(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onWake = f
}
