package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// rollbackPatience bounds the wait for peers before Raft starts. When the whole cluster starts at once nobody answers
// and nobody remembers.
const rollbackPatience = 1500 * time.Millisecond

// checkRollback asks the peers how far they have seen this server, before it takes part again. A voter whose disk was
// set back, by an old image of its machine or by a store that lied about fsync, has forgotten votes and entries that
// others rely on; it must not go on under its old id.
func (n *Node) checkRollback(ctx context.Context) error {
	own, err := n.storedPosition()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, rollbackPatience)
	defer cancel()
	n.greetAll(ctx)
	for _, h := range n.meetings.recent(2 * rollbackPatience) {
		if err := n.compareMemory(own, h); err != nil {
			return err
		}
	}
	return nil
}

// storedPosition is how far this server's own disk goes.
func (n *Node) storedPosition() (p position, err error) {
	p.Term, err = n.stores.Stable.GetUint64([]byte("CurrentTerm"))
	if err != nil && err.Error() != "not found" { // the library's contract for absent keys
		return p, fmt.Errorf("read the current term: %w", err)
	}
	if p.Index, err = n.stores.Log.LastIndex(); err != nil {
		return p, fmt.Errorf("read the end of the log: %w", err)
	}
	snapshots, err := n.stores.Snapshots.List()
	if err != nil {
		return p, fmt.Errorf("list the snapshots: %w", err)
	}
	for _, s := range snapshots {
		p.Index = max(p.Index, s.Index)
	}
	return p, nil
}

// compareMemory refuses to go on when a peer remembers more of this server than its disk does.
func (n *Node) compareMemory(own position, h hello) error {
	forgot := h.Seen.Term > own.Term || h.Seen.Index > own.Index
	if own.Index == 0 && n.identityNow().Promise == nil && slices.Contains(h.Voters, n.id) {
		forgot = true
	}
	if !forgot {
		return nil
	}
	return fmt.Errorf("data directory %s is older than what this server has already told others: master %s (%s) saw it at term %d, index %d, and its disk ends at term %d, index %d. "+
		"It may have been restored from an old image. Remedy: move the data directory away and start this machine as a new master, then remove server %s",
		n.cfg.DataDir, h.ID, h.Name, h.Seen.Term, h.Seen.Index, own.Term, own.Index, n.id)
}
