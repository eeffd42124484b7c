package keyholder

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"gatehouse/keyring/barrier"
	"gatehouse/keyring/secretmem"
)

// takePause is how long a master that was told to get a key waits between two attempts.
const takePause = 5 * time.Millisecond

// Distribute has every other master get the root key of a store that was just opened here, and returns the names of those
// that have not got it when ctx ends: they get it by themselves when they are back.
func (h *Holder) Distribute(ctx context.Context, store string, epoch uint64) (unreached []string) {
	missed, _ := h.tell(ctx, takePath, call{Store: store, Epoch: epoch})
	for _, p := range missed {
		unreached = append(unreached, p.Name)
	}
	return unreached
}

// tell makes the same call to all other masters and returns those that did not do what they were asked, and those that did.
func (h *Holder) tell(ctx context.Context, path string, c call) (missed, done []Peer) {
	peers := h.Cluster.Peers()
	errs := make([]error, len(peers))
	var all sync.WaitGroup
	for i, p := range peers {
		all.Go(func() { errs[i] = h.post(ctx, p.ID, path, c, nil) })
	}
	all.Wait()
	for i, p := range peers {
		if errs[i] != nil {
			missed = append(missed, p)
			h.Logger.Warn("another master has not taken the keys of a store", "master", p.Name, "store", c.Store, "error", errs[i])
			continue
		}
		done = append(done, p)
	}
	return missed, done
}

// offer is a root key that others may get from here while the call of Offer lasts.
type offer struct {
	rootID string
	mu     sync.Mutex // guards root: it is wiped when the call ends
	root   *secretmem.Buffer
}

func (o *offer) wipe() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.root.Wipe()
}

// Offer has the masters take the root key that a rekey is about to make the store's, so that no master is without keys after
// it. It fails unless a majority of the voters, this master among them, has taken it.
func (h *Holder) Offer(ctx context.Context, store, rootID string, check, root []byte) error {
	if err := h.Barrier.Offer(store, rootID, check, root); err != nil {
		return fmt.Errorf("offer a root key here: %w", err)
	}
	o := &offer{rootID: rootID, root: secretmem.Alloc(barrier.KeySize)}
	defer o.wipe()
	secretmem.Do(func() { copy(o.root.Bytes(), root) })
	h.putOffer(store, o)
	defer h.dropOffer(store, o)
	_, done := h.tell(ctx, acceptOf, call{Store: store, RootID: rootID, Check: check})
	isVoter := func(p Peer) bool { return p.Voter }
	voters, took := 1+count(h.Cluster.Peers(), isVoter), 1+count(done, isVoter)
	if 2*took <= voters {
		return fmt.Errorf("only %d of %d voting masters have taken the new root key", took, voters)
	}
	return nil
}

func count(peers []Peer, is func(Peer) bool) int {
	return len(peers) - len(slices.DeleteFunc(slices.Clone(peers), is))
}

func (h *Holder) putOffer(store string, o *offer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.offers[store] = o
}

func (h *Holder) dropOffer(store string, o *offer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.offers[store] == o {
		delete(h.offers, store)
	}
}

// giveOffer seals the root key that this master offers to a peer.
func (h *Holder) giveOffer(to Peer, in call) (*reply, error) {
	h.mu.Lock()
	o := h.offers[in.Store]
	h.mu.Unlock()
	if o == nil || o.rootID != in.RootID {
		return nil, errNotThere
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.root.Bytes() == nil {
		return nil, errNotThere
	}
	return h.sealed(h.Machine.State().Meta().ClusterID, to, in, o.root.Bytes())
}

// accept gets the root key that a peer offers. It is of use only to a master on which the store is open.
func (h *Holder) accept(ctx context.Context, from Peer, in call) error {
	cluster := h.Machine.State().Meta().ClusterID
	q := question{Cluster: cluster, Asker: h.Cluster.ID(), Answerer: from.ID, Store: in.Store, RootID: in.RootID}
	root, err := h.askRoot(ctx, from.ID, offerPath, q)
	if err != nil {
		return errNotThere
	}
	defer root.Wipe()
	if err := h.Barrier.Offer(in.Store, in.RootID, in.Check, root.Bytes()); err != nil {
		h.Logger.Warn("offered root key not taken", "store", in.Store, "error", err)
		return errNotThere
	}
	return nil
}
