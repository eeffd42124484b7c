// Package policyapi answers the question of other programs whether somebody may do something.
//
//   - Schedulers and Admin Router name the user, the resource and the action: the policy query (query.go, contract 3.5).
//   - Reverse proxies pass on the credential of a request and either name resource and action themselves, or describe the
//     request, and rules say what it needs (forward.go, rules.go): forward authentication (contract 9, decision 24).
//   - People ask why (explain.go).
//
// Every answer comes from iam.Authorize and one linearizable state, so an acknowledged revocation binds the next question on
// every master; and every decision leaves one audit record (decide.go).
//
// A rule turns a path into the name of a resource, and what reads a path differently from the server behind the proxy opens
// doors. So whatever two servers may read differently is refused (path.go), and a rule that only might have matched ends the
// search (pattern.go).
package policyapi
