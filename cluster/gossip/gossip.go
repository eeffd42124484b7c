// Package gossip finds out which masters are around, with memberlist. What it says is a hint: it fills the address
// book and names candidates, and nothing is decided on it.
package gossip

import (
	"context"
	"errors"
	"log/slog"
)

// Meta is what a master tells the others about itself. Encoded it must fit 512 bytes.
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
	BindAddr  string
	Port      int
	Advertise string
	Name      string // the server id
	Keys      [][]byte
	Meta      func() Meta
	Logger    *slog.Logger
	OnChange  func()
}

// Gossip is a running memberlist.
type Gossip struct{}

// Start binds the port and begins to answer.
func Start(cfg Config) (*Gossip, error) { return nil, errors.New("stub") }

// Members are the masters thought alive, this one included.
func (g *Gossip) Members() []Member { return nil }

// Join contacts the addresses once; every A and AAAA record of a name is tried.
func (g *Gossip) Join(ctx context.Context, addrs []string) (int, error) { return 0, nil }

// Update spreads a changed Meta.
func (g *Gossip) Update() {}

// Port is the bound port.
func (g *Gossip) Port() int { return 0 }

// Leave says goodbye.
func (g *Gossip) Leave(ctx context.Context) error { return nil }

// Shutdown stops gossiping.
func (g *Gossip) Shutdown() error { return nil }
