package clustertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/disk"
)

// Options changes what New builds. The zero value is a cluster of Registers.
type Options struct {
	TCP       bool                                                   // real TCP on loopback, without faults, instead of the in-memory network
	Machine   func(i int) cluster.Machine                            // nil: a Register
	BeginTerm func(term uint64, leader string, now time.Time) []byte // for Machine
	Handler   func(i int) http.Handler                               // of requests by peers
	Duties    func(i int) []cluster.Duty                             // of the leader
	Configure func(i int, c *cluster.Config)                         // the last word on the configuration
	Logger    *slog.Logger                                           // nil: discard
	NoWait    bool                                                   // return before there is a leader
	Later     int                                                    // so many more members, not started; see Start
}

// Cluster is a set of masters under test.
type Cluster struct {
	Net     *Network
	Members []*Member
	t       testing.TB
	opts    Options
	founded int
}

// Member is one master; it can be killed and started again.
type Member struct {
	Index   int
	Name    string
	Dir     string
	Addr    string
	Node    *cluster.Node // nil while down
	Machine cluster.Machine
	cancel  context.CancelCauseFunc
	done    chan error
}

// New starts n masters that form one cluster, waits until it has a leader and everybody knows it, and stops them when
// the test ends.
func New(t testing.TB, n int, opts Options) *Cluster {
	t.Helper()
	c := &Cluster{Net: NewNetwork(), t: t, opts: opts, founded: n}
	dir := t.TempDir()
	for i := range n + opts.Later {
		name := fmt.Sprintf("m%d", i+1)
		c.Members = append(c.Members, &Member{Index: i, Name: name, Dir: filepath.Join(dir, name), Addr: name + ":1"})
	}
	if opts.TCP {
		for _, m := range c.Members {
			m.Addr = freeAddr(t)
		}
	}
	t.Cleanup(c.stopAll)
	for i := range n {
		c.Start(i)
	}
	if !opts.NoWait {
		c.WaitReady()
	}
	return c
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start starts a member that is down. Its machine is new: it restores from disk or from the others.
func (c *Cluster) Start(i int) {
	c.t.Helper()
	if err := c.TryStart(i); err != nil {
		c.t.Fatalf("start master %d: %v", i+1, err)
	}
}

// TryStart is Start for members that may refuse.
func (c *Cluster) TryStart(i int) error {
	c.t.Helper()
	m := c.Members[i]
	if m.Node != nil {
		c.t.Fatalf("master %d runs already", i+1)
	}
	cfg, err := c.config(m)
	if err != nil {
		return err
	}
	node, err := cluster.New(context.Background(), cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	m.Node, m.Machine, m.cancel, m.done = node, cfg.Machine, cancel, make(chan error, 1)
	var handler http.Handler
	var duties []cluster.Duty
	if c.opts.Handler != nil {
		handler = c.opts.Handler(i)
	}
	if c.opts.Duties != nil {
		duties = c.opts.Duties(i)
	}
	done := m.done
	go func() { done <- node.Run(ctx, handler, duties...) }()
	return nil
}

func (c *Cluster) config(m *Member) (cluster.Config, error) {
	cfg := cluster.Config{
		DataDir: m.Dir, Name: m.Name, Version: "test", MaxLevel: 1, PeerAdvertise: m.Addr, APIAdvertise: "https://" + m.Name,
		Keys: Keys("clustertest"), Dial: c.Net.Dialer(m.Name), BeginTerm: BeginTerm, Logger: c.opts.Logger,
		Level: func() int { return 1 }, Disk: disk.Options{Reserve: -1, LowWater: -1},
	}
	if m.Index < c.founded {
		cfg.Expect = c.founded
	}
	for _, other := range c.Members {
		if other != m {
			cfg.Join = append(cfg.Join, other.Addr)
		}
	}
	if c.opts.TCP {
		cfg.Dial = nil
		l, err := net.Listen("tcp", m.Addr)
		if err != nil {
			return cfg, err
		}
		cfg.PeerListener = l
	} else {
		cfg.PeerListener = c.Net.Listen(m.Name)
	}
	if c.opts.Machine != nil {
		cfg.Machine, cfg.BeginTerm = c.opts.Machine(m.Index), c.opts.BeginTerm
	} else {
		r := NewRegister()
		cfg.Machine, cfg.Removed = r, r.Removed
	}
	if c.opts.Configure != nil {
		c.opts.Configure(m.Index, &cfg)
	}
	return cfg, nil
}

// Kill ends a member without handing over and breaks its connections, as kill -9 does.
func (c *Cluster) Kill(i int) {
	c.t.Helper()
	m := c.Members[i]
	m.cancel(cluster.ErrAbort)
	c.Net.Reset(m.Name)
	c.wait(m)
}

// Stop ends a member in order.
func (c *Cluster) Stop(i int) {
	c.t.Helper()
	m := c.Members[i]
	m.cancel(context.Canceled)
	c.wait(m)
}

// Result waits until a member has ended by itself and returns why.
func (c *Cluster) Result(i int, within time.Duration) error {
	c.t.Helper()
	m := c.Members[i]
	select {
	case err := <-m.done:
		m.Node = nil
		return err
	case <-time.After(within):
		c.t.Fatalf("master %d still runs after %v", i+1, within)
		return nil
	}
}

func (c *Cluster) wait(m *Member) {
	c.t.Helper()
	select {
	case err := <-m.done:
		if err != nil && !errors.Is(err, cluster.ErrAbort) {
			c.t.Errorf("master %d ended with: %v", m.Index+1, err)
		}
	case <-time.After(15 * time.Second):
		c.t.Errorf("master %d did not end in 15 s", m.Index+1)
	}
	m.Node = nil
}

func (c *Cluster) stopAll() {
	for _, m := range c.Members {
		if m.Node != nil {
			m.cancel(cluster.ErrAbort)
		}
	}
	for _, m := range c.Members {
		if m.Node != nil {
			c.Net.Reset(m.Name)
			c.wait(m)
		}
	}
	if !c.opts.TCP {
		// Raft waits for none of its timers when it shuts down. In a bubble this takes no time.
		time.Sleep(5 * time.Second)
	}
}

// Register returns a member's machine when it is a Register.
func (m *Member) Register() *Register { return m.Machine.(*Register) }

// Eventually polls until ok, and fails the test after the time.
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// WaitReady waits until every running member has a cluster and sees one leader.
func (c *Cluster) WaitReady() {
	c.t.Helper()
	Eventually(c.t, 15*time.Second, "all masters see one leader", func() bool {
		leaders := map[string]bool{}
		for _, m := range c.Members {
			if m.Node == nil {
				continue
			}
			id, _, ok := m.Node.Leader()
			if !ok {
				return false
			}
			leaders[id] = true
		}
		return len(leaders) == 1 && c.find() != nil
	})
}

func (c *Cluster) find() *Member {
	var leader *Member
	for _, m := range c.Members {
		if m.Node == nil {
			continue
		}
		if s := m.Node.Status(); s.State == cluster.StateLeader && (leader == nil || s.Term > leader.Node.Status().Term) {
			leader = m
		}
	}
	return leader
}

// Leader waits for a leader and returns it.
func (c *Cluster) Leader() *Member {
	c.t.Helper()
	var leader *Member
	Eventually(c.t, 15*time.Second, "a leader", func() bool { leader = c.find(); return leader != nil })
	return leader
}

// Followers returns the running members other than the leader.
func (c *Cluster) Followers() []*Member {
	c.t.Helper()
	leader := c.Leader()
	var out []*Member
	for _, m := range c.Members {
		if m.Node != nil && m != leader {
			out = append(out, m)
		}
	}
	return out
}

// Isolate cuts a member off from all others, both ways.
func (c *Cluster) Isolate(m *Member) {
	for _, o := range c.Members {
		if o != m {
			c.Net.Cut(m.Name, o.Name)
			c.Net.Cut(o.Name, m.Name)
		}
	}
}

// Freeze holds everything to and from a member, as a stopped process does: connections are made and nothing comes.
func (c *Cluster) Freeze(m *Member) {
	for _, o := range c.Members {
		if o != m {
			c.Net.Hold(m.Name, o.Name)
			c.Net.Hold(o.Name, m.Name)
		}
	}
}

// Heal opens every link.
func (c *Cluster) Heal() {
	for _, a := range c.Members {
		for _, b := range c.Members {
			if a != b {
				c.Net.Open(a.Name, b.Name)
			}
		}
	}
}
