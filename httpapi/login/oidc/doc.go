// Package oidc is the relying party of OpenID Connect: it sends browsers to an identity provider, exchanges the code that
// comes back, and verifies ID tokens. It keeps no flow and knows no user: who calls it makes state, nonce and verifier,
// brings them back from the cookie of the flow, and decides about users by the Identity that comes out.
//
// Discovery is github.com/coreos/go-oidc's, the code exchange golang.org/x/oauth2's, signatures go-jose's. What those leave
// open is done here: go-oidc's key set asks the provider anew for every token with a bad signature and takes any number of
// keys, its verifier reads claims in any case and with duplicates, lets other parties' tokens pass when the audience has us
// too, and does not look at iat. Bounds of time, size and place are those of package web.
package oidc
