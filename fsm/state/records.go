package state

import (
	"encoding/hex"
	"fmt"
	"time"

	"gatehouse/fsm/iam"
)

// Meta is what the cluster agrees on about itself.
type Meta struct {
	// ClusterID is "" until the cluster is initialised.
	ClusterID string `json:"cluster_id,omitempty"`
	// Level is the cluster level: which kinds, fields and semantics a leader may emit.
	Level int `json:"level,omitempty"`
	// PrimaryKeyID names the key of the key file that seals what is new.
	PrimaryKeyID string `json:"primary_key_id,omitempty"`
	// Clock is the highest time that any command carried, in UTC. It never goes back.
	Clock time.Time `json:"clock,omitzero"`
	// Term is the Raft term of the last BeginTerm, and LeaderID the server that issued it.
	Term     uint64 `json:"term,omitempty"`
	LeaderID string `json:"leader_id,omitempty"`
	// CreatedAt is when the cluster was initialised.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// Removed lists the ids of servers that were removed for ever, ascending.
	Removed []string `json:"removed,omitempty"`
	// Bootstrap names the file whose declarations the cluster began with, "" when there was none.
	Bootstrap string `json:"bootstrap,omitempty"`
}

// Membership says that a user is in a group.
type Membership struct {
	GID string `json:"gid"`
	UID string `json:"uid"`
}

// Grant is what one principal, a user or a group, may do on one resource. It never holds the empty set.
type Grant struct {
	RID string `json:"rid"`
	// Principal is a uid, or a gid when Group is true.
	Principal string      `json:"principal"`
	Group     bool        `json:"group,omitempty"`
	Actions   iam.Actions `json:"actions,omitzero"`
}

// Cutoff refuses the tokens of a user that were issued before NotBefore. A cut-off with an empty UID is for all users.
type Cutoff struct {
	UID string `json:"uid,omitempty"`
	// NotBefore is a full second, because that is what a token's iat can say.
	NotBefore time.Time `json:"not_before"`
	// Expires is when the last token that the cut-off could refuse has expired by itself.
	Expires time.Time `json:"expires"`
}

// Hash is a SHA-256. It is written in hexadecimal.
type Hash [32]byte

// MarshalText writes the hash in lower-case hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("hash of %d hexadecimal digits, want %d", len(text), hex.EncodedLen(len(h)))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Replay remembers the outcome of a request that carried an Idempotency-Key.
type Replay struct {
	UID string `json:"uid"`
	Key string `json:"key"`
	// Hash is over the request's method, path and body: the same key with another hash is a mistake.
	Hash Hash `json:"hash"`
	// Status is the HTTP status that was answered.
	Status int `json:"status"`
	// Index is the entry that did the work, and Time the state's clock then.
	Index uint64    `json:"index"`
	Time  time.Time `json:"time"`
	// Seq numbers the records of one user without gaps, so that newest minus oldest is their count.
	Seq uint64 `json:"seq"`
}

// AuditHead says how far the audit trail of one master reached, and what all of it up to there hashes to.
type AuditHead struct {
	// Master is the server id.
	Master string `json:"master"`
	// Sequence numbers the records of the master from 1; Hash is that of the record with this number.
	Sequence uint64 `json:"sequence"`
	Hash     Hash   `json:"hash"`
	// Time is the master's clock when it told, in UTC.
	Time time.Time `json:"time"`
	// Told is the state's clock when the head was first recorded: nothing that the master could choose.
	Told time.Time `json:"told,omitzero"`
	// Rotated says that a file ended with this record. Such heads are kept longer, to verify old files by.
	Rotated bool `json:"rotated,omitempty"`
}

// Sizes counts what the state holds, for metrics.
type Sizes struct {
	Users, ServiceAccounts, Groups, ACLs, Memberships, Grants, SigningKeys, Cutoffs, Replays, AuditHeads, Providers int
	Directories                                                                                                     int
	Stores, Secrets                                                                                                 int
}
