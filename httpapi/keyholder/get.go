package keyholder

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/barrier"
)

const (
	// A master without keys asks again after firstPause, and after lastPause at the most.
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
	// patience bounds how long peers are asked, and how long a request waits for that.
	patience = time.Second
	// autoPatience bounds auto-unseal: a token may be slow.
	autoPatience = 10 * time.Second
	// complaintAfter is how many attempts in vain are normal: an unseal is under way, or nobody has the keys.
	complaintAfter = 3
)

// errNobody says that no master that was asked has the keys.
var errNobody = errors.New("no other master has the keys")

// errNotWanted says that the state does not want the store to be open here any more.
var errNotWanted = errors.New("the store is not to be opened here")

// wants reports whether the state says that a store is open, and it is not open here although it may be.
func (h *Holder) wants(s *secret.Store) bool {
	if s.Seal == nil || s.Sealed || s.Epoch <= h.here.epoch(s.Name) {
		return false
	}
	epoch, open := h.Barrier.Open(s.Name)
	return !open || epoch != s.Epoch
}

// pursue gets the keys of a store, again and again until they are here or not wanted any more.
func (h *Holder) pursue(ctx context.Context, store string) {
	pause := firstPause
	for attempt := 1; ctx.Err() == nil; attempt++ {
		err := h.acquire(ctx, store)
		if err == nil || errors.Is(err, errNotWanted) {
			return
		}
		if attempt == complaintAfter {
			h.Logger.Warn("store is not open on this master", "store", store, "error", err)
		}
		sleep(ctx, pause/2+rand.N(pause))
		pause = min(2*pause, lastPause)
	}
}

// Ensure is for a request that meets an open store without keys here. It asks the peers once, for at most a second, and all
// requests that wait share the question. Its error is fault.StoreSealed.
func (h *Holder) Ensure(ctx context.Context, store string) error {
	if _, open := h.Barrier.Open(store); open {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := h.acquire(ctx, store); err != nil {
		return fault.New(fault.StoreSealed, "The store `%s` is sealed.", store)
	}
	return nil
}

// acquire makes one attempt to get the keys of a store, together with whoever else makes one, until ctx ends.
func (h *Holder) acquire(ctx context.Context, store string) error {
	flight := h.flights.DoChan(store, func() (any, error) { // it goes on when those who wait have left
		return nil, h.attempt(context.WithoutCancel(ctx), store)
	})
	select {
	case r := <-flight:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt asks all peers, then auto-unseal, after a read index: what was sealed and acknowledged is not asked for any more.
func (h *Holder) attempt(ctx context.Context, store string) error {
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	want, err := h.wanted(asking, store)
	if err != nil {
		return err
	}
	if err = h.askPeers(asking, want); err == nil {
		return nil
	}
	ctx, cancel = context.WithTimeout(ctx, autoPatience)
	defer cancel()
	return h.autoUnseal(ctx, want, err)
}

// want is a root key that is to be got.
type want struct {
	cluster string
	store   *secret.Store
}

// wanted says what is to be got for a store, after a read index.
func (h *Holder) wanted(ctx context.Context, store string) (want, error) {
	if err := h.confirm(ctx); err != nil {
		return want{}, err
	}
	state := h.Machine.State()
	s, ok := state.Store(store)
	if !ok || !h.wants(s) {
		if _, open := h.Barrier.Open(store); open {
			return want{}, nil
		}
		return want{}, errNotWanted
	}
	return want{state.Meta().ClusterID, s}, nil
}

// confirm waits until this master has everything that was acknowledged before.
func (h *Holder) confirm(ctx context.Context) error {
	index, err := h.Cluster.ReadIndex(ctx)
	if err != nil {
		return fmt.Errorf("learn what was acknowledged: %w", err)
	}
	return h.Machine.WaitIndex(ctx, index)
}

// askPeers asks all at once and takes the first root key that opens the store.
func (h *Holder) askPeers(ctx context.Context, w want) error {
	if w.store == nil { // it is open by now
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	peers := h.Cluster.Peers()
	answers := make(chan error, len(peers))
	for _, p := range peers {
		go func() { answers <- h.fetch(ctx, w, p) }()
	}
	err := errNobody
	for range peers {
		switch failed := <-answers; {
		case failed == nil:
			return nil
		case !errors.Is(failed, errNotThere):
			err = errors.Join(err, failed)
		}
	}
	return err
}

// fetch gets the root key from one peer.
func (h *Holder) fetch(ctx context.Context, w want, p Peer) error {
	q := question{Cluster: w.cluster, Asker: h.Cluster.ID(), Answerer: p.ID, Store: w.store.Name, RootID: w.store.Seal.RootID, Epoch: w.store.Epoch}
	root, err := h.askRoot(ctx, p.ID, rootPath, q)
	h.meter.asked(err)
	if err != nil {
		return fmt.Errorf("ask %s: %w", p.Name, err)
	}
	defer root.Wipe()
	return h.install(w.store, root.Bytes(), p.Name)
}

// install opens the store, unless the state has moved on. Only the first of several answers opens it, and is told of.
func (h *Holder) install(s *secret.Store, root []byte, from string) error {
	h.installing.Lock()
	defer h.installing.Unlock()
	epoch, open := h.Barrier.Open(s.Name)
	if err := h.Barrier.Install(s.Name, s.Epoch, root); err != nil {
		return fmt.Errorf("open store %s: %w", s.Name, err)
	}
	if open && epoch == s.Epoch {
		return nil
	}
	h.Logger.Info("store opened on this master", "store", s.Name, "epoch", s.Epoch, "from", from)
	return nil
}

// autoUnseal opens the store without people, if that is configured. why says why no peer could help.
func (h *Holder) autoUnseal(ctx context.Context, w want, why error) error {
	if w.store.Seal.Auto == nil || h.Auto == nil {
		return why
	}
	root, err := h.OpenAuto(ctx, w.cluster, w.store.Name, w.store.Seal)
	if err != nil {
		return errors.Join(why, err)
	}
	defer clear(root)
	return h.install(w.store, root, "auto-unseal")
}

// OpenAuto has the auto-unseal method open the root key that was sealed for a store. The caller wipes it. It fails with an
// error of package autounseal, or barrier.ErrWrongKey.
func (h *Holder) OpenAuto(ctx context.Context, cluster, store string, seal *secret.Seal) ([]byte, error) {
	auto := seal.Auto
	if h.Auto == nil || auto == nil || auto.Method != h.Auto.Name() {
		return nil, autounseal.ErrOtherMethod
	}
	root, err := h.Auto.Open(ctx, auto.KeyID, autounseal.AD(cluster, store, seal.RootID), auto.Blob)
	h.meter.auto(err)
	if err != nil {
		return nil, fmt.Errorf("auto-unseal of store %s: %w", store, err)
	}
	if subtle.ConstantTimeCompare(barrier.Check(cluster, store, seal.RootID, root), seal.Check) != 1 {
		clear(root)
		return nil, barrier.ErrWrongKey
	}
	return root, nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
