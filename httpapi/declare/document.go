package declare

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gatehouse/fsm/iam"
)

// Version is the form of the document that this program reads and writes.
const Version = 1

// Document is what is declared. A section that is nil is not declared at all; an empty one is declared to be empty. The same
// for the lists of an item.
type Document struct {
	Version         int        `json:"version"`
	Users           []User     `json:"users,omitzero"`
	ServiceAccounts []User     `json:"service_accounts,omitzero"`
	Groups          []Group    `json:"groups,omitzero"`
	ACLs            []ACL      `json:"acls,omitzero"`
	Providers       []Provider `json:"providers,omitzero"`
}

// User is a user or a service account, whose PublicKey is its PEM. It never has a password.
type User struct {
	UID          string  `json:"uid"`
	Description  *string `json:"description,omitzero"`
	PublicKey    string  `json:"public_key,omitzero"`
	ProviderType string  `json:"provider_type,omitzero"` // "" is internal for a new user
	ProviderID   string  `json:"provider_id,omitzero"`

	At Position `json:"-"`
}

// service reports whether it is a service account.
func (u *User) service() bool { return u.PublicKey != "" }

// kind names what it is.
func (u *User) kind() string {
	if u.service() {
		return "service account"
	}
	return "user"
}

// provider is the provider type with its default.
func (u *User) provider() string {
	if u.ProviderType == "" {
		return iam.Internal
	}
	return u.ProviderType
}

// Group is a group and its members.
type Group struct {
	GID          string   `json:"gid"`
	Description  *string  `json:"description,omitzero"`
	ProviderType string   `json:"provider_type,omitzero"`
	Members      []Member `json:"members,omitzero"`

	At Position `json:"-"`
}

// Member is the uid of a member.
type Member struct {
	UID string
	At  Position
}

// MarshalText writes the uid.
func (m Member) MarshalText() ([]byte, error) { return []byte(m.UID), nil }

// UnmarshalText reads the uid.
func (m *Member) UnmarshalText(text []byte) error {
	m.UID = string(text)
	return nil
}

// ACL is a protected resource and what was granted on it.
type ACL struct {
	RID         string  `json:"rid"`
	Description *string `json:"description,omitzero"`
	Users       Grants  `json:"users,omitzero"`
	Groups      Grants  `json:"groups,omitzero"`

	At Position `json:"-"`
}

// Grants are the grants of users, or of groups, on one resource.
type Grants []Grant

// Grant is all that one principal may do on one resource.
type Grant struct {
	ID      string // uid or gid
	Actions iam.Actions
	At      Position
}

// MarshalJSON writes {"alice":["read"]}, by id.
func (g Grants) MarshalJSON() ([]byte, error) {
	names := make(map[string][]string, len(g))
	for _, grant := range g {
		names[grant.ID] = grant.Actions.Names()
	}
	return json.Marshal(names)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (g *Grants) UnmarshalJSON(text []byte) error {
	var names map[string][]string
	if err := json.Unmarshal(text, &names); err != nil {
		return err
	}
	*g = make(Grants, 0, len(names))
	for id, list := range names {
		actions, err := parseActions(list)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		*g = append(*g, Grant{ID: id, Actions: actions})
	}
	slices.SortFunc(*g, func(a, b Grant) int { return strings.Compare(a.ID, b.ID) })
	return nil
}

// parseActions reads a list of names.
func parseActions(names []string) (set iam.Actions, err error) {
	for _, name := range names {
		action, err := iam.ParseAction(name)
		if err != nil {
			return 0, err
		}
		set |= action
	}
	return set, nil
}

// Position is where something was declared; the zero value is nowhere.
type Position struct {
	File string
	Line int
}

// String is file:line.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Problem is something that is wrong with a document.
type Problem struct {
	At   Position
	Text string
}

// String is file:line: text.
func (p Problem) String() string {
	if p.At.File == "" {
		return p.Text
	}
	return p.At.String() + ": " + p.Text
}

// Problems is all that is wrong with a document.
type Problems []Problem

// add notes a problem.
func (p *Problems) add(at Position, format string, args ...any) {
	*p = append(*p, Problem{at, fmt.Sprintf(format, args...)})
}

// Lines are the problems in the order of the files, none twice.
func (p Problems) Lines() []string {
	sorted := slices.Clone(p)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		if c := strings.Compare(a.At.File, b.At.File); c != 0 {
			return c
		}
		return a.At.Line - b.At.Line
	})
	var lines []string
	for _, problem := range sorted {
		lines = append(lines, problem.String())
	}
	return slices.Compact(lines)
}
