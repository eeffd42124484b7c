package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// admit decides whether a peer with a valid certificate may speak a protocol. HTTP is decided per request. Raft and
// the echo are for members: somebody who holds the key file but was never added, or was removed, could otherwise
// depose leaders.
func (n *Node) admit(ctx context.Context, peer peerName, proto string) error {
	if proto == protoHTTP {
		return nil
	}
	if n.raft.Load() == nil {
		return errors.New("raft is not running yet")
	}
	if n.removed(peer.server) {
		return fmt.Errorf("server %s was removed from the cluster", peer.server)
	}
	if len(n.configuration()) == 0 {
		return nil // about to be founded or just joined: whoever leads is unknown here
	}
	if _, ok := n.configured(peer.server); ok {
		return nil
	}
	return n.vouch(ctx, peer.server)
}

// vouch asks known members whether a server unknown here is a member. A follower that lags must accept a leader that
// it has not heard of yet.
func (n *Node) vouch(ctx context.Context, id string) error {
	if n.vouched.fresh(id) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	found := make(chan bool)
	asked := 0
	for _, s := range n.configuration() {
		if string(s.ID) == n.id {
			continue
		}
		asked++
		go func() {
			var known bool
			_, err := n.client.call(ctx, n.client.byID, n.client.hostOf(string(s.ID)), "/peer/v1/vouch", id, &known)
			select {
			case found <- err == nil && known:
			case <-ctx.Done():
			}
		}()
	}
	for range asked {
		select {
		case ok := <-found:
			if ok {
				n.vouched.add(id)
				return nil
			}
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("server %s is not a member of the cluster and no member vouches for it", id)
}

// handleVouch answers whether a server is in this server's configuration.
func (n *Node) handleVouch(w http.ResponseWriter, r *http.Request) {
	var id string
	if !readCall(w, r, &id) {
		return
	}
	_, known := n.configured(id)
	answerCall(w, known && !n.removed(id))
}

// vouchers remembers for a short time for whom members vouched.
type vouchers struct {
	mu    sync.Mutex // guards until
	until map[string]time.Time
}

const vouchAge = 10 * time.Second

func (v *vouchers) fresh(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Now().Before(v.until[id])
}

func (v *vouchers) add(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.until == nil || len(v.until) > 64 {
		v.until = map[string]time.Time{}
	}
	v.until[id] = time.Now().Add(vouchAge)
}
