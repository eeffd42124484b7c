package client

import (
	"fmt"
	"log/slog"
	"time"
)

// Directory is how the LDAP directory is asked (contract 4.1).
type Directory struct {
	// Host is a name or an address, without scheme and port.
	Host string
	Port int
	// LDAPS is TLS from the first byte; EnforceStartTLS gives up where StartTLS fails. With neither, StartTLS is tried.
	LDAPS, EnforceStartTLS bool
	// DNTemplate makes the DN of a user: uid=%(username)s,ou=people,dc=example.
	DNTemplate string
	// UserSearch finds users instead; its filter has %(username)s.
	UserSearch *DirectorySearch
	// LookupDN is who searches; "" searches anonymously.
	LookupDN, LookupPassword string
	// GroupSearch finds groups to import; its filter has %(groupname)s.
	GroupSearch *DirectoryGroupSearch
	// CACerts is PEM; "" does not verify the directory's certificate.
	CACerts string
	// ClientCert is PEM: a private key and its certificates.
	ClientCert string
}

// DirectorySearch is where and by which filter users are found.
type DirectorySearch struct {
	Base   string `json:"search-base"`
	Filter string `json:"search-filter-template"`
}

// DirectoryGroupSearch is where and by which filter groups are found, and which of their attributes name members.
type DirectoryGroupSearch struct {
	Base             string   `json:"search-base"`
	Filter           string   `json:"search-filter-template"`
	MemberAttributes []string `json:"member-attributes,omitempty"`
}

// directoryBody is Directory on the wire.
type directoryBody struct {
	Host            string                `json:"host"`
	Port            int                   `json:"port"`
	LDAPS           bool                  `json:"use-ldaps"`
	EnforceStartTLS bool                  `json:"enforce-starttls"`
	DNTemplate      string                `json:"dntemplate,omitempty"`
	UserSearch      *DirectorySearch      `json:"user-search,omitempty"`
	LookupDN        string                `json:"lookup-dn,omitempty"`
	LookupPassword  string                `json:"lookup-password,omitempty"`
	GroupSearch     *DirectoryGroupSearch `json:"group-search,omitempty"`
	CACerts         string                `json:"ca-certs,omitempty"`
	ClientCert      string                `json:"client-cert,omitempty"`
}

// Format leaves the secrets out.
func (d Directory) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "directory %s %s", d.Host, redacted) }

// LogValue leaves the secrets out.
func (d Directory) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(d)) }

// MarshalJSON leaves everything out.
func (Directory) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

// DirectoryTest is what came of a login to the directory.
type DirectoryTest struct {
	// Reached says that the directory could be asked.
	Reached bool `json:"-"`
	// Code is TEST_PASSED when all is well, and Description is for people.
	Code        string `json:"code"`
	Description string `json:"description"`
}

// OK reports whether the directory could be asked and knows the user by the password.
func (t DirectoryTest) OK() bool { return t.Reached && t.Code == "TEST_PASSED" }

// GroupImport is what was made of a group of the directory.
type GroupImport struct {
	// GID is the group's, as the directory spells it.
	GID string `json:"gid"`
	// Users is how many users were new.
	Users int `json:"imported_user_count"`
	// Partial says that some members are not in the group: time ran out, and SyncDirectory adds them; or there are over 100,000.
	Partial bool `json:"partial"`
}

// DirectorySync is what a synchronisation changed.
type DirectorySync struct {
	GroupsRemoved  int `json:"groups_removed"`
	UsersRemoved   int `json:"users_removed"`
	UsersCreated   int `json:"users_created"`
	MembersAdded   int `json:"members_added"`
	MembersRemoved int `json:"members_removed"`
	// Skipped says what was left alone, and why.
	Skipped []string `json:"skipped"`
}

// DirectorySyncStatus is what became of synchronisations.
type DirectorySyncStatus struct {
	// Running says that one, or an import, is under way.
	Running bool `json:"running"`
	// Last is nil when there was none since the leader leads.
	Last *LastSync `json:"last"`
}

// LastSync is a synchronisation that has ended.
type LastSync struct {
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// By is who asked for it; "" is the cluster itself.
	By string `json:"by"`
	// Result is ok, failed (the directory could not be asked) or refused (too much was missing at once).
	Result string `json:"result"`
	Error  string `json:"error,omitempty"`
	// Report is what was changed, if anything could be.
	Report *DirectorySync `json:"report,omitempty"`
}
