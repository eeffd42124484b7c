package secret

import (
	"slices"
	"time"
	"unicode/utf8"

	"gatehouse/fsm/fault"
)

const (
	// Default is the store that every cluster has.
	Default = "default"
	// DefaultDescription describes it (contract 6.2).
	DefaultDescription = "DC/OS Default Secret Store Backend"
	// Vault is the driver of every store: the name that clients of the original expect (contract 6.2).
	Vault = "vault"

	// DefaultMaxVersions is how many versions of a secret a new store keeps, and MostVersions what it may be set to.
	DefaultMaxVersions = 10
	MostVersions       = 100
	// DefaultUndelete is how long a new store keeps deleted secrets, and LongestUndelete what it may be set to.
	DefaultUndelete = 7 * 24 * time.Hour
	LongestUndelete = 3650 * 24 * time.Hour
	// TombstoneLife is how long it is remembered that there was a secret, so that watchers see it go.
	TombstoneLife = time.Hour

	// MaxShares is how many shares a root key may be split into: a share says its number in one byte.
	MaxShares = 255
	// MaxSealed bounds a sealed value, in bytes: by far the largest that the API makes.
	MaxSealed = 2 << 20
	// MaxShare bounds a share as its holder may read it again, MaxWrapped a data key, both in bytes and encrypted: several
	// times what the largest OpenPGP key (RSA with 16,384 bits) and what any root key make of them.
	MaxShare   = 16 << 10
	MaxWrapped = 1 << 10
	// MaxDataKeys is how many data keys a store may have before the old ones are dropped.
	MaxDataKeys = 1024
	// maxStoreName, maxText and maxFingerprint bound what a store says about itself, in bytes.
	maxStoreName   = 64
	maxText        = 4 << 10
	maxFingerprint = 256
)

// Store is a set of secrets that are sealed and unsealed together.
type Store struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Driver      string    `json:"driver"`
	Created     time.Time `json:"created"`
	// MaxVersions is how many versions of a secret are kept, the newest.
	MaxVersions int `json:"max_versions"`
	// Undelete is for how many seconds a deleted secret can be brought back.
	Undelete int64 `json:"undelete"`
	// Seal is nil until the store is initialised.
	Seal *Seal `json:"seal,omitempty"`
	// Sealed is the intention: an initialised store that is not sealed may have its keys in the memory of masters.
	Sealed bool `json:"sealed,omitempty"`
	// Epoch counts what sealed, unsealed or initialised the store: keys and writes of another epoch are refused. It is
	// never used twice, not even by a later store of the same name.
	Epoch uint64 `json:"epoch"`
}

// Seal is what protects a store: how its root key was divided, and the data keys that the root key wraps. It opens nothing.
type Seal struct {
	// RootID names the root key.
	RootID string `json:"root_id"`
	// Shares is into how many the root key was split, and Threshold how many of them make it.
	Shares    int `json:"shares"`
	Threshold int `json:"threshold"`
	// Check tells the root key from others.
	Check []byte `json:"check"`
	// EncryptedShares are the shares as their holders may read them again, encrypted to their keys; none if the shares
	// were handed out in clear. Fingerprints are those of the keys.
	EncryptedShares [][]byte `json:"encrypted_shares,omitempty"`
	Fingerprints    []string `json:"fingerprints,omitempty"`
	// Keys are the data keys by ascending term. The last one seals; the others still open.
	Keys []DataKey `json:"keys"`
	// Auto lets masters unseal the store by themselves; nil if only shares do.
	Auto *Auto `json:"auto,omitempty"`
}

// DataKey is a key that seals values. How many it has sealed is counted by the state.
type DataKey struct {
	Term    uint32    `json:"term"`
	Wrapped []byte    `json:"wrapped"`
	Created time.Time `json:"created"`
}

// Auto is the store's root key for the masters, sealed by something that only they can use.
type Auto struct {
	// Method names it: "key-file" or "pkcs11"; KeyID is which of its keys sealed the blob.
	Method string `json:"method"`
	KeyID  string `json:"key_id"`
	Blob   []byte `json:"blob"`
}

// Initialized reports whether the store has keys.
func (s *Store) Initialized() bool { return s.Seal != nil }

// Open reports whether secrets may be read and written, as far as that is for the state to say.
func (s *Store) Open() bool { return s.Seal != nil && !s.Sealed }

// RootID names the store's root key; "" before it is initialised.
func (s *Store) RootID() string {
	if s.Seal == nil {
		return ""
	}
	return s.Seal.RootID
}

// Term is that of the data key that seals; 0 before the store is initialised.
func (s *Store) Term() uint32 {
	if s.Seal == nil {
		return 0
	}
	return s.Seal.Term()
}

// Term is that of the data key that seals.
func (s *Seal) Term() uint32 {
	if len(s.Keys) == 0 {
		return 0
	}
	return s.Keys[len(s.Keys)-1].Term
}

// Key returns the data key of that term.
func (s *Seal) Key(term uint32) (DataKey, bool) {
	for _, k := range s.Keys {
		if k.Term == term {
			return k, true
		}
	}
	return DataKey{}, false
}

// StoreName accepts a-z 0-9 _ - up to 64 bytes, the first a letter or a digit. The name "all" is taken: it stands for
// all stores in a path (contract 6.1). So is "list": the resources of its secrets would be those that decide about names.
func StoreName(name string) error {
	if name == "" || name == "all" || name == "list" || len(name) > maxStoreName || name[0] == '_' || name[0] == '-' || !plain(name) {
		return fault.New(fault.InvalidStoreName, "Invalid store name: %q", excerpt(name))
	}
	return nil
}

func plain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// Validate checks everything about a store but its seal and its epoch.
func (s *Store) Validate() error {
	if err := StoreName(s.Name); err != nil {
		return err
	}
	switch {
	case s.Driver != Vault:
		return fault.New(fault.UnknownDriver, "Secret stores with driver %q are not known.", excerpt(s.Driver))
	case !utf8.ValidString(s.Description) || len(s.Description) > maxText:
		return fault.New(fault.InvalidData, "`description` must be at most %d bytes of UTF-8.", maxText)
	case s.MaxVersions < 1 || s.MaxVersions > MostVersions:
		return fault.New(fault.InvalidData, "A store keeps 1 to %d versions of a secret.", MostVersions)
	case s.Undelete < 0 || s.Undelete > int64(LongestUndelete/time.Second):
		return fault.New(fault.InvalidData, "A store keeps deleted secrets for 0 to %d seconds.", int64(LongestUndelete/time.Second))
	}
	return nil
}

// Validate checks that the seal can be opened by somebody, as far as that shows.
func (s *Seal) Validate() error {
	switch {
	case s.RootID == "" || len(s.RootID) > maxText || len(s.Check) == 0:
		return fault.New(fault.InvalidData, "A seal needs the id of its root key and a check value.")
	case len(s.EncryptedShares) != 0 && len(s.EncryptedShares) != s.Shares:
		return fault.New(fault.InvalidData, "There are %d encrypted shares of %d.", len(s.EncryptedShares), s.Shares)
	case len(s.Fingerprints) != 0 && len(s.Fingerprints) != s.Shares:
		return fault.New(fault.InvalidData, "There are %d fingerprints of %d.", len(s.Fingerprints), s.Shares)
	case s.Auto != nil && (s.Auto.Method == "" || len(s.Auto.Blob) == 0):
		return fault.New(fault.InvalidData, "A store that unseals by itself needs to know how.")
	}
	if err := Division(s.Shares, s.Threshold); err != nil {
		return err
	}
	if !s.bounded() {
		return fault.New(fault.InvalidData, "A check value, an encrypted share or a fingerprint is too long.")
	}
	return validateKeys(s.Keys)
}

// bounded reports whether the seal of a full store still fits a line of a snapshot.
func (s *Seal) bounded() bool {
	long := func(b []byte) bool { return len(b) > MaxShare }
	if s.Auto != nil && (long(s.Auto.Blob) || len(s.Auto.Method) > maxText || len(s.Auto.KeyID) > maxText) {
		return false
	}
	return !long(s.Check) && !slices.ContainsFunc(s.EncryptedShares, long) &&
		!slices.ContainsFunc(s.Fingerprints, func(f string) bool { return len(f) > maxFingerprint })
}

// Division checks into how many shares a root key may be split, and how many of them may make it (hostile S5): one share
// alone only if there is no other, or the others were of no use.
func Division(shares, threshold int) error {
	switch {
	case shares < 1 || shares > MaxShares:
		return fault.New(fault.InvalidData, "`shares` must be 1 to %d.", MaxShares)
	case threshold < 1 || threshold > shares:
		return fault.New(fault.InvalidData, "`threshold` must be 1 to the number of `shares`.")
	case threshold == 1 && shares > 1:
		return fault.New(fault.InvalidData, "`threshold` can be 1 only if `shares` is 1.")
	}
	return nil
}

func validateKeys(keys []DataKey) error {
	if len(keys) > MaxDataKeys {
		return fault.New(fault.InvalidData, "A store has at most %d data keys.", MaxDataKeys)
	}
	last := uint32(0)
	for _, k := range keys {
		if k.Term <= last || len(k.Wrapped) == 0 || len(k.Wrapped) > MaxWrapped {
			return fault.New(fault.InvalidData, "Data keys need ascending terms, and 1 to %d bytes.", MaxWrapped)
		}
		last = k.Term
	}
	if last == 0 {
		return fault.New(fault.InvalidData, "A seal needs a data key.")
	}
	return nil
}
