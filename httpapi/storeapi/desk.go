package storeapi

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"sync"
	"time"

	"gatehouse/fsm/secret"
	"gatehouse/keyring/secretmem"
)

const (
	// restLimit is how long shares are kept while no further one comes (hostile S10).
	restLimit = 10 * time.Minute
	// sweepEvery is how often what rested too long is wiped, if nobody asks for it.
	sweepEvery = 5 * time.Second
)

// matter is what shares are gathered for: one root key of one store in one epoch, while one leader leads. What was gathered
// for another matter is worth nothing (hostile S9, S11).
type matter struct {
	store, rootID string
	epoch, term   uint64
}

func about(term uint64, s *secret.Store) matter {
	return matter{store: s.Name, rootID: s.RootID(), epoch: s.Epoch, term: term}
}

// desk is where shares lie in the leader's memory until they are enough.
type desk struct {
	mu      sync.Mutex // guards the rest; never held while anything waits
	unseals map[string]*gathering
	rekeys  map[string]*rekeying
}

func newDesk() desk { return desk{unseals: map[string]*gathering{}, rekeys: map[string]*rekeying{}} }

// gathering is shares that belong to one matter.
type gathering struct {
	matter
	nonce   string
	shares  []*secretmem.Buffer
	touched time.Time
}

func newGathering(m matter) *gathering { return &gathering{matter: m, nonce: rand.Text()} }

// add takes a share; one that is there already does not count (hostile S1).
func (g *gathering) add(share *secretmem.Buffer, now time.Time) {
	g.touched = now
	same := 0
	for _, one := range g.shares {
		same |= subtle.ConstantTimeCompare(one.Bytes(), share.Bytes())
	}
	if same == 1 {
		share.Wipe()
		return
	}
	g.shares = append(g.shares, share)
}

// take hands the shares over and leaves none.
func (g *gathering) take() []*secretmem.Buffer {
	shares := g.shares
	g.shares = nil
	return shares
}

func (g *gathering) wipe() {
	if g != nil {
		wipeBuffers(g.take())
	}
}

func wipeBuffers(shares []*secretmem.Buffer) {
	for _, share := range shares {
		share.Wipe()
	}
}

// current reports whether the gathering is for this very matter and has not rested too long.
func (g *gathering) current(m matter, now time.Time) bool {
	return g != nil && g.matter == m && now.Sub(g.touched) < restLimit
}

// unseal adds a share for a matter. With the last one that is needed it hands all of them over; whoever gets them wipes them.
func (d *desk) unseal(m matter, share *secretmem.Buffer, threshold int, now time.Time) []*secretmem.Buffer {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.unseals[m.store]
	if !g.current(m, now) {
		g.wipe()
		g = newGathering(m)
		d.unseals[m.store] = g
	}
	g.add(share, now)
	if len(g.shares) < threshold {
		return nil
	}
	delete(d.unseals, m.store)
	return g.take()
}

// progress is how many shares there are for a matter, and the name of their gathering while there are some.
func (d *desk) progress(m matter, now time.Time) (shares int, nonce string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.unseals[m.store]
	if !g.current(m, now) || len(g.shares) == 0 {
		return 0, ""
	}
	return len(g.shares), g.nonce
}

// gathered is how many shares there are to unseal a store, whatever for.
func (d *desk) gathered(store string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.unseals[store]; g != nil {
		return len(g.shares)
	}
	return 0
}

// forgetUnseal wipes the shares with which a store was to be unsealed.
func (d *desk) forgetUnseal(store string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unseals[store].wipe()
	delete(d.unseals, store)
}

// forget wipes everything about a store.
func (d *desk) forget(store string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unseals[store].wipe()
	delete(d.unseals, store)
	d.rekeys[store].wipe()
	delete(d.rekeys, store)
}

// sweep wipes what rested too long, and everything when all is true.
func (d *desk) sweep(now time.Time, all bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for store, g := range d.unseals {
		if all || now.Sub(g.touched) >= restLimit {
			g.wipe()
			delete(d.unseals, store)
		}
	}
	for store, k := range d.rekeys {
		if all || now.Sub(k.touched) >= restLimit {
			k.wipe()
			delete(d.rekeys, store)
		}
	}
}

// WipeRested is a duty of the leader: it wipes shares that rested too long, and all of them when the leadership ends.
func (a *API) WipeRested(ctx context.Context, _ uint64) error {
	defer a.desk.sweep(a.Now(), true)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.desk.sweep(a.Now(), false)
		case <-ctx.Done():
			return nil
		}
	}
}
