// Package cli holds the verbs with which people work: log in, look at users, permissions, masters and keys, and change them.
//
// Every verb has the same shape. It finds out which cluster is meant (session.go: flags, then variables, then the file of
// stored logins), asks it through the Go client (httpapi/client), and prints one view (output.go) as a table, JSON or YAML.
// What a server says is data: it is made harmless before a terminal sees it (safe.go). Questions are asked on terminals
// only (prompt.go), and never for something that a flag has said. Errors say what to do next (explain.go) and have a documented exit
// status (exit.go). Shells are told what the cluster knows (complete.go), and help fits the terminal (help.go).
//
// What administrators keep in files is compared with the cluster and applied to it by iam*.go; what such a file says is the
// business of httpapi/declare.
//
// The file of stored logins (store.go) is the only thing that the package writes, beside the secret of a service account
// that is created with --secret-file, and an export.
package cli
