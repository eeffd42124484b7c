package oidc

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// maxAge is how long what a provider publishes counts as new.
	maxAge = time.Hour
	// retryGap is the least time between two tries after one failed.
	retryGap = time.Second
)

// cached is something that a provider publishes. Whoever needs it first fetches it, for all who come meanwhile. When it
// cannot be fetched again, the old one is good enough.
type cached[T any] struct {
	fetch func(context.Context) (T, error)
	now   func() time.Time

	mu      sync.Mutex
	value   T             // guarded by mu, as all below
	fetched time.Time     // when value was; zero: there is none
	tried   time.Time     // when the last fetch ended
	err     error         // how the last fetch ended
	flight  chan struct{} // closed when the fetch that is under way ends; nil: none is
}

// get answers the value, at most maxAge old unless the provider fails.
func (c *cached[T]) get(ctx context.Context) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fetched.IsZero() && c.now().Sub(c.fetched) < maxAge {
		return c.value, nil
	}
	return c.renew(ctx)
}

// refresh answers a value that was fetched since the call, unless the provider fails.
func (c *cached[T]) refresh(ctx context.Context) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renew(ctx)
}

// renew fetches, or waits for who does. After a failure only one tries again, once a second; the others have the failure
// at once, so that a provider that answers nothing holds up one login and not all. mu is held before and after.
func (c *cached[T]) renew(ctx context.Context) (T, error) {
	failing := c.err != nil && (c.flight != nil || c.now().Sub(c.tried) < retryGap)
	if failing {
		return c.last()
	}
	if c.flight == nil {
		c.flight = make(chan struct{})
		go c.run(context.WithoutCancel(ctx), c.flight)
	}
	flight := c.flight
	c.mu.Unlock()
	select {
	case <-flight:
		c.mu.Lock()
		return c.last()
	case <-ctx.Done():
		c.mu.Lock()
		return c.value, ctx.Err()
	}
}

// last is the old value if there is one, and how the last fetch failed if there is none.
func (c *cached[T]) last() (T, error) {
	if !c.fetched.IsZero() {
		return c.value, nil
	}
	return c.value, c.err
}

// run fetches. It outlives who asked for it, as others may wait for it too.
func (c *cached[T]) run(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, StepTimeout)
	defer cancel()
	value, err := c.try(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried, c.err, c.flight = c.now(), err, nil
	if err == nil {
		c.value, c.fetched = value, c.tried
	}
	close(done)
}

// try is fetch. What a provider sends to a parser must not end the master: no request waits here whose panic is caught.
func (c *cached[T]) try(ctx context.Context) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &UnreachableError{"read the answer", fmt.Errorf("panic: %v", p)}
		}
	}()
	return c.fetch(ctx)
}
