package ldap

import (
	"context"
	"crypto/tls"
	"reflect"
	"sync"
	"time"
)

// The limits of one master's connections to the directory.
const (
	// MaxConnections is how many there are at most: half for searching, half for people's passwords.
	MaxConnections = 16
	// maxWait is how long a login waits for one of them.
	maxWait = 2 * time.Second
	// idleTime is how long one is kept without being used.
	idleTime = time.Minute
	// maxAge is how long one is used at all, so that a changed address or lookup account comes to bear.
	maxAge = 10 * time.Minute
)

// target is a configuration to which connections are made.
type target struct {
	cfg               *Config
	tls               *tls.Config
	plain, unverified sync.Once // each is warned of once
}

// pool keeps connections that are made and bound alike.
type pool struct {
	slots   chan struct{} // one is held by every connection in use
	prepare func(*conn, context.Context, *Config) error

	mu     sync.Mutex
	target *target // what the idle connections lead to
	idle   []*conn // the one that was used last is the last
}

func newPool(prepare func(*conn, context.Context, *Config) error) *pool {
	return &pool{slots: make(chan struct{}, MaxConnections/2), prepare: prepare}
}

// slot waits until a connection may be used, or for so long, which is ErrBusy.
func (p *pool) slot(ctx context.Context, wait time.Duration) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(wait)
	defer patience.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &UnreachableError{StageConnect, context.Cause(ctx)}
	case <-patience.C:
		return ErrBusy
	}
}

// aim closes what leads elsewhere.
func (p *pool) aim(t *target) {
	p.mu.Lock()
	stale := p.idle
	p.target, p.idle = t, nil
	p.mu.Unlock()
	for _, k := range stale {
		k.close()
	}
}

// take returns the idle connection that was used last, or nil. What the directory has closed is dropped.
func (p *pool) take(t *target) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.target != t {
		return nil
	}
	for len(p.idle) > 0 {
		k := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		k.expiry.Stop()
		if k.usable() {
			return k
		}
		k.close()
	}
	return nil
}

// put keeps a connection for the next who needs one, or closes it.
func (p *pool) put(k *conn, t *target, now time.Time, idle time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.target != t || !k.usable() || now.Sub(k.born) > maxAge {
		k.close()
		return
	}
	p.idle = append(p.idle, k)
	k.expiry = time.AfterFunc(idle, func() { p.expire(k) })
}

// expire closes a connection that nobody has taken meanwhile.
func (p *pool) expire(k *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.idle {
		if other == k {
			p.idle = append(p.idle[:i:i], p.idle[i+1:]...)
			k.close()
			return
		}
	}
}

// target returns what a configuration leads to, for as long as it is the newest. An older one, of a request that began before a
// change, gets a target whose connections nobody keeps.
func (c *Client) target(cfg *Config) (*target, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && c.current.cfg.Version == cfg.Version && reflect.DeepEqual(c.current.cfg, cfg) {
		return c.current, nil
	}
	secured, err := cfg.tlsConfig()
	if err != nil {
		return nil, &UnreachableError{StageTLS, err}
	}
	t := &target{cfg: cfg, tls: secured}
	if c.current == nil || c.current.cfg.Version <= cfg.Version {
		c.current = t
		c.searches.aim(t)
		c.binds.aim(t)
	}
	return t, nil
}

// with lends a connection of a pool to use. A connection that was idle may have died unnoticed: then use is called once more, with
// a fresh one.
func (c *Client) with(ctx context.Context, p *pool, cfg *Config, wait time.Duration, use func(*conn) error) error {
	t, err := c.target(cfg)
	if err != nil {
		return err
	}
	if err := p.slot(ctx, wait); err != nil {
		return err
	}
	defer func() { <-p.slots }()
	if k := p.take(t); k != nil {
		err := use(k)
		died := !k.usable() && err != nil
		p.put(k, t, c.opts.Now(), c.opts.IdleTime)
		if !died || ctx.Err() != nil || !unreachable(err) {
			return err
		}
	}
	k, err := c.dial(ctx, t)
	if err != nil {
		return err
	}
	defer func() { p.put(k, t, c.opts.Now(), c.opts.IdleTime) }()
	if err := p.prepare(k, ctx, cfg); err != nil {
		k.broken = true // it is not bound as others expect
		return err
	}
	return use(k)
}
