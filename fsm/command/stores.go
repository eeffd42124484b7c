package command

import (
	"bytes"
	"slices"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

// LevelSecrets is the cluster level from which on there are secret stores.
const LevelSecrets = 3

// CreateStore adds a secret store, initialised or not.
type CreateStore struct {
	// Store comes without Created and Epoch, which Apply sets. If it has a Seal, Sealed says whether it begins sealed.
	Store secret.Store `json:"store"`
}

// Kind numbers the command.
func (CreateStore) Kind() Kind { return KindCreateStore }

// Apply refuses a name that is taken. The first epoch is the log index: no store of that name had it before.
func (c CreateStore) Apply(t *state.Txn, h Header) error {
	s := c.Store
	if err := s.Validate(); err != nil {
		return err
	}
	if _, exists := t.Store(s.Name); exists {
		return fault.New(fault.StoreExists, "Secret store `%s` already exists.", s.Name)
	}
	if s.Seal != nil {
		if err := newSeal(s.Seal); err != nil {
			return err
		}
	}
	s.Created, s.Epoch, s.Sealed = h.Time, t.Index(), s.Sealed && s.Seal != nil
	t.PutStore(&s)
	return nil
}

// newSeal accepts the seal that a store is initialised with.
func newSeal(s *secret.Seal) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if len(s.Keys) != 1 {
		return fault.New(fault.InvalidData, "A store begins with one data key.")
	}
	return nil
}

// UpdateStore changes what is not nil.
type UpdateStore struct {
	Name        string  `json:"name"`
	Description *string `json:"description,omitempty"`
	MaxVersions *int    `json:"max_versions,omitempty"`
	// Undelete is in seconds.
	Undelete *int64 `json:"undelete,omitempty"`
}

// Kind numbers the command.
func (UpdateStore) Kind() Kind { return KindUpdateStore }

// Apply leaves the secrets as they are: fewer versions are kept of a secret once it is written again.
func (c UpdateStore) Apply(t *state.Txn, _ Header) error {
	old, err := store(t, c.Name)
	if err != nil {
		return err
	}
	s := *old
	if c.Description != nil {
		s.Description = *c.Description
	}
	if c.MaxVersions != nil {
		s.MaxVersions = *c.MaxVersions
	}
	if c.Undelete != nil {
		s.Undelete = *c.Undelete
	}
	if err := s.Validate(); err != nil {
		return err
	}
	t.PutStore(&s)
	return nil
}

// DeleteStore drops a secret store with everything in it.
type DeleteStore struct {
	Name string `json:"name"`
	// Force drops the live secrets too.
	Force bool `json:"force,omitempty"`
}

// Kind numbers the command.
func (DeleteStore) Kind() Kind { return KindDeleteStore }

// Apply refuses to delete the store that every cluster has and, unless forced, one with secrets.
func (c DeleteStore) Apply(t *state.Txn, h Header) error {
	s, err := store(t, c.Name)
	if err != nil {
		return err
	}
	if s.Name == secret.Default {
		return fault.New(fault.Forbidden, "The secret store `%s` cannot be deleted.", s.Name)
	}
	if n := t.LiveSecrets(s.Name, h.Time); n > 0 && !c.Force {
		return fault.New(fault.Conflict, "The secret store `%s` holds %d secrets.", s.Name, n)
	}
	t.DeleteStore(s.Name)
	return nil
}

// InitStore gives a store its keys, or new ones while it holds no secret. Deleted secrets end with the old keys.
type InitStore struct {
	Name string `json:"name"`
	// OldRootID is the root key that the caller knew, "" for none: of two who initialise at once, one wins.
	OldRootID string      `json:"old_root_id,omitempty"`
	Seal      secret.Seal `json:"seal"`
	// Open says that the store does not begin sealed.
	Open bool `json:"open,omitempty"`
}

// Kind numbers the command.
func (InitStore) Kind() Kind { return KindInitStore }

// Apply is a compare-and-set on the root key (hostile S7), and refuses a store that holds secrets (decision 26).
func (c InitStore) Apply(t *state.Txn, h Header) error {
	old, err := store(t, c.Name)
	if err != nil {
		return err
	}
	if n := t.LiveSecrets(old.Name, h.Time); n > 0 {
		return fault.New(fault.StoreNotEmpty, "The secret store `%s` holds %d secrets: it cannot be initialized again.", old.Name, n)
	}
	if err := sameRoot(old, c.OldRootID); err != nil {
		return err
	}
	if err := newSeal(&c.Seal); err != nil {
		return err
	}
	if c.Seal.RootID == c.OldRootID {
		return fault.New(fault.InvalidData, "A new root key needs an id of its own.")
	}
	t.ClearStore(old.Name)
	s := *old
	s.Seal, s.Sealed, s.Epoch = &c.Seal, !c.Open, old.Epoch+1
	t.PutStore(&s)
	return nil
}

// SealStore makes all masters forget the keys of a store.
type SealStore struct {
	Name string `json:"name"`
}

// Kind numbers the command.
func (SealStore) Kind() Kind { return KindSealStore }

// Apply changes nothing when the store is sealed already (decision 27).
func (c SealStore) Apply(t *state.Txn, _ Header) error {
	old, err := initialized(t, c.Name)
	if err != nil || old.Sealed {
		return err
	}
	s := *old
	s.Sealed, s.Epoch = true, old.Epoch+1
	t.PutStore(&s)
	return nil
}

// UnsealStore lets masters use the keys that shares were given for. A store that is open may be unsealed too, when no
// master has its keys any more: keys of an earlier epoch are worth nothing from then on.
type UnsealStore struct {
	Name string `json:"name"`
	// RootID and Epoch are those that the shares were gathered for: a seal or an initialisation that came first wins.
	RootID string `json:"root_id"`
	Epoch  uint64 `json:"epoch"`
}

// Kind numbers the command.
func (UnsealStore) Kind() Kind { return KindUnsealStore }

// Apply is a compare-and-set on root key and epoch.
func (c UnsealStore) Apply(t *state.Txn, _ Header) error {
	old, err := initialized(t, c.Name)
	if err != nil {
		return err
	}
	if err := sameRoot(old, c.RootID); err != nil {
		return err
	}
	if old.Epoch != c.Epoch {
		return changedMeanwhile(old)
	}
	s := *old
	s.Sealed, s.Epoch = false, old.Epoch+1
	t.PutStore(&s)
	return nil
}

// RekeyStore replaces the root key: other shares, the same data keys, wrapped anew.
type RekeyStore struct {
	Name      string      `json:"name"`
	OldRootID string      `json:"old_root_id"`
	Seal      secret.Seal `json:"seal"`
}

// Kind numbers the command.
func (RekeyStore) Kind() Kind { return KindRekeyStore }

// Apply is a compare-and-set on the root key and on which data keys there are.
func (c RekeyStore) Apply(t *state.Txn, _ Header) error {
	old, err := open(t, c.Name)
	if err != nil {
		return err
	}
	if err := sameRoot(old, c.OldRootID); err != nil {
		return err
	}
	if err := c.Seal.Validate(); err != nil {
		return err
	}
	if c.Seal.RootID == c.OldRootID {
		return fault.New(fault.InvalidData, "A new root key needs an id of its own.")
	}
	if !slices.EqualFunc(old.Seal.Keys, c.Seal.Keys, func(a, b secret.DataKey) bool { return a.Term == b.Term }) {
		return changedMeanwhile(old)
	}
	seal := c.Seal
	seal.Keys = slices.Clone(seal.Keys)
	for i := range seal.Keys {
		seal.Keys[i].Created = old.Seal.Keys[i].Created
	}
	s := *old
	s.Seal = &seal
	t.PutStore(&s)
	return nil
}

// RotateStore adds the data key that seals from then on.
type RotateStore struct {
	Name   string `json:"name"`
	RootID string `json:"root_id"`
	// Key comes without Created, which Apply sets.
	Key secret.DataKey `json:"key"`
}

// Kind numbers the command.
func (RotateStore) Kind() Kind { return KindRotateStore }

// Apply refuses a key that another root key wraps, and any term but the next.
func (c RotateStore) Apply(t *state.Txn, h Header) error {
	old, err := open(t, c.Name)
	if err != nil {
		return err
	}
	if err := sameRoot(old, c.RootID); err != nil {
		return err
	}
	switch {
	case len(c.Key.Wrapped) == 0 || len(c.Key.Wrapped) > secret.MaxWrapped:
		return fault.New(fault.InvalidData, "A data key has 1 to %d bytes.", secret.MaxWrapped)
	case len(old.Seal.Keys) >= secret.MaxDataKeys:
		return fault.New(fault.Conflict, "The secret store `%s` has %d data keys: old ones are dropped once nothing uses them.", old.Name, len(old.Seal.Keys))
	case c.Key.Term != old.Term()+1:
		return changedMeanwhile(old)
	}
	c.Key.Created = h.Time
	putKeys(t, old, append(slices.Clip(old.Seal.Keys), c.Key))
	return nil
}

// DropDataKeys drops data keys that nothing is sealed with any more.
type DropDataKeys struct {
	Name  string   `json:"name"`
	Terms []uint32 `json:"terms"`
}

// Kind numbers the command.
func (DropDataKeys) Kind() Kind { return KindDropDataKeys }

// Apply refuses the key that seals, one that something is sealed with, and one that is not there.
func (c DropDataKeys) Apply(t *state.Txn, _ Header) error {
	old, err := initialized(t, c.Name)
	if err != nil {
		return err
	}
	for _, term := range c.Terms {
		if _, ok := old.Seal.Key(term); !ok || term == old.Term() || t.TermUse(old.Name, term) > 0 {
			return changedMeanwhile(old)
		}
	}
	if len(c.Terms) == 0 {
		return fault.New(fault.InvalidData, "There is no data key to drop.")
	}
	putKeys(t, old, slices.DeleteFunc(slices.Clone(old.Seal.Keys), func(k secret.DataKey) bool {
		return slices.Contains(c.Terms, k.Term)
	}))
	return nil
}

func putKeys(t *state.Txn, old *secret.Store, keys []secret.DataKey) {
	s, seal := *old, *old.Seal
	seal.Keys = keys
	s.Seal = &seal
	t.PutStore(&s)
}

// ResealAuto replaces how a store unseals itself: another key, or another method.
type ResealAuto struct {
	Name   string      `json:"name"`
	RootID string      `json:"root_id"`
	Auto   secret.Auto `json:"auto"`
}

// Kind numbers the command.
func (ResealAuto) Kind() Kind { return KindResealAuto }

// Apply refuses a store that does not unseal by itself, which only who holds its shares may change.
func (c ResealAuto) Apply(t *state.Txn, _ Header) error {
	old, err := initialized(t, c.Name)
	if err != nil {
		return err
	}
	if err := sameRoot(old, c.RootID); err != nil {
		return err
	}
	if old.Seal.Auto == nil {
		return changedMeanwhile(old)
	}
	s, seal := *old, *old.Seal
	seal.Auto = &c.Auto
	if len(seal.EncryptedShares) == 1 && bytes.Equal(seal.EncryptedShares[0], old.Seal.Auto.Blob) {
		seal.EncryptedShares = [][]byte{c.Auto.Blob}
	}
	if err := seal.Validate(); err != nil {
		return err
	}
	s.Seal = &seal
	t.PutStore(&s)
	return nil
}

// store returns the secret store, or ERR_UNKNOWN_STORE.
func store(t *state.Txn, name string) (*secret.Store, error) {
	s, ok := t.Store(name)
	if !ok {
		return nil, fault.New(fault.UnknownStore, "Secret store `%s` not known.", name)
	}
	return s, nil
}

// initialized returns the secret store if it has keys.
func initialized(t *state.Txn, name string) (*secret.Store, error) {
	s, err := store(t, name)
	if err == nil && !s.Initialized() {
		return nil, fault.New(fault.StoreNotInitialized, "Secret store `%s` is not initialized.", name)
	}
	return s, err
}

// open returns the secret store if it is not sealed. One without keys counts as sealed.
func open(t *state.Txn, name string) (*secret.Store, error) {
	s, err := store(t, name)
	if err == nil && !s.Open() {
		return nil, sealed(name)
	}
	return s, err
}

func sealed(name string) error {
	return fault.New(fault.StoreSealed, "Secret store `%s` is sealed.", name)
}

// sameRoot refuses what was decided under another root key.
func sameRoot(s *secret.Store, rootID string) error {
	if s.RootID() != rootID {
		return changedMeanwhile(s)
	}
	return nil
}

func changedMeanwhile(s *secret.Store) error {
	return fault.New(fault.Conflict, "The secret store `%s` was changed meanwhile.", s.Name)
}
