// Package pgp encrypts unseal shares to the OpenPGP keys (RFC 9580) of the people who keep them.
//
// Keys come from requests, so they are read with suspicion. A key is one binary export of one public key. Its packets are
// counted and looked at before anything is computed with them: kinds that have no place in a public key, private keys, and
// algorithms whose checks may take an attacker's time are refused there. Then the library reads it, verifies its own
// signatures, and says whether it is expired, revoked, or unable to encrypt. All of that happens under a recover and with a
// deadline, and each refusal tells what to do about it.
package pgp
