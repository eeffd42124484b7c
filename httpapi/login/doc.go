// Package login is how somebody gets a token, whatever was shown for it: a password, a service login token, an ID token, or the word
// of an identity provider. It has no rows; loginapi, ssoapi and pageapi read requests and render answers.
//
//	run.go       one login with a password or a service login token, from the throttle to the audit record
//	verify.go    whether the credentials are right
//	directory.go whether they are by the company's directory (contract 4.5)
//	idtoken.go   one login with an ID token (contract 1.11)
//	attempt.go   what was tried, in words for logs, audit records and metrics
//	session.go   which iat and exp a token gets, and how a login waits for a cut-off
//	admit.go     whose a login through a directory or provider is, and the user that the first one makes (contract 5.7)
//	throttle.go  slows guessing down without locking anybody out
//	cookies.go   the two cookies of the user interface (contract 1.12)
package login
