package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The superuser that every cluster of the rig starts with.
const (
	Superuser         = "bootstrapuser"
	SuperuserPassword = "a-superusers-passphrase"
)

// formLimit is how long a new cluster may take until every master answers a linearizable read.
const formLimit = 20 * time.Second

// Options describe a cluster. The zero value is three plain masters.
type Options struct {
	Masters int       // how many form the cluster (--expect); 0 means 3
	Dir     string    // holds key file, data directories and logs; must exist
	Binary  string    // "" means Binary()
	Flags   []string  // further flags of every agent
	Proxied bool      // put a Proxy before every peer port, for Links to cut
	Record  *Recorder // of what passes those; nil: nobody records
	TLS     bool      // serve https, by --tls-auto; the cluster's client trusts its authority
	// Wrap may change the command of a master, for example to run it in a mount namespace of its own.
	Wrap func(m *Master)
}

// Cluster is a number of masters with one key file.
type Cluster struct {
	Dir, Binary, KeyFile string
	CA                   []byte // PEM, of a cluster with TLS once it has started
	Client               *Client
	Links                *Links
	Masters              []*Master // in the order of their names; grows by Add only

	options Options
	hash    string     // of SuperuserPassword
	mu      sync.Mutex // guards Masters against Add
	tokenMu sync.Mutex // guards token
	token   string
	closers closers
}

// Start forms a new cluster and waits until every master answers linearizable reads.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c, err := Prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.startAll(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Prepare is Start without starting anything: a test that wants to see single steps starts the masters itself.
func Prepare(ctx context.Context, o Options) (*Cluster, error) {
	if o.Masters == 0 {
		o.Masters = 3
	}
	if o.Binary == "" {
		binary, err := Binary(ctx, o.Dir)
		if err != nil {
			return nil, err
		}
		o.Binary = binary
	}
	c := &Cluster{Dir: o.Dir, Binary: o.Binary, Client: NewClient(15 * time.Second), Links: NewLinks(), options: o,
		KeyFile: filepath.Join(o.Dir, "cluster.key")}
	c.closers.add(c.Client.Close)
	if err := c.makeKeys(ctx); err != nil {
		return nil, err
	}
	for i := range o.Masters {
		if _, err := c.add("m" + strconv.Itoa(i+1)); err != nil {
			c.Close()
			return nil, err
		}
	}
	for _, m := range c.Masters {
		if err := c.command(m, o.Masters); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *Cluster) startAll(ctx context.Context) error {
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			return err
		}
	}
	if c.options.TLS {
		if err := c.trust(ctx); err != nil {
			return err
		}
	}
	return c.AwaitHealthy(ctx, formLimit)
}

// trust makes the cluster's client one that trusts the authority that the first master hands out.
func (c *Cluster) trust(ctx context.Context) error {
	err := Await(ctx, formLimit, "the certificate authority", func(ctx context.Context) (err error) {
		c.CA, err = FetchCA(ctx, c.Masters[0].API)
		return err
	})
	if err != nil {
		return err
	}
	config, err := Trusting(c.CA)
	if err != nil {
		return err
	}
	c.Client.Close()
	c.Client = NewTLSClient(15*time.Second, config)
	c.closers.add(c.Client.Close)
	return nil
}

// AwaitHealthy waits until every running master answers linearizable reads.
func (c *Cluster) AwaitHealthy(ctx context.Context, limit time.Duration) error {
	for _, m := range c.Running() {
		if err := m.AwaitHealthy(ctx, c.Client, limit); err != nil {
			return err
		}
	}
	return nil
}

// Close kills every master and removes what the rig made outside Dir.
func (c *Cluster) Close() { c.closers.run() }

// Add starts a further master, which joins the cluster. Its command line is that of the others but for its own places.
func (c *Cluster) Add(name string) (*Master, error) {
	m, err := c.add(name)
	if err != nil {
		return nil, err
	}
	if err := c.command(m, c.options.Masters); err != nil {
		return nil, err
	}
	return m, m.Start()
}

func (c *Cluster) add(name string) (*Master, error) {
	m, err := newMaster(c.Dir, name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.Masters = append(c.Masters, m)
	c.mu.Unlock()
	c.closers.add(func() {
		_ = m.Kill()
		_ = os.Remove(m.AdminSocket)
	})
	return m, nil
}

// command writes the master's command line. Wherever a flag of the agent is named, it is named here.
func (c *Cluster) command(m *Master, expect int) error {
	m.Argv = []string{
		c.Binary, "agent", "--name", m.Name, "--data-dir", m.DataDir, "--cluster-key-file", c.KeyFile,
		"--listen", m.Address(), "--peer-listen", m.Peer, "--gossip-listen", m.Gossip,
		"--admin-socket", m.AdminSocket, "--expect", strconv.Itoa(expect), "--join", strings.Join(c.gossip(), ","),
		"--superuser-username", Superuser, "--superuser-password-hash", c.hash,
	}
	if c.options.TLS {
		m.API = "https://" + m.Address()
		m.Argv = append(m.Argv, "--tls-auto")
	}
	if c.options.Proxied {
		proxy, err := NewProxy(m.Name, m.Peer, c.Links, func(accepted net.Conn) string { return whoDials(accepted, c.all()) }, c.options.Record)
		if err != nil {
			return err
		}
		c.closers.add(proxy.Close)
		m.Argv = append(m.Argv, "--peer-advertise", proxy.Addr)
	}
	m.Argv = append(m.Argv, c.options.Flags...)
	if c.options.Wrap != nil {
		c.options.Wrap(m)
	}
	return nil
}

func (c *Cluster) gossip() []string {
	var addrs []string
	for _, m := range c.Masters {
		addrs = append(addrs, m.Gossip)
	}
	return addrs
}

// all is a copy of Masters for other goroutines than the test's.
func (c *Cluster) all() []*Master {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.Masters)
}

// makeKeys makes the cluster key file and the hash of the superuser's password with the binary under test.
func (c *Cluster) makeKeys(ctx context.Context) error {
	if _, err := c.Run(ctx, "", "keygen", "--output", c.KeyFile); err != nil {
		return err
	}
	hash, err := c.Run(ctx, SuperuserPassword+"\n", "hash-password")
	c.hash = strings.TrimSpace(hash)
	return err
}

// Running are the masters that run now.
func (c *Cluster) Running() []*Master {
	return slices.DeleteFunc(c.all(), func(m *Master) bool { return m.PID() == 0 })
}

// Token is a token of the superuser, fetched once from any master.
func (c *Cluster) Token(ctx context.Context) (string, error) {
	c.tokenMu.Lock()
	defer c.tokenMu.Unlock()
	if c.token != "" {
		return c.token, nil
	}
	err := errors.New("no master runs")
	for _, m := range c.Running() {
		if c.token, err = c.Client.Login(ctx, m.API, Superuser, SuperuserPassword); err == nil {
			return c.token, nil
		}
	}
	return "", err
}

// Leader waits for a leader that some running master reports and that runs itself.
func (c *Cluster) Leader(ctx context.Context) (leader *Master, err error) {
	token, err := c.Token(ctx)
	if err != nil {
		return nil, err
	}
	err = Await(ctx, formLimit, "a leader", func(ctx context.Context) (err error) {
		leader, err = c.leader(ctx, token)
		return err
	})
	return leader, err
}

func (c *Cluster) leader(ctx context.Context, token string) (*Master, error) {
	err := errors.New("no master runs")
	for _, m := range c.Running() {
		var list []MasterInfo
		if list, err = c.Client.Masters(ctx, m.API, token); err != nil {
			continue
		}
		for _, row := range list {
			if found := c.byName(row.Name); row.Leader && found != nil && found.PID() != 0 {
				return found, nil
			}
		}
		err = fmt.Errorf("%s knows of no leader: %+v", m.Name, list)
	}
	return nil, err
}

// Followers are the running masters but for the leader.
func (c *Cluster) Followers(leader *Master) []*Master {
	return slices.DeleteFunc(c.Running(), func(m *Master) bool { return m == leader })
}

// Names are the names of all masters.
func (c *Cluster) Names() []string {
	var names []string
	for _, m := range c.Masters {
		names = append(names, m.Name)
	}
	return names
}

func (c *Cluster) byName(name string) *Master {
	for _, m := range c.Masters {
		if m.Name == name {
			return m
		}
	}
	return nil
}
