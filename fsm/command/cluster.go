package command

import (
	"slices"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// BeginTerm is the first command of a leader in its term. Once it is applied, the leader knows that its state contains
// everything that was acknowledged before. No-ops and barriers never reach the state, which is why this is a command.
type BeginTerm struct {
	LeaderID string `json:"leader_id"`
}

// Kind numbers the command.
func (BeginTerm) Kind() Kind { return KindBeginTerm }

// Apply records the term of the log entry and its leader.
func (c BeginTerm) Apply(t *state.Txn, h Header) error {
	m := t.Meta()
	m.Term, m.LeaderID = h.Term, c.LeaderID
	t.SetMeta(m)
	return nil
}

// InitCluster makes an empty state a cluster: its id and level, its first signing key, and its superusers.
type InitCluster struct {
	ClusterID    string         `json:"cluster_id"`
	Level        int            `json:"level"`
	PrimaryKeyID string         `json:"primary_key_id"`
	SigningKey   iam.SigningKey `json:"signing_key"`
	// Superuser and SuperuserServiceAccount are optional.
	Superuser               *iam.User `json:"superuser,omitempty"`
	SuperuserServiceAccount *iam.User `json:"superuser_service_account,omitempty"`
}

// Kind numbers the command.
func (InitCluster) Kind() Kind { return KindInitCluster }

// Apply refuses a second initialisation.
func (c InitCluster) Apply(t *state.Txn, h Header) error {
	m := t.Meta()
	if m.ClusterID != "" {
		return fault.New(fault.Conflict, "The cluster is initialised already.")
	}
	if c.ClusterID == "" || c.Level < 1 {
		return fault.New(fault.InvalidData, "A cluster needs an id and a level.")
	}
	if err := complete(&c.SigningKey); err != nil {
		return err
	}
	m.ClusterID, m.Level, m.PrimaryKeyID, m.CreatedAt = c.ClusterID, c.Level, c.PrimaryKeyID, h.Time
	t.SetMeta(m)
	key := c.SigningKey
	key.Status, key.CreatedAt, key.ActivatedAt = iam.Active, h.Time, h.Time
	t.PutSigningKey(&key)
	ensureSuperusers(t)
	return c.addSuperusers(t)
}

func (c InitCluster) addSuperusers(t *state.Txn) error {
	for _, u := range []*iam.User{c.Superuser, c.SuperuserServiceAccount} {
		if u == nil {
			continue
		}
		if err := (CreateUser{User: *u}).Apply(t, Header{}); err != nil {
			return err
		}
		t.PutMembership(iam.SuperuserGroup, u.UID)
	}
	return nil
}

// SetLevel raises the cluster level. The leader emits it once every server has a binary that supports the level.
type SetLevel struct {
	Level int `json:"level"`
}

// Kind numbers the command.
func (SetLevel) Kind() Kind { return KindSetLevel }

// Apply goes one level up, never down.
func (c SetLevel) Apply(t *state.Txn, _ Header) error {
	m := t.Meta()
	if m.ClusterID == "" || c.Level != m.Level+1 {
		return fault.New(fault.Conflict, "The cluster is at level %d, it cannot go to %d.", m.Level, c.Level)
	}
	m.Level = c.Level
	t.SetMeta(m)
	return nil
}

// SetPrimaryKey names the key of the key file that seals from now on.
type SetPrimaryKey struct {
	KeyID string `json:"key_id"`
}

// Kind numbers the command.
func (SetPrimaryKey) Kind() Kind { return KindSetPrimaryKey }

// Apply records the key id.
func (c SetPrimaryKey) Apply(t *state.Txn, _ Header) error {
	if c.KeyID == "" {
		return fault.New(fault.InvalidData, "The key id must not be empty.")
	}
	m := t.Meta()
	m.PrimaryKeyID = c.KeyID
	t.SetMeta(m)
	return nil
}

// RemoveServer remembers for ever that a server was removed: its certificate proves membership no more.
type RemoveServer struct {
	ID string `json:"id"`
}

// Kind numbers the command.
func (RemoveServer) Kind() Kind { return KindRemoveServer }

// Apply adds the id to the removed ones; a second time changes nothing.
func (c RemoveServer) Apply(t *state.Txn, _ Header) error {
	if c.ID == "" {
		return fault.New(fault.InvalidData, "The server id must not be empty.")
	}
	m := t.Meta()
	i, found := slices.BinarySearch(m.Removed, c.ID)
	if !found {
		m.Removed = slices.Insert(slices.Clone(m.Removed), i, c.ID)
		t.SetMeta(m)
	}
	return nil
}
