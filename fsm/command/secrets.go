package command

import (
	"fmt"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

// VersionData is the next version of a secret, as it was sealed.
type VersionData struct {
	// Number is the one that it was sealed as: one above the newest that there ever was of the path.
	Number uint64 `json:"number"`
	Term   uint32 `json:"term"`
	// Sealed travels beside the JSON.
	Sealed []byte `json:"-"`
}

// CreateSecret writes a path that has no live secret.
type CreateSecret struct {
	Store string `json:"store"`
	Path  string `json:"path"`
	// Epoch is the one that the value was sealed under.
	Epoch   uint64      `json:"epoch"`
	Version VersionData `json:"version"`
	// Born is the record's if there is one, of a deleted secret or a tombstone.
	Born time.Time `json:"born"`
	// Ends is zero for never.
	Ends time.Time `json:"ends,omitzero"`
}

// Kind numbers the command.
func (CreateSecret) Kind() Kind { return KindCreateSecret }

// Apply refuses a secret that is there; of one that is deleted or has ended it goes on with numbers, and of a deleted one
// with the history.
func (c CreateSecret) Apply(t *state.Txn, h Header) error {
	s, err := writable(t, c.Store, c.Epoch)
	if err != nil {
		return err
	}
	path, err := secret.ParsePath(c.Path)
	if err != nil || path != c.Path || c.Born.IsZero() {
		return fault.New(fault.InvalidSecretPath, "Invalid path of a secret.")
	}
	next := secret.Secret{Store: s.Name, Path: c.Path, Born: c.Born}
	if old, ok := t.Secret(c.Store, c.Path); ok {
		if old.Live(h.Time) {
			return fault.New(fault.SecretExists, "Secret `%s` already exists.", c.Path)
		}
		next = *old
		if !old.Restorable(h.Time) { // due: nobody can bring it back
			next.Versions = nil
		}
	}
	if !next.Born.Equal(c.Born) {
		return versionConflict(c.Path)
	}
	next.Deleted, next.Lease, next.Ends = false, time.Time{}, c.Ends
	return addVersion(t, h, s, next, c.Version)
}

// UpdateSecret writes a live secret anew.
type UpdateSecret struct {
	Store   string      `json:"store"`
	Path    string      `json:"path"`
	Epoch   uint64      `json:"epoch"`
	Version VersionData `json:"version"`
	// IfVersion is the number of the version that may be replaced, 0 for any.
	IfVersion uint64 `json:"if_version,omitempty"`
	// Ends replaces when the secret ends, by never if it is zero; nil leaves it.
	Ends *time.Time `json:"ends,omitempty"`
}

// Kind numbers the command.
func (UpdateSecret) Kind() Kind { return KindUpdateSecret }

// Apply refuses a secret that is not there, and a version that is not the next one.
func (c UpdateSecret) Apply(t *state.Txn, h Header) error {
	s, err := writable(t, c.Store, c.Epoch)
	if err != nil {
		return err
	}
	old, err := live(t, h, c.Store, c.Path)
	if err != nil {
		return err
	}
	if err := newest(old, c.IfVersion); err != nil {
		return err
	}
	next := *old
	if c.Ends != nil {
		next.Ends = *c.Ends
	}
	return addVersion(t, h, s, next, c.Version)
}

// addVersion makes the version the newest of the record, drops the oldest if there are too many, and stores it.
func addVersion(t *state.Txn, h Header, s *secret.Store, next secret.Secret, v VersionData) error {
	if _, ok := s.Seal.Key(v.Term); !ok || v.Number != next.Last+1 {
		return versionConflict(next.Path)
	}
	if len(v.Sealed) == 0 || len(v.Sealed) > secret.MaxSealed {
		return fault.New(fault.InvalidData, "A sealed value has 1 to %d bytes.", secret.MaxSealed)
	}
	kept := next.Versions[max(0, len(next.Versions)+1-s.MaxVersions):]
	versions := make([]secret.Version, 0, len(kept)+1) // never shared: other transactions may begin at the same state
	versions = append(versions, kept...)
	next.Versions = append(versions, secret.Version{Number: v.Number, Index: t.Index(), Term: v.Term, Created: h.Time, Sealed: v.Sealed})
	next.Last, next.Changed = v.Number, t.Index()
	t.PutSecret(&next)
	t.CountSealings(s.Name, v.Term, 1)
	return nil
}

// DeleteSecret takes a live secret out of sight. Until it is purged it can be brought back.
type DeleteSecret struct {
	Store string `json:"store"`
	Path  string `json:"path"`
	// IfVersion is the number of the version that may be deleted, 0 for any.
	IfVersion uint64 `json:"if_version,omitempty"`
}

// Kind numbers the command.
func (DeleteSecret) Kind() Kind { return KindDeleteSecret }

// Apply keeps the versions for as long as the store says, but not longer than the secret would have lived.
func (c DeleteSecret) Apply(t *state.Txn, h Header) error {
	s, err := open(t, c.Store)
	if err != nil {
		return err
	}
	old, err := live(t, h, c.Store, c.Path)
	if err != nil {
		return err
	}
	if err := newest(old, c.IfVersion); err != nil {
		return err
	}
	next := *old
	next.Deleted, next.Changed = true, t.Index()
	next.Lease, next.Ends = old.Ends, h.Time.Add(time.Duration(s.Undelete)*time.Second)
	if !old.Ends.IsZero() && old.Ends.Before(next.Ends) {
		next.Ends = old.Ends
	}
	t.PutSecret(&next)
	return nil
}

// UndeleteSecret brings a deleted secret back, with its history and the end that it had.
type UndeleteSecret struct {
	Store string `json:"store"`
	Path  string `json:"path"`
}

// Kind numbers the command.
func (UndeleteSecret) Kind() Kind { return KindUndeleteSecret }

// Apply refuses a live secret, and one of which nothing is left.
func (c UndeleteSecret) Apply(t *state.Txn, h Header) error {
	if _, err := open(t, c.Store); err != nil {
		return err
	}
	old, ok := t.Secret(c.Store, c.Path)
	switch {
	case ok && old.Live(h.Time):
		return fault.New(fault.SecretExists, "Secret `%s` is not deleted.", c.Path)
	case !ok || !old.Restorable(h.Time):
		return unknownSecret(c.Path)
	}
	next := *old
	next.Deleted, next.Changed = false, t.Index()
	next.Ends, next.Lease = old.Lease, time.Time{}
	t.PutSecret(&next)
	return nil
}

// PurgeSecret destroys all versions of a secret, live or deleted.
type PurgeSecret struct {
	Store string `json:"store"`
	Path  string `json:"path"`
}

// Kind numbers the command.
func (PurgeSecret) Kind() Kind { return KindPurgeSecret }

// Apply refuses a path of which nothing is left.
func (c PurgeSecret) Apply(t *state.Txn, h Header) error {
	if _, err := open(t, c.Store); err != nil {
		return err
	}
	old, ok := t.Secret(c.Store, c.Path)
	if !ok || old.Tombstone() {
		return unknownSecret(c.Path)
	}
	bury(t, h, old)
	return nil
}

// bury leaves of a secret that it was there.
func bury(t *state.Txn, h Header, old *secret.Secret) {
	next := *old
	next.Versions, next.Deleted, next.Changed = nil, true, t.Index()
	next.Lease, next.Ends = time.Time{}, h.Time.Add(secret.TombstoneLife)
	t.PutSecret(&next)
}

// RenewSecret moves the end of a secret that has one.
type RenewSecret struct {
	Store string    `json:"store"`
	Path  string    `json:"path"`
	Ends  time.Time `json:"ends"`
}

// Kind numbers the command.
func (RenewSecret) Kind() Kind { return KindRenewSecret }

// Apply changes nothing of a secret that never ends (decision 28). One whose end has come by that is purged at once.
func (c RenewSecret) Apply(t *state.Txn, h Header) error {
	if _, err := open(t, c.Store); err != nil {
		return err
	}
	old, err := live(t, h, c.Store, c.Path)
	if err != nil || old.Ends.IsZero() {
		return err
	}
	if c.Ends.IsZero() {
		return fault.New(fault.InvalidData, "A secret is renewed until some time.")
	}
	if !c.Ends.After(h.Time) {
		bury(t, h, old)
		return nil
	}
	next := *old
	next.Ends = c.Ends
	t.PutSecret(&next)
	return nil
}

// writable returns the store if it is open under that epoch.
func writable(t *state.Txn, name string, epoch uint64) (*secret.Store, error) {
	s, err := open(t, name)
	if err == nil && s.Epoch != epoch {
		return nil, sealed(name)
	}
	return s, err
}

// live returns the secret, or ERR_UNKNOWN_SECRET.
func live(t *state.Txn, h Header, store, path string) (*secret.Secret, error) {
	s, ok := t.Secret(store, path)
	if !ok || !s.Live(h.Time) {
		return nil, unknownSecret(path)
	}
	return s, nil
}

// newest refuses what was meant for another version; 0 is any.
func newest(s *secret.Secret, number uint64) error {
	if number != 0 && number != s.Last {
		return fault.New(fault.PreconditionFailed, "Secret `%s` is at version %d, not %d.", s.Path, s.Last, number)
	}
	return nil
}

func unknownSecret(path string) error {
	return fault.New(fault.UnknownSecret, "Secret `%s` not known.", path)
}

// versionConflict says that the value was sealed for what is not the case any more: it can be sealed again.
func versionConflict(path string) error {
	return fault.New(fault.Conflict, "Secret `%s` was changed meanwhile.", path)
}

func (v VersionData) blobs() [][]byte { return [][]byte{v.Sealed} }

func (v *VersionData) setBlobs(blobs [][]byte) error {
	if len(blobs) != 1 {
		return fmt.Errorf("%d byte sections, want a sealed value", len(blobs))
	}
	v.Sealed = blobs[0]
	return nil
}

func (c CreateSecret) blobs() [][]byte                { return c.Version.blobs() }
func (c *CreateSecret) setBlobs(blobs [][]byte) error { return c.Version.setBlobs(blobs) }
func (c UpdateSecret) blobs() [][]byte                { return c.Version.blobs() }
func (c *UpdateSecret) setBlobs(blobs [][]byte) error { return c.Version.setBlobs(blobs) }
