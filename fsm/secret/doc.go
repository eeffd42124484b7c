// Package secret defines the replicated records of the sealed secret stores: stores, the seal around a store's keys,
// secrets and their versions; how their paths are spelled; and which resources decide about them.
//
// Nothing here can open a value. A record holds ciphertext, and data keys that are wrapped under a root key which no
// record holds: it exists as shares in the hands of people, and in the memory of unsealed masters. What is not encrypted
// are the names of stores, the paths of secrets, times, sizes and numbers.
//
// Records are values of the replicated state: once stored, nobody changes them; a change stores another record.
package secret
