package command

import (
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// ensurer makes single changes of an ApplyChanges.
type ensurer struct {
	t         *state.Txn
	actor     delegate
	now       time.Time
	tokenLife time.Duration
}

func (e *ensurer) change(c *Change) error {
	if c.things() != 1 {
		return fault.New(fault.InvalidData, "A change has exactly one of `user`, `group`, `acl`, `member`, `grant` and `provider`.")
	}
	switch {
	case c.User != nil && c.Remove:
		return e.removeUser(c.User.UID)
	case c.User != nil:
		return e.user(c.User)
	case c.Group != nil && c.Remove:
		return e.removeGroup(c.Group.GID)
	case c.Group != nil:
		return e.group(c.Group)
	case c.ACL != nil && c.Remove:
		return e.removeACL(c.ACL.RID)
	case c.ACL != nil:
		return e.acl(c.ACL)
	case c.Member != nil:
		return e.member(*c.Member, c.Remove)
	case c.Provider != nil && c.Remove:
		return e.removeProvider(c.Provider.ID)
	case c.Provider != nil:
		return e.provider(*c.Provider)
	}
	return e.grant(*c.Grant, c.Remove)
}

func (c *Change) things() (n int) {
	for _, set := range [...]bool{c.User != nil, c.Group != nil, c.ACL != nil, c.Member != nil, c.Grant != nil, c.Provider != nil} {
		if set {
			n++
		}
	}
	return n
}

func (e *ensurer) user(u *iam.User) error {
	if err := u.Validate(); err != nil {
		return err
	}
	old, exists := e.t.User(u.UID)
	if !exists {
		e.t.PutUser(u)
		return nil
	}
	if old.ProviderType != u.ProviderType || old.ProviderID != u.ProviderID || old.Service() != u.Service() {
		return fault.New(fault.Conflict, "It exists as something else, and a user changes neither its kind nor its provider.")
	}
	if old.Description == u.Description && old.PublicKey == u.PublicKey {
		return nil
	}
	if err := e.actor.user(u.UID); err != nil {
		return err
	}
	if old.PublicKey != u.PublicKey {
		if err := e.cutOff(old.UID); err != nil {
			return err
		}
	}
	changed := *old
	changed.Description, changed.PublicKey = u.Description, u.PublicKey
	e.t.PutUser(&changed)
	return nil
}

func (e *ensurer) removeUser(uid string) error {
	u, exists := e.t.User(uid)
	if !exists {
		return nil
	}
	if err := e.actor.user(u.UID); err != nil {
		return err
	}
	e.t.DeleteUser(u.UID)
	return e.cutOff(u.UID)
}

// cutOff refuses the user's tokens from now on.
func (e *ensurer) cutOff(uid string) error {
	if e.tokenLife == 0 {
		return fault.New(fault.InvalidData, "The token life must be given to cut off the tokens of a user.")
	}
	notBefore := NextSecond(e.now)
	e.t.PutCutoff(uid, notBefore, notBefore.Add(e.tokenLife))
	return nil
}

func (e *ensurer) group(g *iam.Group) error {
	if err := g.Validate(); err != nil {
		return err
	}
	old, exists := e.t.Group(g.GID)
	switch {
	case !exists:
		e.t.PutGroup(g)
		return nil
	case old.ProviderType != g.ProviderType:
		return fault.New(fault.Conflict, "It exists with provider type `%s`, which a group keeps.", old.ProviderType)
	case old.Description == g.Description:
		return nil
	}
	if err := e.actor.group(g.GID); err != nil {
		return err
	}
	changed := *old
	changed.Description = g.Description
	e.t.PutGroup(&changed)
	return nil
}

func (e *ensurer) removeGroup(gid string) error {
	g, exists := e.t.Group(gid)
	if !exists {
		return nil
	}
	return deleteGroup(e.t, e.actor, g)
}

func (e *ensurer) acl(a *iam.ACL) error {
	if err := a.Validate(); err != nil {
		return err
	}
	old, exists := e.t.ACL(a.RID)
	if exists && old.Description == a.Description {
		return nil
	}
	if err := e.actor.resource(a.RID); err != nil {
		return err
	}
	if !exists {
		e.t.PutACL(a)
		return nil
	}
	changed := *old
	changed.Description = a.Description
	e.t.PutACL(&changed)
	return nil
}

func (e *ensurer) removeACL(rid string) error {
	a, exists := e.t.ACL(rid)
	if !exists {
		return nil
	}
	return deleteACL(e.t, e.actor, a)
}

func (e *ensurer) member(m state.Membership, remove bool) error {
	if e.t.Member(m.GID, m.UID) != remove {
		return nil
	}
	if err := e.actor.group(m.GID); err != nil {
		return err
	}
	if remove {
		e.t.DeleteMembership(m.GID, m.UID)
		return nil
	}
	g, err := group(e.t, m.GID)
	if err != nil {
		return err
	}
	u, err := user(e.t, m.UID)
	if err != nil {
		return err
	}
	e.t.PutMembership(g.GID, u.UID)
	return nil
}

func (e *ensurer) grant(want state.Grant, remove bool) error {
	if remove {
		want.Actions = 0
	} else if want.Actions == 0 || !iam.AnyAction.Has(want.Actions) {
		return fault.New(fault.InvalidAction, "A grant names at least one action.")
	}
	if e.t.Actions(want.RID, want.Principal, want.Group) == want.Actions {
		return nil
	}
	if err := e.actor.resource(want.RID); err != nil {
		return err
	}
	g, err := principal(e.t, want.RID, want.Principal, want.Group)
	if err != nil {
		return err
	}
	g.Actions = want.Actions
	return putGrant(e.t, g)
}

func (e *ensurer) provider(p iam.Provider) error {
	if err := e.actor.provider(p.ID); err != nil {
		return err
	}
	old, exists := e.t.Provider(p.ID)
	if exists && old.Type() != p.Type() {
		return fault.New(fault.Conflict, "It exists with type `%s`, which a provider keeps.", old.Type())
	}
	if exists && p.OIDC != nil && len(p.OIDC.SealedSecret) == 0 {
		kept := *p.OIDC
		kept.SealedSecret = old.OIDC.SealedSecret
		p.OIDC = &kept
	}
	if exists && old.Same(&p) {
		return nil
	}
	return putProvider(e.t, p)
}

func (e *ensurer) removeProvider(id string) error {
	if _, exists := e.t.Provider(id); !exists {
		return nil
	}
	if err := e.actor.provider(id); err != nil {
		return err
	}
	e.t.DeleteProvider(id)
	return nil
}
