// Package declare is the document in which an administrator keeps users, service accounts, groups, protected resources and
// grants, and the difference between it and what a cluster has. The daemon reads it at its first start (--bootstrap-file), the
// command line exports, plans and applies it (docs/declarative.md).
//
//	document.go  what a document says
//	sections.go  its sections, one row each
//	parse.go     reading YAML and JSON: strictly, all problems at once, with file and line
//	json.go      JSON is read as the YAML that it nearly is
//	node.go      what one place in a file must look like
//	check.go     what must hold between the parts of a document
//	write.go     writing it, so that the same state always makes the same text
//	change.go    one change, as it is sent to a master
//	plan.go      the difference, in the order in which it can be applied
//	differ.go    the difference of every section
//	protect.go   what no plan may do: lock its own author out, or everybody
//	batch.go     a plan cut into requests
//	counts.go    how many of what
//
// One rule runs through it: what a document does not name is left alone. A section that is not there says nothing about the
// section; an item without a description keeps the one it has; a group without members keeps its members. With pruning, what is
// in the cluster and not in a list that the document has is removed. The set of actions of a grant is a value of its own, which
// is always made what the document says.
package declare
