package client

// Group is a set of users and service accounts (contract 1.6).
type Group struct {
	GID          string `json:"gid"`
	Description  string `json:"description"`
	URL          string `json:"url"`
	ProviderType string `json:"provider_type"`
}

// NewGroup is what CreateGroup sends (contract 1.7).
type NewGroup struct {
	GID         string `json:"-"`
	Description string `json:"description"`
	// ProviderType is internal or ldap; "" means internal.
	ProviderType string `json:"provider_type,omitempty"`
}

// ACL is a protected resource: something that permissions can be granted on (contract 1.8).
type ACL struct {
	RID         string `json:"rid"`
	Description string `json:"description"`
	URL         string `json:"url"`
}

// Action is something that is granted.
type Action struct {
	// Name is one of Actions.
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Permission is what somebody may do to a resource.
type Permission struct {
	RID         string `json:"rid"`
	Description string `json:"description"`
	ACLURL      string `json:"aclurl"`
	// GID and MembershipURL are set when it comes through a group.
	GID           string   `json:"gid,omitempty"`
	MembershipURL string   `json:"membershipurl,omitempty"`
	Actions       []Action `json:"actions"`
}

// Permissions are what a user may do (contract 1.9).
type Permissions struct {
	// Direct are granted to the user itself, Groups to groups that the user is in.
	Direct []Permission `json:"direct"`
	Groups []Permission `json:"groups"`
}

// ACLPermissions are who may do what to a resource (contract 1.8).
type ACLPermissions struct {
	Groups []GroupGrant `json:"groups"`
	Users  []UserGrant  `json:"users"`
}

// GroupGrant is what the members of a group may do to a resource.
type GroupGrant struct {
	GID      string   `json:"gid"`
	GroupURL string   `json:"groupurl"`
	Actions  []Action `json:"actions"`
}

// UserGrant is what a user may do to a resource.
type UserGrant struct {
	UID     string   `json:"uid"`
	UserURL string   `json:"userurl"`
	Actions []Action `json:"actions"`
}

// Query asks whether a user may do something to a resource.
type Query struct {
	UID    string `json:"uid"`
	RID    string `json:"rid"`
	Action string `json:"action"`
}

// Decision is the answer to a Query, and why.
type Decision struct {
	Query
	Allowed bool `json:"allowed"`
	// Superuser says that the user may do everything.
	Superuser bool `json:"superuser"`
	// Paths are the permissions that lead there; none when it is not allowed.
	Paths []GrantPath `json:"paths"`
}

// GrantPath is a permission that a decision rests on.
type GrantPath struct {
	// RID is the resource of the permission: the one that was asked for, or dcos:superuser.
	RID     string   `json:"rid"`
	Actions []string `json:"actions"`
	// GID is the group that has it; "" means the user itself.
	GID string `json:"gid,omitempty"`
}
