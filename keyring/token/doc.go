// Package token issues, verifies and publishes the cluster's RS256 tokens, and verifies the login tokens that service
// accounts sign themselves (contract 2).
//
// An auth token is a JWT with the header {alg, kid, typ} and the claims {uid, exp, iat}, nothing else. Its signing keys
// live in the replicated state, their private halves sealed by the key ring; which key signs is part of that state, so
// every master signs with the same key and verifies with all of them.
//
// golang-jwt checks signatures, but it is kind to input: it accepts duplicate members, unknown critical headers, a trailing
// newline, numbers where the uid belongs. So every token first passes a strict reading here that accepts one spelling only,
// and both must agree. The reasons for a refusal are for logs; a client learns none.
//
// What a state knows about people (whether the user still exists, from when on its tokens count) is for the caller to check.
package token
