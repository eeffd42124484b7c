package ldap

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"
)

// loginTime is how long a login, or the search for one user, may take altogether.
const loginTime = 5 * time.Second

// Options are what a Client works with. Everything but Logger may be left out.
type Options struct {
	Logger *slog.Logger
	// Now is the clock by which connections age; time.Now when nil.
	Now func() time.Time
	// Dial opens connections; a net.Dialer's when nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// IdleTime is how long a connection is kept without being used; a minute when 0.
	IdleTime time.Duration
}

// Client asks the directory, on at most MaxConnections connections. It is safe for concurrent use.
type Client struct {
	opts  Options
	meter *meter
	// searches are bound as the lookup DN; binds as whoever logged in last on them. A connection never changes sides.
	searches, binds *pool
	large           chan struct{} // held while a group is read
	// The constants of these names; tests on a busy machine have more patience.
	loginTime, groupTime, maxWait time.Duration

	mu      sync.Mutex
	current *target // of the newest configuration that was used
}

// New returns a client without connections.
func New(opts Options) *Client {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Dial == nil {
		opts.Dial = new(net.Dialer).DialContext
	}
	if opts.IdleTime == 0 {
		opts.IdleTime = idleTime
	}
	return &Client{
		opts:  opts,
		meter: newMeter(),
		large: make(chan struct{}, 2),

		loginTime: loginTime,
		groupTime: groupTime,
		maxWait:   maxWait,
		searches:  newPool((*conn).bindLookup),
		binds:     newPool(func(*conn, context.Context, *Config) error { return nil }),
	}
}

// Close closes the connections that are not in use, and lets the others be closed after their use.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = nil
	c.searches.aim(nil)
	c.binds.aim(nil)
}
