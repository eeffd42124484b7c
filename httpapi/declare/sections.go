package declare

import "go.yaml.in/yaml/v3"

// section is one part of a document: how it is read, and how it differs from what the cluster has. The order of the rows is that
// of a written document.
type section struct {
	name string
	// read adds what a file says.
	read func(r *reader, d *Document, n *yaml.Node)
	// check looks at what no single item shows: what is there twice.
	check func(d *Document, wrong *Problems)
	// differ adds the changes that the section needs.
	differ func(p *planner)
}

var sections = []section{
	{name: "users", read: (*reader).users, check: checkAccounts, differ: (*planner).accounts},
	{name: "service_accounts", read: (*reader).services},
	{name: "groups", read: (*reader).groups, check: checkGroups, differ: (*planner).groups},
	{name: "acls", read: (*reader).acls, check: checkACLs, differ: (*planner).acls},
	{name: "providers", read: (*reader).providers, check: checkProviders, differ: (*planner).providers},
}
