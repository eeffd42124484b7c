package directoryapi

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/login/ldap"
)

// DefaultImportLimit is how long the members of a group are looked for (contract 4.6).
const DefaultImportLimit = 2 * time.Minute

// syncLimit bounds a synchronisation, however large the directory.
const syncLimit = 10 * time.Minute

// Submitter puts one command into the log and says what it did. Errors are *fault.Error where the client is to know.
type Submitter interface {
	Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error)
}

// Machine is the state machine of this master.
type Machine interface {
	State() *state.State
}

// Keys seals and opens what is secret in the state; *keyring.Ring is one.
type Keys interface {
	Seal(label string, plaintext, ad []byte) []byte
	Open(label string, sealed, ad []byte) ([]byte, error)
}

// Auditor takes records of what nobody asked for.
type Auditor interface {
	Append(audit.Record)
}

// Directory asks the directory; *ldap.Client is one.
type Directory interface {
	FindUser(ctx context.Context, c *ldap.Config, username string) (ldap.Entry, error)
	FindGroup(ctx context.Context, c *ldap.Config, groupname string) (ldap.Group, error)
	ResolveMembers(ctx context.Context, c *ldap.Config, members []string, each func(ldap.Entry) error) error
	BaseExists(ctx context.Context, c *ldap.Config) error
	Probe(ctx context.Context, c *ldap.Config, username, password string) ldap.Result
}

// Options is what the handlers are made of. What has no default named is needed.
type Options struct {
	Submitter Submitter
	Machine   Machine
	Keys      Keys
	Directory Directory
	Logger    *slog.Logger
	// Auditor takes the records of synchronisations that the cluster makes by itself; nil: nobody does.
	Auditor Auditor
	// TokenLife is the longest life a token may have: so long the cut-off of a removed user stays.
	TokenLife time.Duration
	// ImportLimit is how long the members of a group are looked for; DefaultImportLimit when 0.
	ImportLimit time.Duration
	// Now is the leader's clock; time.Now when nil.
	Now func() time.Time
}

// API is the handlers, and what they remember of synchronisations.
type API struct {
	Options
	working chan struct{} // holds one token while an import or a synchronisation runs
	last    lastSync
	synced  uint64 // the version of the configuration of the last synchronisation that worked, 0 for none; who holds working has it
	meter   *meter
}

// New makes the handlers.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ImportLimit <= 0 {
		o.ImportLimit = DefaultImportLimit
	}
	return &API{Options: o, working: make(chan struct{}, 1), meter: newMeter()}
}

// begin lets one import or synchronisation in. Whoever is in calls the function at the end.
func (a *API) begin() (func(), error) {
	select {
	case a.working <- struct{}{}:
		return func() { <-a.working }, nil
	default:
		return nil, fault.New(fault.Conflict, "An import or a synchronisation is running. Nothing was changed.")
	}
}

// config is the configuration that a state holds.
func (a *API) config(s *state.State) (*ldap.Config, error) {
	record := s.Directory()
	if record == nil {
		return nil, fault.New(fault.LDAPConfigNotAvailable, "No LDAP configuration stored yet.")
	}
	return ldap.FromRecord(record, a.Keys)
}

// header is the header of a command that does what the request asks for. A request without caller is the cluster's own.
func (a *API) header(r *httpapi.Request) command.Header {
	h := command.Header{Level: r.State.Meta().Level, Term: r.Term, Time: a.Now().UTC()}
	if r.Time.After(h.Time) {
		h.Time = r.Time
	}
	if r.Caller.UID != "" {
		h.Actor = command.Actor{UID: r.Caller.UID, IssuedAt: r.Caller.IssuedAt, Right: r.Right}
	}
	return h
}
