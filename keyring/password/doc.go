// Package password hashes and verifies passwords.
//
// New hashes are argon2id (RFC 9106) with the parameters of the OWASP cheat sheet: 19 MiB, two passes, one lane. Hashes of
// crypt(3)'s sha512-crypt ("$6$…"), which DC/OS configurations and databases carry, are verified and reported as due for
// replacement.
//
// Hashing is meant to be slow, so a Hasher bounds it: a number of hashes at once that leaves a core to Raft, a short queue,
// and then ErrBusy. A stored hash names its own cost; one that asks for more than a stated maximum is refused before any
// work is done, when it is imported and again when it is verified. Nothing truncates a password: every byte counts, NUL
// included.
package password
