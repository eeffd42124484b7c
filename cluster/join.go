package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/fault"
)

const (
	maxJoins     = 4 // handled at once; more are told to come again
	joinTimeout  = 10 * time.Second
	joinInterval = time.Second
)

// joinRequest is the body of /peer/v1/join. Who asks is in the certificate; it cannot ask for a vote.
type joinRequest struct {
	Peer     string   `json:"peer"` // its address
	Name     string   `json:"name"`
	MaxLevel int      `json:"max_level"`
	Keys     []string `json:"keys,omitempty"` // ids of the keys of its key file
}

// joinAnswer says who leads, when the one asked does not.
type joinAnswer struct {
	Joined bool   `json:"joined"`
	Leader string `json:"leader,omitempty"`
	Peer   string `json:"peer,omitempty"` // the leader's address
}

// join asks to become a member until the log says that this server is one. A server that has a configuration without
// itself is either catching up towards the entry that adds it, or was removed; neither asks.
func (n *Node) join(ctx context.Context) error {
	if n.identityNow().Promise != nil {
		return nil // a founder: the first configuration names it
	}
	said := time.Time{}
	for len(n.configuration()) == 0 {
		if err := n.askToJoin(ctx); err != nil && time.Since(said) > 10*time.Second {
			said = time.Now()
			n.log.Warn("not a member of the cluster yet", "cluster", n.ClusterID(), "error", err)
		}
		if !sleep(ctx, joinInterval+jitter(joinInterval/4)) {
			return nil
		}
	}
	return nil
}

// askToJoin asks the masters of the cluster one after the other, following the first hint to the leader.
func (n *Node) askToJoin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	err := errors.New("no master of the cluster answers")
	for _, h := range n.meetings.recent(time.Minute) {
		if !h.formed() || h.ClusterID != n.ClusterID() {
			continue
		}
		var a joinAnswer
		if a, err = n.askOne(ctx, h.ID); err != nil {
			continue
		}
		if a.Joined {
			return nil
		}
		n.book.learn(a.Leader, a.Peer, fromHello)
		if a, err = n.askOne(ctx, a.Leader); err == nil && a.Joined {
			return nil
		}
		if err == nil {
			err = errors.New("the masters do not agree on the leader yet")
		}
	}
	return err
}

func (n *Node) askOne(ctx context.Context, id string) (a joinAnswer, err error) {
	_, err = n.client.call(ctx, n.client.byID, n.client.hostOf(id), "/peer/v1/join",
		joinRequest{Peer: n.cfg.PeerAdvertise, Name: n.cfg.Name, MaxLevel: n.cfg.MaxLevel, Keys: n.cfg.KeyIDs}, &a)
	if err != nil {
		return a, fmt.Errorf("ask %s to join: %w", id, err)
	}
	return a, nil
}

// handleJoin adds the caller as a non-voter, on the leader; elsewhere it names the leader.
func (n *Node) handleJoin(w http.ResponseWriter, r *http.Request) {
	select {
	case n.joins <- struct{}{}:
		defer func() { <-n.joins }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many servers join at once", http.StatusTooManyRequests)
		return
	}
	var req joinRequest
	if !readCall(w, r, &req) {
		return
	}
	id := PeerOf(r)
	leader, self, ok := n.Leader()
	switch {
	case !ok:
		http.Error(w, "the cluster has no leader now", http.StatusServiceUnavailable)
		return
	case !self:
		answerCall(w, joinAnswer{Leader: leader, Peer: first(n.book.find(leader))})
		return
	}
	n.book.learn(id, req.Peer, fromHello)
	if err := n.addNonvoter(r.Context(), id, req); err != nil {
		n.log.Warn("join refused", "server", id, "name", req.Name, "error", err)
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	answerCall(w, joinAnswer{Joined: true})
}

// addNonvoter makes a server a member without a vote. A member stays what it is.
func (n *Node) addNonvoter(ctx context.Context, id string, req joinRequest) error {
	switch _, leaving := n.removing.Load(id); {
	case n.cfg.Removed(id) || leaving:
		return errors.New("this server was removed from the cluster; its data directory cannot be used again")
	case req.MaxLevel < n.cfg.Level():
		return tooOld(n.cfg.Level(), req.MaxLevel)
	}
	if primary := n.cfg.PrimaryKey(); primary != "" && !slices.Contains(req.Keys, primary) {
		return fmt.Errorf("its key file lacks the key %s, with which the cluster seals: copy the file of a master", primary)
	}
	if s, ok := n.configured(id); ok {
		if s.Suffrage == raft.Voter {
			return errors.New("this server id is a voter; a server without its log must join under a new id")
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	add := func(r *raft.Raft) raft.IndexFuture {
		return r.AddNonvoter(raft.ServerID(id), raft.ServerAddress(id), n.machine.configIndex.Load(), time.Second)
	}
	if _, err := await(ctx, n, add, nil); err != nil {
		return fmt.Errorf("add the server: %w", err)
	}
	n.log.Info("server joined without a vote", "server", id, "name", req.Name)
	return nil
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// errNotMember is what a server that is not in the configuration is told.
func errNotMember(id string) error {
	return fault.New(fault.UnknownMaster, "server %s is not a member of the cluster", id)
}
