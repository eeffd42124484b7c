package gossip

import (
	"encoding/json"

	"github.com/hashicorp/memberlist"
)

// delegate is what memberlist calls back.
type delegate struct{ g *Gossip }

// NodeMeta implements memberlist.Delegate.
func (d delegate) NodeMeta(limit int) []byte { return encodeMeta(d.g.cfg.Meta(), limit) }

// encodeMeta leaves out what does not fit, the least needed first. The id and the expected number always fit.
func encodeMeta(m Meta, limit int) []byte {
	shorten := []func(){
		func() {},
		func() { m.Version = "" },
		func() { m.Name = "" },
		func() { m.API = "" },
		func() { m.Peer = "" },
	}
	for _, f := range shorten {
		f()
		if b, err := json.Marshal(m); err == nil && len(b) <= limit {
			return b
		}
	}
	return nil
}

// NotifyMsg implements memberlist.Delegate; we send no messages and read none.
func (delegate) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate.
func (delegate) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate.
func (delegate) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (delegate) MergeRemoteState([]byte, bool) {}

func (d delegate) changed() {
	if d.g.cfg.OnChange != nil {
		d.g.cfg.OnChange()
	}
}

// NotifyJoin implements memberlist.EventDelegate.
func (d delegate) NotifyJoin(*memberlist.Node) { d.changed() }

// NotifyLeave implements memberlist.EventDelegate.
func (d delegate) NotifyLeave(*memberlist.Node) { d.changed() }

// NotifyUpdate implements memberlist.EventDelegate.
func (d delegate) NotifyUpdate(*memberlist.Node) { d.changed() }
