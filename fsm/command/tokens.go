package command

import (
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

// RevokeTokens refuses the tokens of one user, or of all, that were issued before an instant.
type RevokeTokens struct {
	// UID is "" for all users.
	UID string `json:"uid,omitempty"`
	// NotBefore is a full second, at most the next one (see NextSecond): a later one would lock everybody out.
	NotBefore time.Time `json:"not_before"`
	// Expires is when the last token issued before has expired by itself.
	Expires time.Time `json:"expires"`
}

// Kind numbers the command.
func (RevokeTokens) Kind() Kind { return KindRevokeTokens }

// Apply leaves or raises a cut-off. That of a deleted user can be raised too: a deletion that was slow to commit needs a
// later one than it left behind.
func (c RevokeTokens) Apply(t *state.Txn, h Header) error {
	switch {
	case !c.NotBefore.Equal(c.NotBefore.Truncate(time.Second)):
		return fault.New(fault.InvalidData, "Tokens are revoked to the full second.")
	case c.NotBefore.After(NextSecond(h.Time)):
		return fault.New(fault.InvalidData, "Tokens of the future cannot be revoked.")
	case c.Expires.Before(c.NotBefore):
		return fault.New(fault.InvalidData, "A cut-off cannot expire before it starts.")
	case c.UID == "":
		t.SetGlobalCutoff(c.NotBefore, c.Expires)
		return nil
	}
	if _, err := user(t, c.UID); err != nil && !t.HasCutoff(c.UID) {
		return err
	}
	t.PutCutoff(c.UID, c.NotBefore, c.Expires)
	return nil
}
