package declare

import (
	"errors"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/keyring/token"
)

// leastKeyBits is the least size of a key that any cluster can be set to accept; what this one wants is its own business.
const leastKeyBits = 1024

func (r *reader) checkUser(u *User, service bool) {
	note := func(err error) {
		if err != nil {
			r.wrong.add(u.At, "%s %s: %s", kindOf(service), quoted(u.UID), said(err))
		}
	}
	note(iam.ValidateUID(u.UID))
	note(iam.ValidateDescription(value(u.Description)))
	if service {
		_, err := token.ParsePublicKeyMin(u.PublicKey, leastKeyBits)
		note(err)
		return
	}
	if err := iam.ValidateProviderType(u.provider()); err != nil {
		note(err)
		return
	}
	note(iam.ValidateProviderID(u.provider(), u.ProviderID))
}

func (r *reader) checkGroup(g *Group) {
	note := func(at Position, err error) {
		if err != nil {
			r.wrong.add(at, "group %s: %s", quoted(g.GID), said(err))
		}
	}
	note(g.At, iam.ValidateGID(g.GID))
	note(g.At, iam.ValidateDescription(value(g.Description)))
	if g.ProviderType != "" && g.ProviderType != iam.Internal && g.ProviderType != iam.LDAP {
		r.wrong.add(g.At, "group %s: provider_type %s: want internal or ldap", quoted(g.GID), quoted(g.ProviderType))
	}
	seen := make(map[string]Position, len(g.Members))
	for _, m := range g.Members {
		note(m.At, iam.ValidateUID(m.UID))
		if first, twice := seen[m.UID]; twice {
			r.wrong.add(m.At, "group %s: the member %s is there twice, first in line %d", quoted(g.GID), quoted(m.UID), first.Line)
		}
		seen[m.UID] = m.At
	}
}

func (r *reader) checkACL(a *ACL) {
	note := func(at Position, err error) {
		if err != nil {
			r.wrong.add(at, "acl %s: %s", quoted(a.RID), said(err))
		}
	}
	note(a.At, iam.ValidateRID(a.RID))
	note(a.At, iam.ValidateDescription(value(a.Description)))
	for _, g := range a.Users {
		note(g.At, iam.ValidateUID(g.ID))
	}
	for _, g := range a.Groups {
		note(g.At, iam.ValidateGID(g.ID))
	}
}

// said is what an error says to people.
func said(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Description
	}
	return err.Error()
}

// value is the text, or "" when it is left out.
func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// Check looks at what only shows when every file is read: what is declared twice. Users and service accounts share their names.
func (d *Document) Check() (wrong Problems) {
	for _, s := range sections {
		if s.check != nil {
			s.check(d, &wrong)
		}
	}
	return wrong
}

// CheckKeys refuses the service accounts whose keys are too small for a master that is set to want so many bits.
func (d *Document) CheckKeys(minBits int) (wrong Problems) {
	for _, u := range d.ServiceAccounts {
		if _, err := token.ParsePublicKeyMin(u.PublicKey, minBits); err != nil {
			wrong.add(u.At, "service account %s: %v", quoted(u.UID), err)
		}
	}
	return wrong
}

// once notes names that come twice.
type once struct {
	what  string
	seen  map[string]Position
	wrong *Problems
}

func newOnce(what string, wrong *Problems) *once { return &once{what, map[string]Position{}, wrong} }

func (o *once) add(id string, at Position) {
	if first, twice := o.seen[id]; twice {
		o.wrong.add(at, "%s %s is there twice, first at %s", o.what, quoted(id), first)
		return
	}
	o.seen[id] = at
}

func checkAccounts(d *Document, wrong *Problems) {
	ids := newOnce("the uid", wrong)
	for _, list := range [][]User{d.Users, d.ServiceAccounts} {
		for _, u := range list {
			ids.add(u.UID, u.At)
		}
	}
}

func checkGroups(d *Document, wrong *Problems) {
	ids := newOnce("the group", wrong)
	for _, g := range d.Groups {
		ids.add(g.GID, g.At)
	}
}

func checkACLs(d *Document, wrong *Problems) {
	ids := newOnce("the acl", wrong)
	for _, a := range d.ACLs {
		ids.add(a.RID, a.At)
	}
}
