// Package declareapi holds the two rows with which a whole directory is declared: GET /gatehouse/v1/iam/export tells all of it as
// one document (package declare), and POST /gatehouse/v1/iam/apply makes many changes at once, all of them or none.
//
// A request becomes one command.ApplyChanges. The command line cuts a difference into such requests; the leader that initialises
// a cluster makes one from the file of --bootstrap-file (Bootstrap).
package declareapi
