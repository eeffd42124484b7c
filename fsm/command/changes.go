package command

import (
	"errors"
	"fmt"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// MaxChanges is how many changes one ApplyChanges may carry.
const MaxChanges = 2000

// ApplyChanges makes many things as they are declared, all of them or none: it creates what is missing, changes what
// differs and leaves the rest alone.
type ApplyChanges struct {
	// Changes are made in this order; each may refer to what those before it made.
	Changes []Change `json:"changes"`
	// TokenLife is the longest life a token may have, in nanoseconds. It must be set when a change removes a user or
	// replaces a service account's key: so long the cut-off stays that refuses the tokens issued before.
	TokenLife time.Duration `json:"token_life,omitempty"`
	// Bootstrap, when set, names the file that the changes come from (the hexadecimal SHA-256 of its text). It is applied
	// once in the life of a cluster: when one was recorded before, the command changes nothing.
	Bootstrap string `json:"bootstrap,omitempty"`
}

// Change declares one thing: exactly one of the pointers is set.
type Change struct {
	// User is a user as it shall be. The password of a user that exists is left as it is, whatever is said here; a new one
	// without password carries iam.LockedPassword. A user changes neither between a person and a service account nor its
	// provider.
	User *iam.User `json:"user,omitempty"`
	// Group is a group as it shall be.
	Group *iam.Group `json:"group,omitempty"`
	// ACL is a protected resource as it shall be.
	ACL *iam.ACL `json:"acl,omitempty"`
	// Member puts a user into a group.
	Member *state.Membership `json:"member,omitempty"`
	// Grant states all actions that the principal holds on the resource.
	Grant *state.Grant `json:"grant,omitempty"`
	// Provider is an identity provider as it shall be. The client secret of one that exists is left as it is if none is given.
	Provider *iam.Provider `json:"provider,omitempty"`
	// Remove takes the thing away instead: only its id counts. What is not there is removed already.
	Remove bool `json:"remove,omitempty"`
}

// Kind numbers the command.
func (ApplyChanges) Kind() Kind { return KindApplyChanges }

// Apply refuses everything when one change is refused, and names that one.
func (c ApplyChanges) Apply(t *state.Txn, h Header) error {
	if len(c.Changes) > MaxChanges {
		return fault.New(fault.InvalidData, "%d changes at once, at most %d are possible.", len(c.Changes), MaxChanges)
	}
	if c.TokenLife < 0 {
		return fault.New(fault.InvalidData, "The token life must not be negative.")
	}
	if c.Bootstrap != "" {
		m := t.Meta()
		if m.Bootstrap != "" {
			return nil
		}
		m.Bootstrap = c.Bootstrap
		t.SetMeta(m)
	}
	e := ensurer{t: t, actor: delegation(t, h), now: h.Time, tokenLife: c.TokenLife}
	for i := range c.Changes {
		if err := e.change(&c.Changes[i]); err != nil {
			return inChange(i, &c.Changes[i], err)
		}
	}
	return nil
}

// inChange says which change was refused.
func inChange(i int, c *Change, err error) error {
	var refusal *fault.Error
	if !errors.As(err, &refusal) {
		return fmt.Errorf("change %d: %w", i, err)
	}
	return fault.New(refusal.Code, "changes[%d] (%s): %s", i, c, refusal.Description)
}

// String names the thing, without what it holds.
func (c Change) String() string {
	what := "nothing"
	switch {
	case c.User != nil:
		what = "user `" + c.User.UID + "`"
	case c.Group != nil:
		what = "group `" + c.Group.GID + "`"
	case c.ACL != nil:
		what = "resource `" + c.ACL.RID + "`"
	case c.Member != nil:
		what = "user `" + c.Member.UID + "` in group `" + c.Member.GID + "`"
	case c.Grant != nil:
		what = holder(*c.Grant) + " on resource `" + c.Grant.RID + "`"
	case c.Provider != nil:
		what = "provider `" + c.Provider.ID + "`"
	}
	if c.Remove {
		return "remove " + what
	}
	return what
}
