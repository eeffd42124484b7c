package storeapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/barrier"
	"gatehouse/keyring/pgp"
	"gatehouse/keyring/secretmem"
	"gatehouse/keyring/shamir"
)

// division says how a root key is to be split, and for whom.
type division struct {
	shares, threshold int
	keys              []*pgp.Key // one for each share, or none
	auto              bool       // masters may open it too
}

// readDivision reads and checks what init and rekey are given. Every refusal comes before anything is made (hostile S6).
func (a *API) readDivision(r *httpapi.Request) (*division, error) {
	var in struct {
		Shares     int      `json:"shares"`
		Threshold  int      `json:"threshold"`
		PGPKeys    []string `json:"pgp_keys"`
		AutoUnseal bool     `json:"auto_unseal"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := secret.Division(in.Shares, in.Threshold); err != nil {
		return nil, err
	}
	if in.AutoUnseal && a.Auto == nil {
		return nil, fault.New(fault.InvalidData, "`auto_unseal` needs a master that unseals by itself; --auto-unseal is off.")
	}
	d := &division{shares: in.Shares, threshold: in.Threshold, auto: in.AutoUnseal}
	if len(in.PGPKeys) > 0 {
		keys, err := pgp.ParseAll(in.PGPKeys, in.Shares)
		if err != nil {
			return nil, fault.New(fault.InvalidPGPKey, "%s.", err)
		}
		d.keys = keys
	}
	return d, nil
}

// autoOnly reports whether nobody but the masters gets the root key.
func (d *division) autoOnly() bool { return d.auto && d.shares == 1 && len(d.keys) == 0 }

// fingerprints are those of the keys that shares are encrypted to, never nil.
func (d *division) fingerprints() []string {
	out := make([]string, len(d.keys))
	for i, k := range d.keys {
		out[i] = k.Fingerprint()
	}
	return out
}

// freshKeys is a root key that was just made, with the seal that goes into the state and the shares that go to people. Whoever
// made it wipes it.
type freshKeys struct {
	seal   *secret.Seal
	memory *secretmem.Buffer
	// handed are the shares in hex as they are shown once: encrypted if there are keys, else plain; of a root key that only
	// masters get, what auto-unseal keeps of it.
	handed []string
}

func (f *freshKeys) root() []byte { return f.memory.Bytes() }

func (f *freshKeys) wipe() { f.memory.Wipe() }

// newKeys makes a root key with a first data key for a store, and divides it.
func (a *API) newKeys(ctx context.Context, cluster, store string, d *division) (*freshKeys, error) {
	made, err := barrier.NewSeal(cluster, store)
	if err != nil {
		return nil, fmt.Errorf("make keys for store %s: %w", store, err)
	}
	defer made.Wipe()
	f := &freshKeys{memory: secretmem.Alloc(barrier.KeySize)}
	secretmem.Do(func() { copy(f.root(), made.Root) })
	f.seal = &secret.Seal{RootID: made.RootID, Shares: d.shares, Threshold: d.threshold, Check: made.Check,
		Keys: []secret.DataKey{{Term: made.Key.Term, Wrapped: made.Key.Wrapped, Created: a.Now().UTC()}}}
	if err := a.divide(ctx, cluster, store, d, f); err != nil {
		f.wipe()
		return nil, err
	}
	return f, nil
}

// divide fills in who can open the root key.
func (a *API) divide(ctx context.Context, cluster, store string, d *division, f *freshKeys) error {
	if d.auto {
		blob, err := a.Auto.Seal(ctx, autounseal.AD(cluster, store, f.seal.RootID), f.root())
		if err != nil {
			a.Logger.Error("auto-unseal cannot seal a root key", "store", store, "method", a.Auto.Name(), "error", err)
			return fault.New(fault.Busy, "Auto-unseal by %s does not work on the leader; its log says why. Nothing was changed.", a.Auto.Name()).After(autoPause)
		}
		method, keyID, err := autounseal.Inspect(blob)
		if err != nil {
			return fmt.Errorf("what auto-unseal made for store %s: %w", store, err)
		}
		f.seal.Auto = &secret.Auto{Method: method, KeyID: keyID, Blob: blob}
	}
	if d.autoOnly() {
		f.handed = []string{hex.EncodeToString(f.seal.Auto.Blob)}
		return nil
	}
	return f.share(d)
}

// share splits the root key, and encrypts the shares if there are keys for them.
func (f *freshKeys) share(d *division) (err error) {
	secretmem.Do(func() {
		var shares [][]byte
		if shares, err = shamir.Split(f.root(), d.shares, d.threshold, rand.Reader); err != nil {
			return
		}
		defer wipeAll(shares)
		err = f.hand(d, shares)
	})
	if err != nil {
		return fmt.Errorf("split a root key: %w", err)
	}
	return nil
}

func (f *freshKeys) hand(d *division, shares [][]byte) error {
	for i, share := range shares {
		if len(d.keys) == 0 {
			f.handed = append(f.handed, hex.EncodeToString(share))
			continue
		}
		message, err := d.keys[i].Encrypt(share)
		if err != nil {
			return err
		}
		f.seal.EncryptedShares = append(f.seal.EncryptedShares, message)
		f.seal.Fingerprints = append(f.seal.Fingerprints, d.keys[i].Fingerprint())
		f.handed = append(f.handed, hex.EncodeToString(message))
	}
	return nil
}

func wipeAll(shares [][]byte) {
	for _, share := range shares {
		clear(share)
	}
}
