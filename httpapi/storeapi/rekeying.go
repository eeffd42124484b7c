package storeapi

import (
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/keyring/secretmem"
)

// The stages of a rekey.
const (
	stageNone   = "none"
	stageShares = "shares" // present shares are gathered
	stageVerify = "verify" // new shares are gathered
	stageDone   = "done"
)

// rekeying is a change of the root key that is under way. The desk's lock guards it.
type rekeying struct {
	matter  // under the present root key
	nonce   string
	wanted  *division
	fresh   *freshKeys // nil until the present root key was shown
	given   gathering  // shares of the present stage
	need    int        // how many of them are needed
	touched time.Time
	busy    bool // a request works on it without the lock
	dropped bool // forgotten while a request worked on it: that one wipes
}

// wipe forgets all keys, or leaves that to the request that is using them.
func (k *rekeying) wipe() {
	if k == nil {
		return
	}
	k.given.wipe()
	k.dropped = true
	if !k.busy && k.fresh != nil {
		k.fresh.wipe()
	}
}

// rekeyStatus is how far a rekey has come.
type rekeyStatus struct {
	Stage        string   `json:"stage"`
	Nonce        string   `json:"nonce"`
	Shares       int      `json:"shares"`
	Threshold    int      `json:"threshold"`
	Progress     int      `json:"progress"`
	Required     int      `json:"required"`
	AutoUnseal   bool     `json:"auto_unseal"`
	Fingerprints []string `json:"pgp_fingerprints"`
	// Keys are the new shares in hex, in the one answer that hands them out.
	Keys []string `json:"keys,omitempty"`
}

func (k *rekeying) status() rekeyStatus {
	s := rekeyStatus{Stage: stageShares, Nonce: k.nonce, Shares: k.wanted.shares, Threshold: k.wanted.threshold,
		Progress: len(k.given.shares), Required: k.need, AutoUnseal: k.wanted.auto, Fingerprints: k.wanted.fingerprints()}
	if k.fresh != nil {
		s.Stage = stageVerify
	}
	return s
}

var (
	errNoRekey   = fault.New(fault.Conflict, "No such change of the root key is under way: it was never begun, or was given up, rested for ten minutes, or its leader ended.")
	errRekeyBusy = fault.New(fault.Conflict, "A change of the root key is under way. Give it up first, or finish it.")
)

// begin makes room for a rekey, unless another is under way.
func (d *desk) begin(k *rekeying, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rekeyOf(k.matter, now) != nil {
		return errRekeyBusy
	}
	d.rekeys[k.store] = k
	return nil
}

// rekeyOf is the rekey of a matter, if it is current; what is not is wiped. The caller holds mu.
func (d *desk) rekeyOf(m matter, now time.Time) *rekeying {
	k := d.rekeys[m.store]
	if k == nil {
		return nil
	}
	if k.matter != m || now.Sub(k.touched) >= restLimit {
		k.wipe()
		delete(d.rekeys, m.store)
		return nil
	}
	return k
}

// rekeyStatus tells of the rekey of a matter.
func (d *desk) rekeyStatus(m matter, now time.Time) (rekeyStatus, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := d.rekeyOf(m, now); k != nil {
		return k.status(), true
	}
	return rekeyStatus{}, false
}

// cancel forgets the rekey of a store.
func (d *desk) cancel(store string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rekeys[store].wipe()
	delete(d.rekeys, store)
}

// enter begins to work on the rekey with that nonce, in the stage that verify says. No other request can until leave.
func (d *desk) enter(m matter, nonce string, verify bool, now time.Time) (*rekeying, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.rekeyOf(m, now)
	switch {
	case k == nil || k.nonce != nonce:
		return nil, errNoRekey
	case k.busy:
		return nil, errRekeyBusy
	case verify != (k.fresh != nil):
		return nil, fault.New(fault.Conflict, "The change of the root key is in the stage `%s`.", k.status().Stage)
	}
	k.busy, k.touched = true, now
	return k, nil
}

// status tells of a rekey that the caller works on.
func (d *desk) status(k *rekeying) rekeyStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	return k.status()
}

// leave ends the work on a rekey. It reports false, and wipes, when the rekey was forgotten meanwhile.
func (d *desk) leave(k *rekeying) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	k.busy = false
	if k.dropped {
		k.wipe()
	}
	return !k.dropped
}

// give adds a share to the present stage, and hands all over once they are enough.
func (d *desk) give(k *rekeying, share *secretmem.Buffer, now time.Time) []*secretmem.Buffer {
	d.mu.Lock()
	defer d.mu.Unlock()
	k.given.add(share, now)
	if len(k.given.shares) < k.need {
		return nil
	}
	return k.given.take()
}

// proceed puts a rekey into the stage that verifies. The shares of the stage before are wiped.
func (d *desk) proceed(k *rekeying, fresh *freshKeys) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k.given.wipe()
	k.fresh, k.need = fresh, fresh.seal.Threshold
}
