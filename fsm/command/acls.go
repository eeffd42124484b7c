package command

import (
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// CreateACL adds a protected resource, without any grant; it never changes one.
type CreateACL struct {
	ACL iam.ACL `json:"acl"`
}

// Kind numbers the command.
func (CreateACL) Kind() Kind { return KindCreateACL }

// Apply refuses a rid that is taken.
func (c CreateACL) Apply(t *state.Txn, h Header) error {
	if err := c.ACL.Validate(); err != nil {
		return err
	}
	if err := delegation(t, h).resource(c.ACL.RID); err != nil {
		return err
	}
	if _, exists := t.ACL(c.ACL.RID); exists {
		return fault.New(fault.ACLExists, "Protected resource with rid `%s` already exists.", c.ACL.RID)
	}
	t.PutACL(&c.ACL)
	return nil
}

// UpdateACL changes what is not nil.
type UpdateACL struct {
	RID         string  `json:"rid"`
	Description *string `json:"description,omitempty"`
}

// Kind numbers the command.
func (UpdateACL) Kind() Kind { return KindUpdateACL }

// Apply refuses an update of nothing.
func (c UpdateACL) Apply(t *state.Txn, h Header) error {
	if c.Description == nil {
		return fault.New(fault.InvalidData, "`description` must be provided.")
	}
	a, err := resource(t, c.RID)
	if err != nil {
		return err
	}
	if err := delegation(t, h).resource(a.RID); err != nil {
		return err
	}
	changed := *a
	changed.Description = *c.Description
	if err := changed.Validate(); err != nil {
		return err
	}
	t.PutACL(&changed)
	return nil
}

// DeleteACL removes a protected resource with its grants.
type DeleteACL struct {
	RID string `json:"rid"`
}

// Kind numbers the command.
func (DeleteACL) Kind() Kind { return KindDeleteACL }

// Apply refuses to delete the resource that makes superusers (contract 3.4).
func (c DeleteACL) Apply(t *state.Txn, h Header) error {
	a, err := resource(t, c.RID)
	if err != nil {
		return err
	}
	return deleteACL(t, delegation(t, h), a)
}

func deleteACL(t *state.Txn, d delegate, a *iam.ACL) error {
	if err := d.resource(a.RID); err != nil {
		return err
	}
	if a.RID == iam.SuperuserRID {
		return fault.New(fault.IsSuperuserACL, "The `%s` resource cannot be deleted.", iam.SuperuserRID)
	}
	t.DeleteACL(a.RID)
	return nil
}

// resource returns the protected resource, or ERR_UNKNOWN_RESOURCE_ID.
func resource(t *state.Txn, rid string) (*iam.ACL, error) {
	a, ok := t.ACL(rid)
	if !ok {
		return nil, fault.New(fault.UnknownResource, "Protected resource with rid `%s` not known.", rid)
	}
	return a, nil
}
