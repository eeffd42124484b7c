// Package keyholder keeps the barrier of one master in step with the replicated state: a store that the state says is open
// is open here, with keys that this master has from its peers, or from auto-unseal, and has in memory only.
//
// What a master knows about keys comes from three sides. The state says which stores are open, and in which epoch: every seal
// and every unseal begins a new one. The barrier holds the root keys, and takes none for another epoch than the state's. And the
// peers are asked for what is missing, each time after a read index of the asker's own, and they answer after one of theirs:
// whoever is cut off from the cluster neither asks nor tells.
//
// A root key never travels by itself. The asker makes a key pair for one question, and the answer is sealed to it (HPKE, RFC
// 9180), inside the mutual TLS between members: no buffer of a connection ever holds a root key.
package keyholder
