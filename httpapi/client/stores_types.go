package client

import (
	"fmt"
	"log/slog"
	"time"
)

// Store is a store of secrets (contract 6.2).
type Store struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Driver      string `json:"driver"`
	Initialized bool   `json:"initialized"`
	Sealed      bool   `json:"sealed"`
}

// NewStore is what CreateStore sends.
type NewStore struct {
	Name        string `json:"-"`
	Description string `json:"description,omitempty"`
	// Driver is vault, or "", which is the same.
	Driver string `json:"driver,omitempty"`
}

// StoreDetails are a store with its settings, and what is in it.
type StoreDetails struct {
	Store
	Created time.Time `json:"created"`
	// Epoch grows with every seal and unseal.
	Epoch uint64 `json:"epoch"`
	// Shares and Threshold say into how many shares its root key is split, and how many of them unseal it.
	Shares    int `json:"shares"`
	Threshold int `json:"threshold"`
	// MaxVersions is how many versions of each secret are kept.
	MaxVersions int `json:"max_versions"`
	// Undelete is how long a deleted secret can be brought back: a duration such as 168h0m0s.
	Undelete string `json:"undelete"`
	// AutoUnseal is the method by which the store opens itself; "" is none.
	AutoUnseal string `json:"auto_unseal,omitempty"`
	// Terms are the numbers of the data keys. The last one encrypts; the others are dropped once nothing needs them.
	Terms []uint32 `json:"terms"`
	// Secrets are not deleted; Deleted are, and can be brought back.
	Secrets  int   `json:"secrets"`
	Deleted  int   `json:"deleted"`
	Versions int   `json:"versions"`
	Bytes    int64 `json:"bytes"`
}

// StoreSettings is what UpdateStore changes; what is nil stays as it is.
type StoreSettings struct {
	Description *string `json:"description,omitempty"`
	// MaxVersions is how many versions of each secret are kept, 1 to 100.
	MaxVersions *int `json:"max_versions,omitempty"`
	// Undelete is how long a deleted secret can be brought back, a duration such as 168h.
	Undelete *string `json:"undelete,omitempty"`
}

// NewShares says how a root key is split.
type NewShares struct {
	// Shares are made, and Threshold of them unseal. 1 of 1 is allowed, 1 of several is not.
	Shares    int `json:"shares"`
	Threshold int `json:"threshold"`
	// PGPKeys are the holders' public keys, one for each share, as base64 of a binary export. The shares are encrypted to them.
	PGPKeys []string `json:"pgp_keys,omitempty"`
	// AutoUnseal keeps the root key for the masters, too, sealed by the method that they have.
	AutoUnseal bool `json:"auto_unseal,omitempty"`
}

// Initialization is the answer of InitStore and InitStatus.
type Initialization struct {
	Initialized bool
	// Keys are the shares in hex. InitStore answers them once, as they are or encrypted to the PGP keys, in their order; InitStatus answers
	// encrypted ones alone.
	Keys []string
	// Fingerprints are those of the PGP keys.
	Fingerprints []string
}

// Format leaves the shares out.
func (Initialization) Format(f fmt.State, _ rune) { redact(f) }

// LogValue leaves the shares out.
func (Initialization) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON leaves the shares out.
func (Initialization) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

// SealStatus says whether a store is sealed, and how far unsealing has come (contract 6.2).
type SealStatus struct {
	Sealed    bool `json:"sealed"`
	Threshold int  `json:"threshold"`
	Shares    int  `json:"shares"`
	// Progress is how many shares have been given.
	Progress int `json:"progress"`
	// Nonce names the unsealing that is under way: it changes when one begins anew.
	Nonce string `json:"nonce,omitempty"`
	// Unreached are the names of masters that did not get the keys when the store opened. They get them when they are back.
	Unreached []string `json:"unreached,omitempty"`
}

// The stages of a rekey.
const (
	RekeyNone   = "none"   // no rekey is under way
	RekeyShares = "shares" // present shares are gathered
	RekeyVerify = "verify" // new shares are gathered
	RekeyDone   = "done"   // the new shares count
)

// Rekey is how far a change of the root key has come.
type Rekey struct {
	// Stage is one of RekeyNone, RekeyShares, RekeyVerify and RekeyDone.
	Stage string `json:"stage"`
	// Nonce names this change; shares are given to it and no other.
	Nonce string `json:"nonce"`
	// Shares and Threshold are those of the new root key.
	Shares    int `json:"shares"`
	Threshold int `json:"threshold"`
	// Progress is how many shares have been given in this stage, of the Required ones.
	Progress     int      `json:"progress"`
	Required     int      `json:"required"`
	AutoUnseal   bool     `json:"auto_unseal"`
	Fingerprints []string `json:"pgp_fingerprints"`
	// Keys are the new shares in hex, as Initialization has them. Only the answer that ends RekeyShares has them. encoding/json leaves
	// them out.
	Keys []string `json:"-"`
}

// Format leaves the shares out.
func (r Rekey) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "rekey %s, stage %s", r.Nonce, r.Stage) }

// LogValue leaves the shares out.
func (r Rekey) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }
