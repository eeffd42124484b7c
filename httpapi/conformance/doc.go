// Package conformance holds the tests of the API as a whole: the rows of every package behind one funnel, on several masters
// that share a log in memory, asked as clients ask.
//
//   - Every answer to an operation of the published description is held against it (description_test.go). What the contract
//     decides otherwise is a line of a table there, with its reason.
//   - Every row of the table of routes is asked by every kind of caller, with and without authorization (matrix_test.go).
//   - The hostile cases of paths and of authorization are tests by their ids (hostile_*_test.go).
//   - The ways from a URL to a resource id and back are fuzzed (fuzz_test.go).
//
// The masters are those of apitest, with the rows that house_test.go puts together. Followers apply an entry of the log only when
// they must: a row that answers from a state it has not confirmed is found out.
package conformance
