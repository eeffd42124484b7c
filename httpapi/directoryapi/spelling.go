package directoryapi

import (
	"strings"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/login/ldap"
)

// spelling knows which user an entry of the directory is, if it is one already: names are compared as directories do, without regard
// to case, lest another spelling becomes another user.
type spelling struct {
	state  *state.State
	folded map[string]string // users of the directory, by the uid in lower case
	tell   func(uid, now string)
}

// spellings looks at all users once. It tells of users whom the directory spells otherwise by now.
func spellings(s *state.State, tell func(uid, now string)) *spelling {
	n := &spelling{state: s, folded: map[string]string{}, tell: tell}
	for u := range s.UsersFrom(iam.LDAP) {
		n.folded[strings.ToLower(u.UID)] = u.UID
	}
	return n
}

// uid is that of the user whom the entry is: the first of its names that a user of the directory has, otherwise the first that one has
// but for case, otherwise its own.
func (n *spelling) uid(e ldap.Entry) string {
	names := e.Names
	if len(names) == 0 {
		names = []string{e.UID}
	}
	for _, name := range names {
		if u, ok := n.state.User(name); ok && u.ProviderType == iam.LDAP {
			return name
		}
	}
	for _, name := range names {
		if uid, ok := n.folded[strings.ToLower(name)]; ok {
			n.tell(uid, name)
			return uid
		}
	}
	return e.UID
}
