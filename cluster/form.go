package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatehouse/cluster/disk"
)

// Formation of the first cluster. Every master starts with the same --expect N. Once a master sees exactly N
// candidates that all expect N and have no cluster, the one with the lowest id asks each of them to promise that exact
// set of ids, and each writes its promise down before it answers. With all N promises the lowest writes the first
// configuration, and the others follow once they see that it did.
//
// Two clusters cannot come out of it: only the lowest id of a set may form it, with the promise of every member, and a
// member promises another set only when the one that could form the first asks for it, which by then has given the
// first up. Whatever is unclear (too many candidates, different N, a promise to somebody else, a cluster that exists)
// leads to nothing but a log line.

// candidateAge is how fresh a candidate's hello must be.
const candidateAge = 3 * time.Second

// clusterIDOf names the cluster of a set of servers, so that all of them know the name without being told: the UUID
// form (RFC 9562 version 8) of SHA-256 over the sorted ids.
func clusterIDOf(servers []string) string {
	h := sha256.Sum256([]byte("gatehouse cluster\n" + strings.Join(servers, "\n")))
	b := h[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// outlook is all that the next step of formation depends on.
type outlook struct {
	self     disk.Identity
	expect   int
	maxLevel int
	seeds    bool // there are addresses where others may be found
	rounds   int  // complete rounds of hellos
	peers    []hello
}

// step is the decision. At most one of adopt, propose and err is set; wait says why nothing happens otherwise.
type step struct {
	adopt   string   // take this existing cluster's id and join it
	propose []string // ask these servers for their promise
	wait    string
	err     error // this master cannot go on
}

// next decides what a master without a cluster does. It is pure.
func (o outlook) next() step {
	formed := slices.DeleteFunc(slices.Clone(o.peers), func(h hello) bool { return !h.formed() })
	if len(formed) > 0 {
		return o.meetCluster(formed)
	}
	if o.expect == 0 {
		return step{wait: "no cluster found yet; without --expect this master only joins one"}
	}
	candidates := slices.DeleteFunc(slices.Clone(o.peers), func(h hello) bool { return h.Expect == 0 })
	set := []string{o.self.ServerID}
	for _, c := range candidates {
		if c.Expect != o.expect {
			return step{wait: fmt.Sprintf("master %s (%s) expects %d masters and this one %d; all must be started with the same --expect", c.ID, c.Name, c.Expect, o.expect)}
		}
		set = append(set, c.ID)
	}
	slices.Sort(set)
	if len(set) > o.expect {
		return step{wait: fmt.Sprintf("%d masters without a cluster were found, %d are expected; stop those that do not belong here: %s", len(set), o.expect, strings.Join(set, ", "))}
	}
	if len(set) < o.expect {
		if p := o.self.Promise; p == nil || p.Servers[0] != o.self.ServerID {
			return step{wait: o.missing(len(set))}
		}
		set = o.self.Promise.Servers // its members may have their reasons to be silent; asking them tells
	}
	switch {
	case set[0] != o.self.ServerID:
		return step{wait: fmt.Sprintf("waiting for master %s, which has the lowest id, to form the cluster", set[0])}
	case o.expect == 1 && o.seeds && o.rounds < 4:
		return step{wait: "looking for other masters before forming a cluster of one"}
	}
	return step{propose: set}
}

func (o outlook) missing(found int) string {
	why := fmt.Sprintf("%d of %d expected masters found", found, o.expect)
	if p := o.self.Promise; p != nil {
		why += fmt.Sprintf("; this master promised to form a cluster with %s and waits for %s. If the data of one of them is lost, stop all masters, remove their data directories (nothing is stored yet) and start again",
			strings.Join(p.Servers, ", "), p.Servers[0])
	}
	return why
}

// meetCluster decides what to do about a cluster that exists already.
func (o outlook) meetCluster(formed []hello) step {
	id := formed[0].ClusterID
	for _, h := range formed {
		if h.ClusterID != id {
			return step{wait: fmt.Sprintf("masters of two clusters answer, %s and %s; which one to join is not for this master to decide", id, h.ClusterID)}
		}
		if h.Level > o.maxLevel {
			return step{err: tooOld(h.Level, o.maxLevel)}
		}
	}
	promised := o.self.Promise != nil && clusterIDOf(o.self.Promise.Servers) == id
	switch {
	case promised:
		return step{adopt: id}
	case o.self.Promise != nil && o.self.Promise.Servers[0] != o.self.ServerID:
		return step{wait: fmt.Sprintf("cluster %s exists, but this master promised to form another one with %s; if that was never formed, remove the data directory (nothing is stored yet) and start again", id, strings.Join(o.self.Promise.Servers, ", "))}
	}
	for _, h := range formed {
		if slices.Contains(h.Servers, o.self.ServerID) {
			return step{err: fmt.Errorf("cluster %s knows this server, %s, as a member, but its log and votes are gone here: move the data directory away and start as a new master", id, o.self.ServerID)}
		}
	}
	return step{adopt: id}
}

// form returns once this master has a cluster and its stores are open.
func (n *Node) form(ctx context.Context) error {
	said, saidAt := "", time.Time{}
	for n.ClusterID() == "" {
		changed := n.changed.wait()
		s := n.tryForm(ctx)
		if s.err != nil {
			return s.err
		}
		n.health.forming.Store(&s.wait)
		if s.wait != "" && (s.wait != said || time.Since(saidAt) > 10*time.Second) {
			n.log.Info("no cluster yet: " + s.wait)
			said, saidAt = s.wait, time.Now()
		}
		if n.ClusterID() != "" {
			break
		}
		select {
		case <-changed:
			sleep(ctx, jitter(20*time.Millisecond))
		case <-time.After(greetForming):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	none := ""
	n.health.forming.Store(&none)
	n.idMu.Lock()
	defer n.idMu.Unlock()
	if n.stores != nil {
		return nil
	}
	return n.openStores()
}

// tryForm takes one step. A wait in the answer says why there is no cluster yet.
func (n *Node) tryForm(ctx context.Context) step {
	n.formMu.Lock()
	defer n.formMu.Unlock()
	s := n.outlook().next()
	var err error
	switch {
	case s.adopt != "":
		err = n.adopt(s.adopt)
	case s.propose != nil:
		if s.wait, err = n.propose(ctx, s.propose); err == nil && s.wait == "" {
			err = n.adopt(clusterIDOf(s.propose))
		}
	}
	if err != nil {
		s.err = err
	}
	return s
}

func (n *Node) outlook() outlook {
	return outlook{
		self: n.identityNow(), expect: n.cfg.Expect, maxLevel: n.cfg.MaxLevel, rounds: n.meetings.rounds(),
		seeds: len(n.cfg.Join)+len(n.cfg.StaticPeers) > 0, peers: n.meetings.recent(candidateAge),
	}
}

// adopt makes a cluster this master's own, for ever.
func (n *Node) adopt(clusterID string) error {
	if err := n.remember(func(i *disk.Identity) { i.ClusterID = clusterID }); err != nil {
		return err
	}
	n.log.Info("this master belongs to a cluster now", "cluster", clusterID)
	return n.port.identify(clusterID)
}

// promise is the body of /peer/v1/promise.
type promise struct {
	Servers []string `json:"servers"`
}

// propose writes down the own promise and asks the others for theirs. It returns why that failed, or "".
func (n *Node) propose(ctx context.Context, servers []string) (wait string, err error) {
	if err := n.remember(func(i *disk.Identity) { i.Promise = &disk.Promise{Servers: servers} }); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	for _, id := range servers {
		if id == n.id {
			continue
		}
		var reply promise
		_, err := n.client.call(ctx, n.client.byID, n.client.hostOf(id), "/peer/v1/promise", promise{servers}, &reply)
		if err == nil && !slices.Equal(reply.Servers, servers) {
			err = errors.New("it promised another set")
		}
		if err != nil {
			return fmt.Sprintf("master %s does not promise to form the cluster of %s: %v", id, strings.Join(servers, ", "), err), nil
		}
	}
	return "", nil
}

// handlePromise gives or refuses this master's promise.
func (n *Node) handlePromise(w http.ResponseWriter, r *http.Request) {
	var p promise
	if !readCall(w, r, &p) {
		return
	}
	n.formMu.Lock()
	defer n.formMu.Unlock()
	if why := n.outlook().refuse(PeerOf(r), p.Servers); why != "" {
		n.log.Warn("promise refused", "to", PeerOf(r), "servers", p.Servers, "reason", why)
		http.Error(w, why, http.StatusConflict)
		return
	}
	if err := n.remember(func(i *disk.Identity) { i.Promise = &disk.Promise{Servers: p.Servers} }); err != nil {
		n.log.Error("promise not saved", "error", err)
		http.Error(w, "the promise could not be saved", http.StatusInternalServerError)
		return
	}
	answerCall(w, p)
}

// refuse says why a promise must not be given, or "".
func (o outlook) refuse(proposer string, servers []string) string {
	switch {
	case o.self.ClusterID != "":
		return "this master belongs to a cluster already"
	case o.expect != len(servers):
		return fmt.Sprintf("this master expects %d masters, not %d", o.expect, len(servers))
	case !slices.IsSorted(servers) || len(slices.Compact(slices.Clone(servers))) != len(servers):
		return "the set is not sorted or names a server twice"
	case servers[0] != proposer:
		return "only the lowest id of a set may form it"
	case !slices.Contains(servers, o.self.ServerID):
		return "this master is not in the set"
	}
	for _, h := range o.peers {
		switch {
		case h.formed():
			return fmt.Sprintf("cluster %s exists already", h.ClusterID)
		case h.Expect != 0 && h.Expect != o.expect:
			return fmt.Sprintf("master %s expects %d masters, this one %d", h.ID, h.Expect, o.expect)
		case h.Expect != 0 && !slices.Contains(servers, h.ID):
			return fmt.Sprintf("this master also sees %s, which is not in the set", h.ID)
		}
	}
	if p := o.self.Promise; p != nil && !slices.Equal(p.Servers, servers) && p.Servers[0] != proposer {
		return fmt.Sprintf("this master promised to form a cluster with %s", strings.Join(p.Servers, ", "))
	}
	return ""
}

// finishBootstrap writes the first configuration if this master is the one to do it and it is not written yet. A
// crash between the promises and this, or inside this, is made good here.
func (n *Node) finishBootstrap() error {
	id := n.identityNow()
	p := id.Promise
	if p == nil || p.Servers[0] != n.id || clusterIDOf(p.Servers) != id.ClusterID {
		return nil
	}
	last, err := n.stores.Log.LastIndex()
	if err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	snapshots, err := n.stores.Snapshots.List()
	if err != nil || last > 0 || len(snapshots) > 0 {
		return err
	}
	if err := n.bootstrap(p.Servers); err != nil {
		return err
	}
	n.log.Info("cluster formed", "cluster", id.ClusterID, "servers", p.Servers)
	return nil
}
