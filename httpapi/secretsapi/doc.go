// Package secretsapi serves secrets to services and people: /secrets/v1/secret, renew and revoke (contract 6), and under
// /gatehouse/v1/secrets what the original never had: versions, deleted secrets and their return, watching. What operators do
// with the stores themselves is package storeapi's.
//
//	routes.go   the table of rows
//	access.go   what a row asks of its caller: the path in its one spelling, and the resources that decide about it (contract 3.6)
//	path.go     which secret or directory a request means (contract 6.4)
//	body.go     what a client sends: JSON or a file
//	value.go    the plaintext of a version: metadata and value
//	read.go     GET of a secret, list.go GET of a directory
//	write.go    PUT, PATCH and DELETE
//	lease.go    secrets that end by themselves
//	history.go  versions, deleted secrets, undelete and purge
//	watch.go    long polls, hub.go who wakes them
//
// A value is encrypted before it enters the log and decrypted after it was read from the state, both by the barrier. The path is
// decided once, in the row's Grants, and is the same for the decision, the audit trail, the log and the state.
package secretsapi
