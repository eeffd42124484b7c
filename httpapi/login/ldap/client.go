package ldap

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what a Client works with. Everything but Logger may be left out.
type Options struct {
	Logger *slog.Logger
	// Now is the clock by which connections age; time.Now when nil.
	Now func() time.Time
	// Dial opens connections; a net.Dialer's when nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client asks the directory, on at most MaxConnections connections. It is safe for concurrent use.
type Client struct {
	opts Options
}

// Entry is a user of the directory.
type Entry struct {
	// UID is the user's name as the directory has it, which is valid as a uid of ours.
	UID string
	// DN is the distinguished name of the entry.
	DN string
	// CN is the first common name; "" when the entry shows none.
	CN string
}

// Group is a group of the directory.
type Group struct {
	// Name is the group's name as the directory has it.
	Name string
	// DN is the distinguished name of the entry.
	DN string
	// Members are the raw values of the member attributes: DNs, or names of users.
	Members []string
	// Truncated says that there are more members than MaxMembers.
	Truncated bool
}

// New returns a client without connections.
func New(opts Options) *Client { return &Client{opts: opts} }

// Close closes the connections that are not in use, and lets the others be closed after their use.
func (c *Client) Close() {}

// Collectors are the metrics about the directory.
func (c *Client) Collectors() []prometheus.Collector { return nil }

// Authenticate binds as the user and returns its entry. Whatever is wrong with name or password is ErrInvalidCredentials. It
// takes 5 s at most.
func (c *Client) Authenticate(ctx context.Context, cfg *Config, username, password string) (Entry, error) {
	return Entry{}, ErrInvalidCredentials
}

// FindUser looks the user up, or returns ErrNoSuchUser or ErrAmbiguous. It takes 5 s at most.
func (c *Client) FindUser(ctx context.Context, cfg *Config, username string) (Entry, error) {
	return Entry{}, ErrNoSuchUser
}

// FindGroup looks the group up and reads all of its members, or returns ErrNoSuchGroup, ErrAmbiguous or ErrNoGroupSearch.
func (c *Client) FindGroup(ctx context.Context, cfg *Config, groupname string) (Group, error) {
	return Group{}, ErrNoSuchGroup
}

// ResolveMembers hands the user behind each of the values to each, in any order, one after the other. Values that name no user
// are left out. It ends with the first error of each or of the directory, or with that of ctx; what was handed over before stays so.
func (c *Client) ResolveMembers(ctx context.Context, cfg *Config, members []string, each func(Entry) error) error {
	return ctx.Err()
}

// BaseExists returns nil when the entries under which users and groups are searched exist and can be read. Only then does an
// empty result mean that something is not there.
func (c *Client) BaseExists(ctx context.Context, cfg *Config) error {
	return ErrBusy
}

// Result is the outcome of a Probe, in the words of contract 4.4.
type Result struct {
	Code, Description string
	// OK says that the directory was reached: the status is 200, otherwise 502.
	OK bool
}

// Probe tries the configuration and the credentials, and tells what happened.
func (c *Client) Probe(ctx context.Context, cfg *Config, username, password string) Result {
	return Result{}
}
