// Package login is how somebody gets a token, whatever was shown for it: a password, a service login token, an ID token, or the word
// of an identity provider. It has no rows; loginapi, ssoapi and pageapi read requests and render answers.
//
//	run.go      one login with credentials, from the throttle to the audit record
//	verify.go   whether the credentials are right
//	attempt.go  what was tried, in words for logs, audit records and metrics
//	session.go  which iat and exp a token gets, and how a login waits for a cut-off
//	admit.go    the first login of somebody whom a directory or provider vouches for (contract 5.7)
//	throttle.go slows guessing down without locking anybody out
//	cookies.go  the two cookies of the user interface (contract 1.12)
package login
