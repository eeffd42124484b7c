// Package barrier keeps the keys of sealed stores in the memory of a master while they are open, and is the only place where
// values of secrets are encrypted and decrypted.
//
// A store has a root key, which people hold in shares, and data keys, one for every term, which seal values. Data keys are
// replicated, wrapped under the root key; the root key is nowhere but in the memory of masters. The state says whether a store
// is sealed and counts its epoch up with every sealing and unsealing. The barrier follows it:
//
//   - Follow is called in the thread that applies the log, with every new state, before anybody learns that the state is
//     there. What is sealed, re-initialised or gone is wiped in that call.
//   - Install brings a root key in, and is refused unless the epoch is still that for which the key was fetched, and the key
//     is that of the store. So an answer that comes late never opens what was sealed in between.
//   - Decrypt looks again, after it has decrypted, whether the store is still open: a read that raced with a sealing fails.
//
// Keys lie in memory of package secretmem. A cipher is made for every single operation, inside secretmem.Do, so that nothing
// is left of it when the operation is over.
package barrier
