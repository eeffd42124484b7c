package declareapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/declare"
)

// export tells everything that can be declared, from one state. Passwords and their hashes are not in it.
func (a *api) export(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s := r.State
	return &httpapi.Response{Stream: func(w io.Writer) error { return writeState(w, s) }}, nil
}

// writeState writes the document, one item a line, without having all of it in memory.
func writeState(out io.Writer, s *state.State) error {
	w := bufio.NewWriter(out)
	if _, err := w.WriteString("{\n  \"version\": 1"); err != nil {
		return err
	}
	lists := []struct {
		name  string
		items iter.Seq[any]
	}{
		{"users", accounts(s, false)}, {"service_accounts", accounts(s, true)}, {"groups", groups(s)}, {"acls", acls(s)},
		{"providers", providers(s)},
	}
	for _, l := range lists {
		if err := writeList(w, l.name, l.items); err != nil {
			return err
		}
	}
	if _, err := w.WriteString("\n}\n"); err != nil {
		return err
	}
	return w.Flush()
}

func writeList(w *bufio.Writer, name string, items iter.Seq[any]) error {
	if _, err := w.WriteString(",\n  \"" + name + "\": ["); err != nil {
		return err
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	before := "\n    "
	for item := range items {
		line.Reset()
		if err := encoder.Encode(item); err != nil {
			return err
		}
		line.Truncate(line.Len() - 1) // the newline
		if _, err := w.WriteString(before); err != nil {
			return err
		}
		if _, err := line.WriteTo(w); err != nil {
			return err
		}
		before = ",\n    "
	}
	if before[0] == ',' {
		_, err := w.WriteString("\n  ]")
		return err
	}
	return w.WriteByte(']')
}

// accounts are the users, or the service accounts.
func accounts(s *state.State, services bool) iter.Seq[any] {
	return func(yield func(any) bool) {
		for u := range s.Users() {
			if u.Service() == services && !yield(declaredUser(u)) {
				return
			}
		}
	}
}

// declaredUser is a user without what is secret. That credentials are kept here goes without saying.
func declaredUser(u *iam.User) declare.User {
	d := declare.User{UID: u.UID, Description: &u.Description, PublicKey: u.PublicKey, ProviderID: u.ProviderID}
	if u.Remote() {
		d.ProviderType = u.ProviderType
	}
	return d
}

func groups(s *state.State) iter.Seq[any] {
	return func(yield func(any) bool) {
		for g := range s.Groups() {
			d := declare.Group{GID: g.GID, Description: &g.Description, Members: []declare.Member{}}
			if g.ProviderType != iam.Internal {
				d.ProviderType = g.ProviderType
			}
			for uid := range s.Members(g.GID) {
				d.Members = append(d.Members, declare.Member{UID: uid})
			}
			if !yield(d) {
				return
			}
		}
	}
}

func acls(s *state.State) iter.Seq[any] {
	return func(yield func(any) bool) {
		for acl := range s.ACLs() {
			d := declare.ACL{RID: acl.RID, Description: &acl.Description, Users: declare.Grants{}, Groups: declare.Grants{}}
			for g := range s.Grants(acl.RID) {
				grant := declare.Grant{ID: g.Principal, Actions: g.Actions}
				if g.Group {
					d.Groups = append(d.Groups, grant)
				} else {
					d.Users = append(d.Users, grant)
				}
			}
			if !yield(d) {
				return
			}
		}
	}
}

// providers are the identity providers, without their client secrets.
func providers(s *state.State) iter.Seq[any] {
	return func(yield func(any) bool) {
		for p := range s.Providers() {
			if !yield(declare.ProviderOf(p)) {
				return
			}
		}
	}
}
