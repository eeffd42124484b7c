package command

import (
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// CreateProvider configures an identity provider; it never changes one.
type CreateProvider struct {
	Provider iam.Provider `json:"provider"`
}

// Kind numbers the command.
func (CreateProvider) Kind() Kind { return KindCreateProvider }

// Apply refuses an id that is taken by a provider of either type: users are shown both in one list.
func (c CreateProvider) Apply(t *state.Txn, h Header) error {
	if err := delegation(t, h).provider(c.Provider.ID); err != nil {
		return err
	}
	if _, exists := t.Provider(c.Provider.ID); exists {
		return fault.New(fault.Conflict, "Provider with id `%s` already exists.", c.Provider.ID)
	}
	return putProvider(t, c.Provider)
}

// UpdateProvider replaces a configuration if it is still the one that the change was made from.
type UpdateProvider struct {
	// Provider.Version is that of the configuration that is replaced.
	Provider iam.Provider `json:"provider"`
}

// Kind numbers the command.
func (UpdateProvider) Kind() Kind { return KindUpdateProvider }

// Apply changes nothing when the configuration was changed meanwhile.
func (c UpdateProvider) Apply(t *state.Txn, h Header) error {
	old, err := provider(t, c.Provider.Type(), c.Provider.ID)
	if err != nil {
		return err
	}
	if err := delegation(t, h).provider(old.ID); err != nil {
		return err
	}
	if old.Version != c.Provider.Version {
		return fault.New(fault.Conflict, "Provider `%s` was changed meanwhile.", old.ID)
	}
	return putProvider(t, c.Provider)
}

// putProvider stores the configuration as that of this entry.
func putProvider(t *state.Txn, p iam.Provider) error {
	if err := p.Validate(); err != nil {
		return err
	}
	p.Version = t.Index()
	t.PutProvider(&p)
	return nil
}

// DeleteProvider drops a configuration. Its users stay and cannot log in.
type DeleteProvider struct {
	// Type is iam.OIDC or iam.SAML.
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Kind numbers the command.
func (DeleteProvider) Kind() Kind { return KindDeleteProvider }

// Apply refuses a provider that is not configured. That superusers do not all log in through it is checked at the end of
// every command.
func (c DeleteProvider) Apply(t *state.Txn, h Header) error {
	p, err := provider(t, c.Type, c.ID)
	if err != nil {
		return err
	}
	if err := delegation(t, h).provider(p.ID); err != nil {
		return err
	}
	t.DeleteProvider(p.ID)
	return nil
}

// ResealProvider replaces the seal around a client secret, like ResealKey that of a signing key.
type ResealProvider struct {
	ID           string `json:"id"`
	SealedSecret []byte `json:"sealed_secret"`
}

// Kind numbers the command.
func (ResealProvider) Kind() Kind { return KindResealProvider }

// Apply refuses a provider that the cluster does not have (any more). The configuration keeps its version: nothing that a
// client sees has changed.
func (c ResealProvider) Apply(t *state.Txn, _ Header) error {
	old, err := provider(t, iam.OIDC, c.ID)
	if err != nil {
		return err
	}
	changed, oidc := *old, *old.OIDC
	oidc.SealedSecret = c.SealedSecret
	changed.OIDC = &oidc
	if err := changed.Validate(); err != nil {
		return err
	}
	t.PutProvider(&changed)
	return nil
}

// provider returns the configuration, or the refusal of contract 5.3.
func provider(t *state.Txn, providerType, id string) (*iam.Provider, error) {
	p, ok := t.Provider(id)
	if !ok || p.Type() != providerType {
		return nil, fault.New(fault.UnknownProvider, "The login provider with ID '%s' is not known", id)
	}
	return p, nil
}
