package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse/fsm/state"
)

// Read is what a read index tells: everything that was acknowledged before it was asked for is at or below Index.
type Read struct {
	Index  uint64
	Term   uint64
	Leader string    // server id
	Time   time.Time // the leader's clock during the round
}

// Cluster is what the funnel needs of the Raft node.
type Cluster interface {
	// ID is this master's server id.
	ID() string
	// ReadIndex learns how far the leader has committed, without waiting for the FSM. It fails with fault.NoLeader when
	// ctx ends first.
	ReadIndex(ctx context.Context) (Read, error)
	// WaitLeader returns the leader as soon as one is known; self is true when it is this master. It waits up to ctx.
	WaitLeader(ctx context.Context) (id string, self bool, err error)
	// RoundTrip sends a request to the peer port of one master over mutual TLS. Only the URL's path matters.
	RoundTrip(id string, r *http.Request) (*http.Response, error)
}

// Machine is what the funnel needs of the state machine.
type Machine interface {
	// State is the present state of this master: one immutable value.
	State() *state.State
	// AppliedIndex is the index of the last applied entry.
	AppliedIndex() uint64
	// WaitIndex returns when everything up to index is applied, or with the error of ctx.
	WaitIndex(ctx context.Context, index uint64) error
}

// Identity is what a token proves.
type Identity struct {
	UID      string
	IssuedAt time.Time
	Expires  time.Time
}

// ErrUnknownKey is returned (wrapped) by a Verifier for a token of a key that the given state does not hold. The funnel
// then catches up once and asks again.
var ErrUnknownKey = errors.New("token is signed with an unknown key")

// Verifier checks signature, form and expiry of an authentication token against the signing keys of a state. That the user
// exists and that the token is not revoked is the funnel's check.
type Verifier interface {
	Verify(s *state.State, raw string, now time.Time) (Identity, error)
}

// Status tells how this master and the others are. It must answer without a leader.
type Status interface {
	Health() Health
	Masters(ctx context.Context) []Master
}

// Health is what the health rows are decided from.
type Health struct {
	// Starting, Restoring and Draining are the phases in which a load balancer must look elsewhere.
	Starting, Restoring, Draining bool
	// Removed says that the cluster has taken this server out, for ever.
	Removed bool
	// DiskLow means that this master refuses writes for want of room.
	DiskLow bool
	// LeaderlessSince is when this master last lost sight of a leader; zero while it sees one.
	LeaderlessSince time.Time
	// State is leader, follower, non-voter or candidate.
	State string
	// Leader is the server id of the leader, "" when none is known.
	Leader string
	// Term is the Raft term.
	Term uint64
}

// Master is one row of /gatehouse/v1/masters (contract 9, decision 21).
type Master struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	API          string `json:"api"`
	Peer         string `json:"peer"`
	State        string `json:"state"`
	Leader       bool   `json:"leader"`
	Version      string `json:"version"`
	Level        int    `json:"level"`
	AppliedIndex uint64 `json:"applied_index"`
}
