// Package keyring holds the one secret that an operator hands to every master: the cluster key file.
//
// The file is a small set of 256-bit keys, each with an id. Everything a master must encrypt or prove to another master
// is derived from them with HKDF-SHA256 (RFC 5869) under a label: the gossip key, the peer certificate authority, and the
// keys that seal log entries, snapshots and token signing keys. Nothing else needs to be distributed.
//
// Sealing is XChaCha20-Poly1305. A log under one key may grow to any length, and a restarted or restored master must not
// need to remember a counter; a random 192-bit nonce repeats with negligible probability for as many entries as a disk can
// hold, where the 96-bit nonces of AES-GCM stop being safe after 2^32.
//
// A set, and not one key, makes the key replaceable without downtime: add a key to the file of every master, then make it
// primary (a replicated fact, see [Ring.Following]), then drop the old one when nothing is sealed under it any more. A key
// is added at the end, so the order of the file is that of age.
// Open tries the key that the sealed bytes name; Seal always uses the primary.
package keyring
