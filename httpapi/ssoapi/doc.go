// Package ssoapi holds the rows of logins through an identity provider, in which the browser is sent away and comes back
// (contract 5.3 to 5.7).
//
//	start.go     GET /auth/login: sends the browser to the identity provider, with a sealed cookie
//	oidc.go      the callback of OpenID Connect
//	saml.go      the assertion consumer service of SAML, and what an identity provider wants to know of us
//	visit.go     a browser that comes back: is it the one that went, and is it in time
//	finish.go    the end: user, token, cookies or token page or a code for a command line
//	code.go      POST /gatehouse/v1/login/code: the command line changes its code for the token
//	refuse.go    what is told, recorded and counted when nobody is logged in
//	check.go     POST /gatehouse/v1/providers/:provider/test
//
// Any master may begin a login; the leader ends it, because what may be used once is remembered in the leader's memory. That
// memory is complete: whatever was made in another term than the leader's is refused (package flow).
package ssoapi
