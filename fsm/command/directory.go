package command

import (
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// LevelDirectory is the cluster level from which on entries carry the directory. Only from there on does a superuser who
// logs in through it count as one who can.
const LevelDirectory = 4

// PutDirectory configures the LDAP directory, or replaces the whole configuration.
type PutDirectory struct {
	Directory iam.Directory `json:"directory"`
}

// Kind numbers the command.
func (PutDirectory) Kind() Kind { return KindPutDirectory }

// Apply stores the configuration as that of this entry.
func (c PutDirectory) Apply(t *state.Txn, h Header) error {
	if err := delegation(t, h).directory(); err != nil {
		return err
	}
	if err := c.Directory.Validate(); err != nil {
		return err
	}
	c.Directory.Version = t.Index()
	t.PutDirectory(&c.Directory)
	return nil
}

// DeleteDirectory drops the configuration. Users and groups of the directory stay; nobody logs in through it.
type DeleteDirectory struct{}

// Kind numbers the command.
func (DeleteDirectory) Kind() Kind { return KindDeleteDirectory }

// Apply refuses when nothing is configured. That superusers do not all log in through the directory is checked at the end
// of every command.
func (DeleteDirectory) Apply(t *state.Txn, h Header) error {
	if _, err := directory(t); err != nil {
		return err
	}
	if err := delegation(t, h).directory(); err != nil {
		return err
	}
	t.DeleteDirectory()
	return nil
}

// ResealDirectory replaces the seals around the secrets of the directory's configuration, like ResealKey that of a signing
// key.
type ResealDirectory struct {
	// Version is that of the configuration whose secrets they are.
	Version              uint64 `json:"version"`
	SealedLookupPassword []byte `json:"sealed_lookup_password,omitempty"`
	SealedClientKey      []byte `json:"sealed_client_key,omitempty"`
}

// Kind numbers the command.
func (ResealDirectory) Kind() Kind { return KindResealDirectory }

// Apply changes nothing when the configuration was changed meanwhile. It keeps its version: nothing that a client sees has
// changed.
func (c ResealDirectory) Apply(t *state.Txn, _ Header) error {
	old, err := directory(t)
	if err != nil {
		return err
	}
	if old.Version != c.Version {
		return errDirectoryChanged()
	}
	if (c.SealedLookupPassword == nil) != (old.SealedLookupPassword == nil) || (c.SealedClientKey == nil) != (old.SealedClientKey == nil) {
		return fault.New(fault.InvalidData, "A seal is replaced by another one.")
	}
	changed := *old
	changed.SealedLookupPassword, changed.SealedClientKey = c.SealedLookupPassword, c.SealedClientKey
	if err := changed.Validate(); err != nil {
		return err
	}
	t.PutDirectory(&changed)
	return nil
}

// directory returns the configuration, or ERR_LDAP_CONFIG_NOT_AVAILABLE (contract 4.2).
func directory(t *state.Txn) (*iam.Directory, error) {
	d := t.Directory()
	if d == nil {
		return nil, fault.New(fault.LDAPConfigNotAvailable, "No LDAP configuration stored yet.")
	}
	return d, nil
}

func errDirectoryChanged() error {
	return fault.New(fault.Conflict, "The LDAP configuration was changed meanwhile.")
}
