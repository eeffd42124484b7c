package command

import (
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// AdmitUser makes a user of somebody whom another system has vouched for, at the first login (contract 4.5, 5.7), or binds to the
// subject a user who waits for one (ForgetSubject). A new user has no permissions and is in no group.
type AdmitUser struct {
	// User is a remote one, without credentials. It has the subject of a person if an identity provider vouches for it.
	User iam.User `json:"user"`
	// Version is that of the configuration, of the provider or of the directory, by which was vouched; 0 for an ID token,
	// whose issuer is no provider of the state.
	Version uint64 `json:"version,omitempty"`
}

// Kind numbers the command.
func (AdmitUser) Kind() Kind { return KindAdmitUser }

// Apply changes nothing else when the user exists, whoever was faster. A uid that belongs to somebody else, or can belong to
// nobody, is refused. A known user who was made beforehand, without a subject, stays without one.
func (c AdmitUser) Apply(t *state.Txn, _ Header) error {
	if !c.User.Remote() || c.User.Validate() != nil || !c.ofSomebody() {
		return cannotImport(c.User.UID)
	}
	if !c.vouched(t) {
		return fault.New(fault.Conflict, "The login provider was changed meanwhile.")
	}
	known, exists := t.User(c.User.UID)
	if !exists {
		t.PutUser(&c.User)
		return nil
	}
	if known.ProviderType != c.User.ProviderType || known.ProviderID != c.User.ProviderID {
		return cannotImport(c.User.UID)
	}
	switch known.Subject {
	case "", c.User.Subject:
		return nil
	case iam.NextSubject:
		bound := *known
		bound.Subject = c.User.Subject
		t.PutUser(&bound)
		return nil
	}
	return cannotImport(c.User.UID)
}

// ofSomebody reports whether the user has a subject of its own exactly if an identity provider vouches for it.
func (c AdmitUser) ofSomebody() bool {
	if c.User.ProviderType == iam.LDAP {
		return true // Validate has seen that there is none
	}
	return c.User.Subject != "" && c.User.Subject != iam.NextSubject
}

// vouched reports whether the configuration by which was vouched is still there, as it was.
func (c AdmitUser) vouched(t *state.Txn) bool {
	switch {
	case c.User.ProviderType == iam.LDAP:
		d := t.Directory()
		return d != nil && d.Version == c.Version
	case c.Version == 0:
		return c.User.ProviderType == iam.OIDC
	}
	p, ok := t.Provider(c.User.ProviderID)
	return ok && p.Serves(&c.User) && p.Version == c.Version
}

// cannotImport does not tell what the uid belongs to: who asks has not logged in.
func cannotImport(uid string) error {
	return fault.New(fault.CannotImportUser, "The user `%s` cannot be imported.", iam.Excerpt(uid))
}

// ForgetSubject takes from a user what its identity provider calls it. Whoever logs in next, through the same provider under the same
// uid, is the user from then on: the remedy when a provider was set up anew.
type ForgetSubject struct {
	UID string `json:"uid"`
}

// Kind numbers the command.
func (ForgetSubject) Kind() Kind { return KindForgetSubject }

// Apply changes nothing about users of no identity provider. It is for superusers alone: it decides who logs in as somebody.
func (c ForgetSubject) Apply(t *state.Txn, h Header) error {
	u, err := user(t, c.UID)
	if err != nil {
		return err
	}
	if err := delegation(t, h).subject(u.UID); err != nil {
		return err
	}
	if !u.OfProvider() || u.Subject == iam.NextSubject {
		return nil
	}
	changed := *u
	changed.Subject = iam.NextSubject
	t.PutUser(&changed)
	return nil
}
