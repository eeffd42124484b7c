package client

import (
	"log/slog"
	"time"
)

// User is a user or a service account (contract 1.2).
type User struct {
	UID          string `json:"uid"`
	Description  string `json:"description"`
	URL          string `json:"url"`
	IsRemote     bool   `json:"is_remote"`
	IsService    bool   `json:"is_service"`
	ProviderType string `json:"provider_type"`
	ProviderID   string `json:"provider_id"`
	// PublicKey is the PEM of a service account's key; people have none.
	PublicKey string `json:"public_key,omitempty"`
}

// NewUser is what CreateUser sends (contract 1.3): a Password makes a person, a PublicKey (PEM) makes a service account.
type NewUser struct {
	UID          string `json:"-"`
	Description  string `json:"description,omitempty"`
	Password     string `json:"password,omitempty"`
	PublicKey    string `json:"public_key,omitempty"`
	ProviderType string `json:"provider_type,omitempty"`
	ProviderID   string `json:"provider_id,omitempty"`
}

// String leaves the password out.
func (u NewUser) String() string { return "new user " + u.UID }

// GoString is String.
func (u NewUser) GoString() string { return u.String() }

// LogValue leaves the password out.
func (u NewUser) LogValue() slog.Value { return slog.StringValue(u.String()) }

// UserUpdate is what UpdateUser changes (contract 1.4); what is nil stays as it is.
type UserUpdate struct {
	Description *string `json:"description,omitempty"`
	Password    *string `json:"password,omitempty"`
	// CurrentPassword is the old one. Whoever changes its own password has to know it (contract 9, decision 25).
	CurrentPassword *string `json:"current_password,omitempty"`
}

// String leaves the passwords out.
func (UserUpdate) String() string { return "[redacted]" }

// GoString is String.
func (u UserUpdate) GoString() string { return u.String() }

// LogValue leaves the passwords out.
func (u UserUpdate) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Revocation says which tokens are refused from now on: those that were issued before NotBefore.
type Revocation struct {
	// UID is the user whose tokens they are; "" means everybody's.
	UID       string    `json:"uid,omitempty"`
	NotBefore time.Time `json:"not_before"`
}

// Master is one master as the one that was asked sees it (contract 9, decision 21).
type Master struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// API is the base URL under which it serves clients.
	API  string `json:"api"`
	Peer string `json:"peer"`
	// State is leader, follower, non-voter or unreachable.
	State        string `json:"state"`
	Leader       bool   `json:"leader"`
	Version      string `json:"version"`
	Level        int    `json:"level"`
	AppliedIndex uint64 `json:"applied_index"`
}

// HealthKind is a question about a master's health.
type HealthKind string

// The questions that a master answers about its health.
const (
	// Serving asks whether a balancer should send requests there.
	Serving HealthKind = ""
	// Leading asks whether it leads.
	Leading HealthKind = "leader"
	// Strict asks whether a linearizable read succeeds now.
	Strict HealthKind = "strict"
)

// HealthReport is a master's answer about its health.
type HealthReport struct {
	Healthy bool     `json:"healthy"`
	Reasons []string `json:"reasons"`
	ID      string   `json:"id"`
	State   string   `json:"state"`
	Leader  string   `json:"leader"`
	Term    uint64   `json:"term"`
	// Address is the base URL that answered.
	Address string `json:"-"`
}

// SigningKey is a key that signs tokens, or has signed, or will. Its private half never leaves the masters.
type SigningKey struct {
	KID string `json:"kid"`
	// Status is prepared, active or retiring.
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"created_at"`
	ActivatedAt time.Time `json:"activated_at,omitzero"`
	RetiringAt  time.Time `json:"retiring_at,omitzero"`
	// TokensExpireAt is when the last token of a retiring key has expired, so that it can be retired.
	TokensExpireAt time.Time `json:"tokens_expire_at,omitzero"`
}

// ClusterKey is a key of the cluster key file, and who has it.
type ClusterKey struct {
	ID      string `json:"id"`
	Primary bool   `json:"primary"`
	// Masters have said just now that they have the key; Unconfirmed have not. Both are ids of masters.
	Masters     []string `json:"masters"`
	Unconfirmed []string `json:"unconfirmed"`
	// SigningKeys is how many signing keys are sealed by it.
	SigningKeys int `json:"signing_keys"`
}

// Activation says what is left to do after a key was activated.
type Activation struct {
	ID          string
	Description string
}
