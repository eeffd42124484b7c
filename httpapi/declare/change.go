package declare

// Change is one change as POST /gatehouse/v1/iam/apply takes it. Exactly one of its parts is set. It makes sure of something:
// what is so already is no error, and neither is removing what is not there.
type Change struct {
	User     *UserChange   `json:"user,omitempty"`
	Group    *GroupChange  `json:"group,omitempty"`
	ACL      *ACLChange    `json:"acl,omitempty"`
	Member   *MemberChange `json:"member,omitempty"`
	Grant    *GrantChange  `json:"grant,omitempty"`
	Provider *Provider     `json:"provider,omitempty"`
	// Remove says that it is to go; then nothing but its id is needed.
	Remove bool `json:"remove,omitempty"`
}

// Shown is the change without its client secret.
func (c Change) Shown() Change {
	if c.Provider != nil {
		p := *c.Provider
		p.ClientSecret = ""
		c.Provider = &p
	}
	return c
}

// UserChange states a user (or with PublicKey a service account) as a whole, but for its password.
type UserChange struct {
	UID          string `json:"uid"`
	Description  string `json:"description,omitempty"`
	PublicKey    string `json:"public_key,omitempty"`
	ProviderType string `json:"provider_type,omitempty"` // "" is internal
	ProviderID   string `json:"provider_id,omitempty"`
}

// GroupChange states a group, without its members.
type GroupChange struct {
	GID          string `json:"gid"`
	Description  string `json:"description,omitempty"`
	ProviderType string `json:"provider_type,omitempty"` // "" is internal
}

// ACLChange states a protected resource, without its grants.
type ACLChange struct {
	RID         string `json:"rid"`
	Description string `json:"description,omitempty"`
}

// MemberChange states that a user is in a group.
type MemberChange struct {
	GID string `json:"gid"`
	UID string `json:"uid"`
}

// GrantChange states all that a user, or a group, may do on a resource. Exactly one of UID and GID is set.
type GrantChange struct {
	RID     string   `json:"rid"`
	UID     string   `json:"uid,omitempty"`
	GID     string   `json:"gid,omitempty"`
	Actions []string `json:"actions,omitempty"`
}

// Changes is the body of a request.
type Changes struct {
	Changes []Change `json:"changes"`
}
