// Package gossip finds out which masters are around, with memberlist. What it says is a hint: it fills the address
// book and names candidates, and nothing is decided on it. Whoever holds the key file can say anything here.
package gossip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
)

// label keeps the traffic of other memberlist users out, before any decryption.
const label = "gatehouse"

// deadReclaim is how long a name must have been dead before another address may take it: a master that moved.
const deadReclaim = 10 * time.Second

// Meta is what a master tells the others about itself. Encoded it must fit 512 bytes; what is too long is left out,
// the least needed first.
type Meta struct {
	ID        string `json:"i"`
	Name      string `json:"n,omitempty"`
	API       string `json:"a,omitempty"`
	Peer      string `json:"p,omitempty"`
	Version   string `json:"v,omitempty"`
	MaxLevel  int    `json:"l,omitempty"`
	Expect    int    `json:"e,omitempty"`
	ClusterID string `json:"c,omitempty"`
}

// Member is one master that was heard of and is thought alive.
type Member struct {
	ID, Name string
	Meta     Meta
	Addr     string // host:port of its gossip
}

// Config says how to gossip.
type Config struct {
	BindAddr  string      // "" means every address
	Port      int         // tcp and udp; 0 lets the system choose
	Advertise string      // host or host:port told to others; "" means found out
	Name      string      // the server id
	Keys      [][]byte    // 32 bytes each; the first encrypts, all decrypt
	Meta      func() Meta // asked whenever it is to be told
	Logger    *slog.Logger
	OnChange  func() // called when a member came, went or changed; must not block
	// LookupHost resolves the names given to Join; nil means the system's resolver.
	LookupHost func(ctx context.Context, host string) ([]string, error)
}

// Gossip is a running memberlist. Its methods are safe for concurrent use.
type Gossip struct {
	list *memberlist.Memberlist
	ring *memberlist.Keyring
	cfg  Config
}

// Start binds the port and begins to answer. Without keys it refuses: unencrypted gossip would be open to anybody.
func Start(cfg Config) (*Gossip, error) {
	if len(cfg.Keys) == 0 {
		return nil, errors.New("gossip needs a key")
	}
	ring, err := memberlist.NewKeyring(cfg.Keys, cfg.Keys[0])
	if err != nil {
		return nil, fmt.Errorf("gossip keys: %w", err)
	}
	if cfg.LookupHost == nil {
		cfg.LookupHost = net.DefaultResolver.LookupHost
	}
	g := &Gossip{cfg: cfg, ring: ring}
	c := memberlist.DefaultLANConfig()
	c.Name = cfg.Name
	c.Label = label
	c.Keyring = ring
	c.GossipVerifyIncoming, c.GossipVerifyOutgoing = true, true
	c.EnableCompression = false // decompression has been a way to use up memory
	c.RequireNodeNames = true
	c.DeadNodeReclaimTime = deadReclaim
	c.TCPTimeout = 3 * time.Second
	c.Delegate, c.Events = delegate{g}, delegate{g}
	c.Logger = newLogger(cfg.Logger)
	c.BindAddr, c.BindPort, c.AdvertisePort = cfg.BindAddr, cfg.Port, cfg.Port
	if c.BindAddr == "" {
		c.BindAddr = "0.0.0.0"
	}
	if err := advertise(c, cfg.Advertise); err != nil {
		return nil, err
	}
	bounded, err := listen(c.BindAddr, c.BindPort, c.Logger)
	if err != nil {
		return nil, fmt.Errorf("gossip on %s port %d: %w", c.BindAddr, cfg.Port, err)
	}
	c.Transport = bounded
	if cfg.Port == 0 {
		c.BindPort = bounded.GetAutoBindPort()
		c.AdvertisePort = c.BindPort
	}
	if g.list, err = memberlist.Create(c); err != nil {
		bounded.Shutdown()
		return nil, fmt.Errorf("gossip on %s port %d: %w", c.BindAddr, cfg.Port, err)
	}
	return g, nil
}

// advertise resolves host or host:port to the address that memberlist wants.
func advertise(c *memberlist.Config, addr string) error {
	if addr == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, ""
	}
	if port != "" {
		if c.AdvertisePort, err = strconv.Atoi(port); err != nil {
			return fmt.Errorf("gossip advertise address %q: %w", addr, err)
		}
	}
	ips, err := net.LookupHost(host)
	if err != nil {
		return fmt.Errorf("gossip advertise address %q: %w", addr, err)
	}
	c.AdvertiseAddr = ips[0]
	return nil
}

// Members are the masters thought alive, this one included.
func (g *Gossip) Members() []Member {
	nodes := g.list.Members()
	out := make([]Member, 0, len(nodes))
	for _, n := range nodes {
		m := Member{ID: n.Name, Addr: n.Address()}
		if json.Unmarshal(n.Meta, &m.Meta) == nil {
			m.Name = m.Meta.Name
		}
		out = append(out, m)
	}
	return out
}

// Update spreads a changed Meta.
func (g *Gossip) Update() error {
	if err := g.list.UpdateNode(time.Second); err != nil {
		return fmt.Errorf("spread the changed metadata: %w", err)
	}
	return nil
}

// Encrypt chooses the key that encrypts from now on, one of those of the Config.
func (g *Gossip) Encrypt(key []byte) error {
	if err := g.ring.UseKey(key); err != nil {
		return fmt.Errorf("encrypt with another key: %w", err)
	}
	return nil
}

// Port is the bound port.
func (g *Gossip) Port() int { return int(g.list.LocalNode().Port) }

// Addr is the host:port that others are told.
func (g *Gossip) Addr() string { return g.list.LocalNode().Address() }

// Alive is the number of members thought alive.
func (g *Gossip) Alive() int { return g.list.NumMembers() }

// Health is memberlist's own score; 0 is healthy.
func (g *Gossip) Health() int { return g.list.GetHealthScore() }

// Leave says goodbye, within the time that ctx leaves. If that is none it does nothing.
func (g *Gossip) Leave(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	timeout := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	if err := g.list.Leave(timeout); err != nil {
		return fmt.Errorf("leave the gossip: %w", err)
	}
	return nil
}

// Shutdown stops gossiping.
func (g *Gossip) Shutdown() error { return g.list.Shutdown() }
