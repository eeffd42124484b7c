// Package iam defines the records of identity and access management, the rules a record must keep, and the one pure
// function that decides who may do what.
//
// Records are values of the replicated state: once stored, nobody changes them; a change stores another record.
// Nothing here reads a clock, a file or a random number, so that every master comes to the same verdict.
package iam

import "time"

const (
	// SuperuserRID is the resource on which any action makes a superuser (contract 3.3).
	SuperuserRID = "dcos:superuser"
	// SuperuserGroup is the group that holds the full action on SuperuserRID.
	SuperuserGroup = "superusers"
	// AdminRouterACS is the resource on which Full lets somebody administer users, groups and permissions (contract 1).
	AdminRouterACS = "dcos:adminrouter:acs"
	// SuperuserACLDescription describes the ACL that is created with the cluster.
	SuperuserACLDescription = "Superuser ACL"
	// SuperuserGroupDescription describes the group that is created with the cluster.
	SuperuserGroupDescription = "Superuser group"
)

// The provider types a user may have (contract 1.2).
const (
	Internal = "internal"
	LDAP     = "ldap"
	OIDC     = "oidc"
	SAML     = "saml"
)

// LockedPassword is the PasswordHash of an internal user without a password: none verifies until one is set.
const LockedPassword = "!"

// User is a person or a service. Which of the two, and who keeps its credentials, follows from the fields.
type User struct {
	UID         string `json:"uid"`
	Description string `json:"description,omitempty"`
	// PasswordHash is a crypt(3) string or a PHC string; "" for service accounts and for remote users.
	PasswordHash string `json:"password_hash,omitempty"`
	// PublicKey is a PEM SubjectPublicKeyInfo; only service accounts have one.
	PublicKey string `json:"public_key,omitempty"`
	// ProviderType is one of Internal, LDAP, OIDC and SAML.
	ProviderType string `json:"provider_type"`
	// ProviderID names the provider of an OIDC or SAML user; "" otherwise.
	ProviderID string `json:"provider_id,omitempty"`
	// Subject tells apart whom an identity provider calls by names that become one uid here: the SHA-256 of what the provider calls the
	// person, in base64url. OIDC and SAML users get it at the login that makes them, or that binds them (NextSubject), from cluster
	// level 4 on; users who were made beforehand have none.
	Subject string `json:"subject,omitempty"`
}

// NextSubject is the subject of a user who is to be whoever logs in next, through its provider under its uid.
const NextSubject = "next"

// OfProvider reports whether an identity provider vouches for the user: not the directory, nor we ourselves.
func (u *User) OfProvider() bool { return u.ProviderType == OIDC || u.ProviderType == SAML }

// Service reports whether the user is a service account: it logs in with a key, and plain user lists leave it out.
func (u *User) Service() bool { return u.PublicKey != "" }

// Remote reports whether another system keeps the user's credentials.
func (u *User) Remote() bool { return u.ProviderType != Internal }

// Locked reports whether the user waits for its first password: until then it cannot log in.
func (u *User) Locked() bool { return u.PasswordHash == LockedPassword }

// Group is a named set of users. Groups do not nest.
type Group struct {
	GID          string `json:"gid"`
	Description  string `json:"description,omitempty"`
	ProviderType string `json:"provider_type"`
}

// ACL is a protected resource. Its entries are grants.
type ACL struct {
	RID         string `json:"rid"`
	Description string `json:"description,omitempty"`
}

// Right is what a request needs: an action on a resource.
type Right struct {
	RID    string  `json:"rid"`
	Action Actions `json:"action"`
}

// Zero reports whether nothing is needed.
func (r Right) Zero() bool { return r == Right{} }

// KeyStatus is where a signing key stands in its life: prepared (published, so that verifiers learn it), active (signs)
// and retiring (published until its last token has expired).
type KeyStatus string

// The life of a signing key.
const (
	Prepared KeyStatus = "prepared"
	Active   KeyStatus = "active"
	Retiring KeyStatus = "retiring"
)

// SigningKey is an RSA key that signs tokens. Its private half is sealed before it reaches the log.
type SigningKey struct {
	// KID is the key id by the derivation of contract 2.4.
	KID string `json:"kid"`
	// PublicKey is the DER SubjectPublicKeyInfo. Bytes travel beside the JSON of a command, hence no name in it.
	PublicKey []byte `json:"-"`
	// Sealed is the PKCS#8 private key, sealed by the key ring with the kid as additional data.
	Sealed []byte    `json:"-"`
	Status KeyStatus `json:"status"`
	// CreatedAt, ActivatedAt and RetiringAt are instants of the state's clock; zero when not reached.
	CreatedAt   time.Time `json:"created_at,omitzero"`
	ActivatedAt time.Time `json:"activated_at,omitzero"`
	RetiringAt  time.Time `json:"retiring_at,omitzero"`
}
