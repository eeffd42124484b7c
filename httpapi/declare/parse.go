package declare

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxFile bounds one file, in bytes: a cluster with a million users fits.
const MaxFile = 256 << 20

// Parse adds to d what a file declares. A file may hold several YAML documents; each has a version of its own. All that is
// wrong is in the result.
func (d *Document) Parse(file string, text []byte) (wrong Problems) {
	decoder := yaml.NewDecoder(bytes.NewReader(yamlOf(text)))
	for found := 0; ; found++ {
		var root yaml.Node
		err := decoder.Decode(&root)
		switch {
		case errors.Is(err, io.EOF) && found == 0:
			wrong.add(Position{file, 1}, "the file is empty; it begins with: version: %d", Version)
			return wrong
		case errors.Is(err, io.EOF):
			return wrong
		case err != nil:
			wrong.add(syntaxPosition(file, err), "%s", syntaxText(err))
			return wrong
		}
		r := &reader{file: file, wrong: &wrong}
		r.document(d, root.Content[0])
	}
}

// yamlLine is how the YAML library names a line.
var yamlLine = regexp.MustCompile(`line (\d+): `)

func syntaxPosition(file string, err error) Position {
	if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
		line, _ := strconv.Atoi(found[1])
		return Position{file, line}
	}
	return Position{file, 1}
}

func syntaxText(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	return "not YAML: " + yamlLine.ReplaceAllString(text, "")
}

// document reads one document.
func (r *reader) document(d *Document, n *yaml.Node) {
	version := false
	fields := fields{"version": func(n *yaml.Node) {
		version = true
		if n.Value != strconv.Itoa(Version) {
			r.fail(n, "version %s is not known to this program, which knows %d", quoted(n.Value), Version)
		}
	}}
	for _, s := range sections {
		fields[s.name] = func(n *yaml.Node) { s.read(r, d, n) }
	}
	if r.mapping(n, "the document", fields) && !version {
		r.fail(n, "version is missing: version: %d", Version)
	}
	d.Version = Version
}

func (r *reader) users(d *Document, n *yaml.Node) { r.userList(&d.Users, n, false) }

func (r *reader) services(d *Document, n *yaml.Node) { r.userList(&d.ServiceAccounts, n, true) }

func (r *reader) userList(into *[]User, n *yaml.Node, service bool) {
	grow(into)
	r.list(n, func(n *yaml.Node) {
		u := User{At: r.at(n)}
		fields := fields{
			"uid":         r.text(&u.UID),
			"description": r.optional(&u.Description),
		}
		if service {
			fields["public_key"] = r.text(&u.PublicKey)
		} else {
			fields["provider_type"] = r.text(&u.ProviderType)
			fields["provider_id"] = r.text(&u.ProviderID)
		}
		if r.mapping(n, "a "+kindOf(service), fields) {
			r.checkUser(&u, service)
			*into = append(*into, u)
		}
	})
}

func kindOf(service bool) string {
	if service {
		return "service account"
	}
	return "user"
}

func (r *reader) groups(d *Document, n *yaml.Node) {
	grow(&d.Groups)
	r.list(n, func(n *yaml.Node) {
		g := Group{At: r.at(n)}
		fields := fields{
			"gid":           r.text(&g.GID),
			"description":   r.optional(&g.Description),
			"provider_type": r.text(&g.ProviderType),
			"members": func(n *yaml.Node) {
				grow(&g.Members)
				r.list(n, func(n *yaml.Node) {
					m := Member{At: r.at(n)}
					r.text(&m.UID)(n)
					g.Members = append(g.Members, m)
				})
			},
		}
		if r.mapping(n, "a group", fields) {
			r.checkGroup(&g)
			d.Groups = append(d.Groups, g)
		}
	})
}

func (r *reader) acls(d *Document, n *yaml.Node) {
	grow(&d.ACLs)
	r.list(n, func(n *yaml.Node) {
		a := ACL{At: r.at(n)}
		fields := fields{
			"rid":         r.text(&a.RID),
			"description": r.optional(&a.Description),
			"users":       func(n *yaml.Node) { r.grants(&a.Users, n) },
			"groups":      func(n *yaml.Node) { r.grants(&a.Groups, n) },
		}
		if r.mapping(n, "an acl", fields) {
			r.checkACL(&a)
			d.ACLs = append(d.ACLs, a)
		}
	})
}

// grants reads {alice: [read, update]}. A single action needs no brackets.
func (r *reader) grants(into *Grants, n *yaml.Node) {
	grow(into)
	r.pairs(n, "the grants", func(key, value *yaml.Node) {
		var names []string
		one := func(n *yaml.Node) {
			var name string
			r.text(&name)(n)
			names = append(names, name)
		}
		if value.Kind == yaml.ScalarNode {
			one(value)
		} else {
			r.list(value, one)
		}
		actions, err := parseActions(names)
		switch {
		case err != nil:
			r.fail(value, "%s: %s; want create, read, update, delete or full", key.Value, said(err))
		case actions == 0:
			r.fail(value, "%s: want at least one action; leave the line out to grant nothing", key.Value)
		}
		*into = append(*into, Grant{ID: key.Value, Actions: actions, At: r.at(key)})
	})
}

// grow makes a list that is declared to be there different from one that is not.
func grow[S ~[]E, E any](list *S) {
	if *list == nil {
		*list = S{}
	}
}
