// Package iamapi holds the rows and handlers of /acs/api/v1 (users, groups, permissions, logins, keys, providers, user
// interface) and of the administrative rows under /gatehouse/v1 that concern identities: revocation, signing keys, removal of a master.
//
//	routes*.go     the table of rows
//	users*.go      the users collection (contract 1.1 to 1.5)
//	groups.go      groups, and members.go who is in them (contract 1.6, 1.7)
//	acls.go        protected resources (contract 1.7, 1.8)
//	grants.go      who may do what with them, one action at a time
//	permissions.go the same seen from the resource, the group and the user (contract 1.8, 1.9)
//	login*.go      POST /auth/login and GET /auth/login (contract 1.10, 5.3)
//	stamp.go       which iat and exp a token gets, and how a login waits for a cut-off
//	throttle.go    slows guessing down without locking anybody out
//	cookies.go     the two cookies of the user interface (contract 1.12)
//	discovery.go   keys and providers, for whoever has no token yet (contract 2.4, 5.1)
//	uiconfig.go    what the user interface starts with (contract 1.13)
//	revoke.go      what the original never had: tokens that end before they expire
//	keys.go        the life of a signing key: prepare, activate, retire
//	clusterkeys.go who has which cluster key, and which one is primary
//	masters.go     taking a lost master out of the cluster
//	superuser.go   the way back in for an operator on a master (contract 3.4)
//
// A handler parses, decides, submits one command or reads one state, and returns a value. Everything secret, slow or
// random (hashing, signing, key generation) happens before the command; existence and uniqueness are decided in its Apply.
package iamapi
