package ldap

import "log/slog"

const redacted = "[redacted]"

// Config says how the directory is reached and searched, with its secrets in clear. It is not changed once in use.
type Config struct {
	Host string
	Port int
	// LDAPS is TLS from the first byte. EnforceStartTLS fails where StartTLS fails. With neither, StartTLS is tried and the
	// connection goes on in clear where it fails (contract 4.1).
	LDAPS, EnforceStartTLS bool
	// DNTemplate makes the DN of a user out of its name; "" when users are searched.
	DNTemplate string
	// UserSearch finds users; nil when there is only a DNTemplate. It goes before the template.
	UserSearch *Search
	// GroupSearch finds groups; nil when no group can be imported.
	GroupSearch *GroupSearch
	// LookupDN is who searches; "" searches anonymously.
	LookupDN, LookupPassword string
	// CACerts is PEM. When it is "", the directory's certificate is not verified.
	CACerts string
	// ClientCert is a private key and its certificates in PEM, or "".
	ClientCert string
	// Version is the log index of the last change. Connections made for an older one are not used for a newer one.
	Version uint64
}

// Search is where and by which filter to search.
type Search struct {
	Base, Filter string
}

// GroupSearch is where and by which filter groups are searched, and which of their attributes name members.
type GroupSearch struct {
	Search
	MemberAttributes []string
}

// LogValue shows where the directory is and hides the secrets.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("host", c.Host), slog.Int("port", c.Port), slog.String("lookup_dn", c.LookupDN), slog.String("secrets", redacted))
}

// String keeps a configuration that ends up in a %v from showing its secrets.
func (c Config) String() string { return "directory " + c.Host + " " + redacted }

// GoString does the same for %#v.
func (c Config) GoString() string { return c.String() }
