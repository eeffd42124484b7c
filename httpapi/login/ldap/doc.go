// Package ldap asks a directory (LDAPv3, RFC 4511) who somebody is: it binds with people's passwords, and finds users, groups
// and members (contract 4).
//
// A [Document] is the configuration as clients write it, a [Config] the one that the package works with, and an iam.Directory the
// record that the state keeps. A [Client] keeps connections to the one directory of a cluster: a few that are bound for
// searching, and a few on which people's passwords are tried. The two never mix, so that no search runs with the rights of
// somebody who logged in.
//
// A directory is trusted to say who people are, and with nothing else. Every message is measured before a parser sees it, every
// operation has a deadline, no referral is followed, and an entry that lies outside of the configured base does not exist.
package ldap
