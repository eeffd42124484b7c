package declare

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// WriteYAML writes a document in its own order, which of an export is that of the ids, one line for each fact: the same state always
// makes the same text, and the history of a kept file shows what changed.
func (d *Document) WriteYAML(w io.Writer) error {
	root := mappingNode()
	root.put("version", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: fmt.Sprint(Version)})
	putList(root, "users", d.Users, (*User).node)
	putList(root, "service_accounts", d.ServiceAccounts, (*User).node)
	putList(root, "groups", d.Groups, (*Group).node)
	putList(root, "acls", d.ACLs, (*ACL).node)
	putList(root, "providers", d.Providers, (*Provider).node)
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode((*yaml.Node)(root)); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	return encoder.Close()
}

// mapping is a YAML mapping that is being built.
type mapping yaml.Node

func mappingNode() *mapping { return &mapping{Kind: yaml.MappingNode} }

func (m *mapping) put(name string, value *yaml.Node) {
	m.Content = append(m.Content, textNode(name), value)
}

// text puts a text that is not empty.
func (m *mapping) text(name, value string) {
	if value != "" {
		m.put(name, textNode(value))
	}
}

// optional puts a text that is there, even if it is empty.
func (m *mapping) optional(name string, value *string) {
	if value != nil {
		m.put(name, textNode(*value))
	}
}

func putList[T any](m *mapping, name string, items []T, node func(*T) *yaml.Node) {
	if items == nil {
		return
	}
	list := listNode(0)
	for i := range items {
		list.Content = append(list.Content, node(&items[i]))
	}
	m.put(name, plainIfEmpty(list))
}

func listNode(style yaml.Style) *yaml.Node { return &yaml.Node{Kind: yaml.SequenceNode, Style: style} }

// plainIfEmpty writes what holds nothing as [] or {}.
func plainIfEmpty(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	return n
}

// textNode is a text that reads back as it is: in quotes where it would be something else, or where something in it may act on a
// terminal.
func textNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch {
	case text == "", strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }),
		strings.TrimSpace(text) != strings.TrimSuffix(text, "\n"):
		n.Style = yaml.DoubleQuotedStyle
	case strings.Contains(text, "\n"):
		n.Style = yaml.LiteralStyle
	}
	return n
}

func (u *User) node() *yaml.Node {
	m := mappingNode()
	m.text("uid", u.UID)
	m.optional("description", u.Description)
	m.text("provider_type", u.ProviderType)
	m.text("provider_id", u.ProviderID)
	m.text("public_key", u.PublicKey)
	return (*yaml.Node)(m)
}

func (g *Group) node() *yaml.Node {
	m := mappingNode()
	m.text("gid", g.GID)
	m.optional("description", g.Description)
	m.text("provider_type", g.ProviderType)
	putList(m, "members", g.Members, func(member *Member) *yaml.Node { return textNode(member.UID) })
	return (*yaml.Node)(m)
}

func (a *ACL) node() *yaml.Node {
	m := mappingNode()
	m.text("rid", a.RID)
	m.optional("description", a.Description)
	m.grants("users", a.Users)
	m.grants("groups", a.Groups)
	return (*yaml.Node)(m)
}

// grants puts {alice: [read, update]}, a line for each principal.
func (m *mapping) grants(name string, grants Grants) {
	if grants == nil {
		return
	}
	list := mappingNode()
	for _, g := range grants {
		actions := listNode(yaml.FlowStyle)
		for _, action := range g.Actions.Names() {
			actions.Content = append(actions.Content, textNode(action))
		}
		list.put(g.ID, actions)
	}
	m.put(name, plainIfEmpty((*yaml.Node)(list)))
}
