package command

import (
	"fmt"
	"slices"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

const (
	// MaxExpired is how many secrets one command ends.
	MaxExpired = 256
	// MaxReencrypted is how many versions one command replaces: each is a byte section of the entry.
	MaxReencrypted = maxBlobs
)

// ExpireSecrets does what the end of secrets brings: one that has ended or is deleted is purged, a tombstone is dropped.
// The leader emits it; nobody else has to ask.
type ExpireSecrets struct {
	Items []ExpiredSecret `json:"items"`
}

// ExpiredSecret is a secret whose end has come, and the newest version that it had then.
type ExpiredSecret struct {
	Store   string `json:"store"`
	Path    string `json:"path"`
	Version uint64 `json:"version"`
}

// Kind numbers the command.
func (ExpireSecrets) Kind() Kind { return KindExpireSecrets }

// Apply passes over what has changed meanwhile, and refuses to do nothing.
func (c ExpireSecrets) Apply(t *state.Txn, h Header) error {
	if len(c.Items) > MaxExpired {
		return fault.New(fault.InvalidData, "At most %d secrets end at once.", MaxExpired)
	}
	ended := 0
	for _, item := range c.Items {
		s, ok := t.Secret(item.Store, item.Path)
		if !ok || s.Last != item.Version || !s.Ended(h.Time) {
			continue
		}
		if s.Tombstone() {
			t.DropSecret(s)
		} else {
			bury(t, h, s)
		}
		ended++
	}
	if ended == 0 {
		return fault.New(fault.Conflict, "None of these secrets has ended.")
	}
	return nil
}

// ReencryptSecrets replaces sealed values by the same ones under another data key. Nothing that a reader sees changes.
type ReencryptSecrets struct {
	Store string `json:"store"`
	// Epoch is the one that the values were sealed under.
	Epoch uint64              `json:"epoch"`
	Items []ReencryptedSecret `json:"items"`
}

// ReencryptedSecret is one version, sealed anew.
type ReencryptedSecret struct {
	Path    string `json:"path"`
	Version uint64 `json:"version"`
	// OldTerm is that of the data key that is replaced, and Term that of the new one.
	OldTerm uint32 `json:"old_term"`
	Term    uint32 `json:"term"`
	// Sealed travels beside the JSON.
	Sealed []byte `json:"-"`
}

// Kind numbers the command.
func (ReencryptSecrets) Kind() Kind { return KindReencryptSecrets }

// Apply passes over what has changed meanwhile, and refuses to do nothing.
func (c ReencryptSecrets) Apply(t *state.Txn, _ Header) error {
	s, err := writable(t, c.Store, c.Epoch)
	if err != nil {
		return err
	}
	if len(c.Items) > MaxReencrypted {
		return fault.New(fault.InvalidData, "At most %d versions are sealed anew at once.", MaxReencrypted)
	}
	replaced := 0
	for i := range c.Items {
		if c.Items[i].apply(t, s) {
			replaced++
		}
	}
	if replaced == 0 {
		return fault.New(fault.Conflict, "None of these versions is as it was.")
	}
	return nil
}

// apply reports whether the version was as expected.
func (r *ReencryptedSecret) apply(t *state.Txn, s *secret.Store) bool {
	old, ok := t.Secret(s.Name, r.Path)
	if !ok || len(r.Sealed) == 0 || len(r.Sealed) > secret.MaxSealed {
		return false
	}
	at := slices.IndexFunc(old.Versions, func(v secret.Version) bool { return v.Number == r.Version })
	if _, ok := s.Seal.Key(r.Term); !ok || at < 0 || old.Versions[at].Term != r.OldTerm {
		return false
	}
	next := *old
	next.Versions = slices.Clone(old.Versions)
	next.Versions[at].Term, next.Versions[at].Sealed = r.Term, r.Sealed
	t.PutSecret(&next)
	t.CountSealings(s.Name, r.Term, 1)
	return true
}

func (c ReencryptSecrets) blobs() [][]byte {
	blobs := make([][]byte, len(c.Items))
	for i := range c.Items {
		blobs[i] = c.Items[i].Sealed
	}
	return blobs
}

func (c *ReencryptSecrets) setBlobs(blobs [][]byte) error {
	if len(blobs) != len(c.Items) {
		return fmt.Errorf("%d byte sections, want a sealed value for each of %d versions", len(blobs), len(c.Items))
	}
	for i := range c.Items {
		c.Items[i].Sealed = blobs[i]
	}
	return nil
}

// Due collects what the next ExpireSecrets ends, at most so many.
func Due(s *state.State, now time.Time, most int) (items []ExpiredSecret) {
	for one := range s.SecretsDue(now) {
		if len(items) == most {
			break
		}
		items = append(items, ExpiredSecret{Store: one.Store, Path: one.Path, Version: one.Last})
	}
	return items
}
