package rig

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// LDAPUser is a person below LDAPPeople. Its DN begins with uid=.
type LDAPUser struct{ UID, Password string }

// DN is where the user is.
func (u LDAPUser) DN() string { return "uid=" + ldap.EscapeDN(u.UID) + "," + LDAPPeople }

// LDAPGroup is a group below LDAPGroups whose members are users.
type LDAPGroup struct {
	Name    string
	Members []string // uids
	Posix   bool     // a posixGroup, which names uids; otherwise a groupOfNames, which names DNs
}

// DN is where the group is.
func (g LDAPGroup) DN() string { return "cn=" + ldap.EscapeDN(g.Name) + "," + LDAPGroups }

// LDAPUsers are n users with a common beginning of their uids, whose passwords are "password of " and the uid.
func LDAPUsers(prefix string, n int) []LDAPUser {
	users := make([]LDAPUser, n)
	for i := range users {
		uid := prefix + strconv.Itoa(i)
		users[i] = LDAPUser{uid, "password of " + uid}
	}
	return users
}

// UIDs are the uids of users.
func UIDs(users []LDAPUser) []string {
	uids := make([]string, len(users))
	for i, u := range users {
		uids[i] = u.UID
	}
	return uids
}

// entry is one of the directory: names and values of its attributes, in order.
type entry struct {
	dn         string
	attributes [][2]string
}

func (u LDAPUser) entry() entry {
	return entry{u.DN(), [][2]string{{"objectClass", "inetOrgPerson"}, {"uid", u.UID}, {"cn", "Name of " + u.UID}, {"sn", u.UID},
		{"mail", u.UID + "@example.org"}, {"userPassword", u.Password}}}
}

func (g LDAPGroup) entry() entry {
	e := entry{g.DN(), [][2]string{{"objectClass", "groupOfNames"}, {"cn", g.Name}}}
	if g.Posix {
		e.attributes = [][2]string{{"objectClass", "posixGroup"}, {"cn", g.Name}, {"gidNumber", "1000"}}
	}
	for _, uid := range g.Members {
		e.attributes = append(e.attributes, g.member(uid))
	}
	if len(g.Members) == 0 && !g.Posix {
		e.attributes = append(e.attributes, [2]string{"member", ""}) // it must have one
	}
	return e
}

// member is how the group names a user.
func (g LDAPGroup) member(uid string) [2]string {
	if g.Posix {
		return [2]string{"memberUid", uid}
	}
	return [2]string{"member", LDAPUser{UID: uid}.DN()}
}

// ldif is the whole directory as text. Nothing in it needs base64.
func (o SlapdOptions) ldif() string {
	entries := []entry{
		{LDAPSuffix, [][2]string{{"objectClass", "dcObject"}, {"objectClass", "organization"}, {"dc", "example"}, {"o", "Example"}}},
		{LDAPPeople, [][2]string{{"objectClass", "organizationalUnit"}, {"ou", "people"}}},
		{LDAPGroups, [][2]string{{"objectClass", "organizationalUnit"}, {"ou", "groups"}}},
		{LookupDN, [][2]string{{"objectClass", "organizationalRole"}, {"objectClass", "simpleSecurityObject"}, {"cn", "lookup"},
			{"userPassword", LookupPassword}}},
	}
	for _, u := range o.Users {
		entries = append(entries, u.entry())
	}
	for _, g := range o.Groups {
		entries = append(entries, g.entry())
	}
	var text strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&text, "dn: %s\n", e.dn)
		for _, a := range e.attributes {
			fmt.Fprintf(&text, "%s: %s\n", a[0], a[1])
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// AddUser adds users.
func (s *Slapd) AddUser(users ...LDAPUser) error {
	return s.admin(func(c *ldap.Conn) error {
		for _, u := range users {
			if err := c.Add(u.entry().request()); err != nil {
				return err
			}
		}
		return nil
	})
}

// AddGroup adds a group.
func (s *Slapd) AddGroup(g LDAPGroup) error {
	return s.admin(func(c *ldap.Conn) error { return c.Add(g.entry().request()) })
}

func (e entry) request() *ldap.AddRequest {
	request := ldap.NewAddRequest(e.dn, nil)
	values := map[string][]string{}
	for _, a := range e.attributes {
		values[a[0]] = append(values[a[0]], a[1])
	}
	for name, v := range values {
		request.Attribute(name, v)
	}
	return request
}

// Delete removes entries by their DNs. Groups go on naming a user that is gone.
func (s *Slapd) Delete(dns ...string) error {
	return s.admin(func(c *ldap.Conn) error {
		for _, dn := range dns {
			if err := c.Del(ldap.NewDelRequest(dn, nil)); err != nil {
				return fmt.Errorf("delete %s: %w", dn, err)
			}
		}
		return nil
	})
}

// Modify replaces the values of an attribute; none removes it.
func (s *Slapd) Modify(dn, attribute string, values ...string) error {
	return s.admin(func(c *ldap.Conn) error {
		request := ldap.NewModifyRequest(dn, nil)
		request.Replace(attribute, values)
		return c.Modify(request)
	})
}

// SetMembers makes these users the members of a group.
func (s *Slapd) SetMembers(g LDAPGroup, uids ...string) error {
	var values []string
	attribute := ""
	for _, uid := range uids {
		member := g.member(uid)
		attribute, values = member[0], append(values, member[1])
	}
	return s.Modify(g.DN(), attribute, values...)
}

// The documents of a configuration (contract 4.1), to which tests add and from which they take away.

// SearchConfig finds users by a search, anonymously, in plaintext when the server has nothing better.
func (s *Slapd) SearchConfig() map[string]any {
	return map[string]any{
		"host": "127.0.0.1", "port": s.Port, "use-ldaps": false, "enforce-starttls": false,
		"user-search": map[string]any{"search-base": LDAPPeople, "search-filter-template": "(uid=%(username)s)"},
		"group-search": map[string]any{"search-base": LDAPGroups, "search-filter-template": "(cn=%(groupname)s)",
			"member-attributes": []string{"member", "uniquemember", "memberuid"}},
	}
}

// BindConfig forms the DN of a user out of its name.
func (s *Slapd) BindConfig() map[string]any {
	config := s.SearchConfig()
	delete(config, "user-search")
	config["dntemplate"] = "uid=%(username)s," + LDAPPeople
	return config
}
