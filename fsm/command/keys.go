package command

import (
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// PrepareKey publishes a new signing key, so that verifiers know it before it signs.
type PrepareKey struct {
	SigningKey iam.SigningKey `json:"signing_key"`
}

// Kind numbers the command.
func (PrepareKey) Kind() Kind { return KindPrepareKey }

// Apply refuses a key that the cluster has already.
func (c PrepareKey) Apply(t *state.Txn, h Header) error {
	key := c.SigningKey
	if err := complete(&key); err != nil {
		return err
	}
	if _, exists := t.SigningKey(key.KID); exists {
		return fault.New(fault.Conflict, "The cluster has the signing key %s already.", key.KID)
	}
	key.Status, key.CreatedAt, key.ActivatedAt, key.RetiringAt = iam.Prepared, h.Time, time.Time{}, time.Time{}
	t.PutSigningKey(&key)
	return nil
}

// ActivateKey lets a published key sign; the one that did is retiring from then on.
type ActivateKey struct {
	KID string `json:"kid"`
}

// Kind numbers the command.
func (ActivateKey) Kind() Kind { return KindActivateKey }

// Apply changes nothing when the key signs already.
func (c ActivateKey) Apply(t *state.Txn, h Header) error {
	key, err := signingKey(t, c.KID)
	if err != nil || key.Status == iam.Active {
		return err
	}
	for _, k := range t.SigningKeys() {
		if k.Status == iam.Active {
			old := *k
			old.Status, old.RetiringAt = iam.Retiring, h.Time
			t.PutSigningKey(&old)
		}
	}
	changed := *key
	changed.Status, changed.ActivatedAt, changed.RetiringAt = iam.Active, h.Time, time.Time{}
	t.PutSigningKey(&changed)
	return nil
}

// RetireKey drops a signing key: the tokens it signed are refused from then on.
type RetireKey struct {
	KID string `json:"kid"`
	// Force drops the key though tokens it signed may be alive.
	Force bool `json:"force,omitempty"`
	// TokenLife is the longest life a token may have, in nanoseconds.
	TokenLife time.Duration `json:"token_life"`
}

// Kind numbers the command.
func (RetireKey) Kind() Kind { return KindRetireKey }

// Apply refuses the key that signs, and, unless forced, one whose last token may not have expired.
func (c RetireKey) Apply(t *state.Txn, h Header) error {
	key, err := signingKey(t, c.KID)
	if err != nil {
		return err
	}
	if key.Status == iam.Active {
		return fault.New(fault.KeyInUse, "The key %s signs tokens: activate another one first.", key.KID)
	}
	expired := key.RetiringAt.Add(c.TokenLife)
	if key.Status == iam.Retiring && !c.Force && h.Time.Before(expired) {
		return fault.New(fault.KeyInUse, "Tokens signed with the key %s may live until %s.", key.KID, expired.Format(time.RFC3339))
	}
	t.DeleteSigningKey(key.KID)
	return nil
}

// ResealKey replaces the seal around a signing key's private half, so that the key of the key file that sealed it before is
// needed no more. The signing key itself stays the same.
type ResealKey struct {
	KID string `json:"kid"`
	// Sealed travels beside the JSON.
	Sealed []byte `json:"-"`
}

// Kind numbers the command.
func (ResealKey) Kind() Kind { return KindResealKey }

// Apply refuses a signing key that the cluster does not have (any more).
func (c ResealKey) Apply(t *state.Txn, _ Header) error {
	key, err := signingKey(t, c.KID)
	if err != nil {
		return err
	}
	changed := *key
	changed.Sealed = c.Sealed
	if err := complete(&changed); err != nil {
		return err
	}
	t.PutSigningKey(&changed)
	return nil
}

// signingKey returns the key, or ERR_UNKNOWN_KEY_ID.
func signingKey(t *state.Txn, kid string) (*iam.SigningKey, error) {
	k, ok := t.SigningKey(kid)
	if !ok {
		return nil, fault.New(fault.UnknownKey, "Signing key with id `%s` not known.", kid)
	}
	return k, nil
}

// complete refuses a key that could not sign or not be published.
func complete(k *iam.SigningKey) error {
	if k.KID == "" || len(k.PublicKey) == 0 || len(k.Sealed) == 0 {
		return fault.New(fault.InvalidData, "A signing key needs an id and both its halves.")
	}
	return nil
}
