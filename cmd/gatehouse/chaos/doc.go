// Package chaos torments a cluster of real processes and checks what its clients saw.
//
// Clients create, change, read, delete and log in as users, grant and revoke what users may and ask for decisions, each request through a master chosen at random, while a
// nemesis kills masters, freezes them and cuts them off from each other. Every operation goes into a history: when it
// was called, when it returned, and what it answered. Afterwards a linearizability checker (porcupine) looks for one
// order of all operations on a user that explains every answer; if there is none, some master gave a stale read, lost
// an acknowledged write or let a refused one through. Beside that, no answer may stand on an older commit index than an
// answer that was complete before it was asked for, and in the end all masters must hold the same state.
//
// An operation whose outcome nobody told (a broken connection, a deadline, "outcome unknown") may have happened at any
// time after its call, or not at all. Only answers that promise that nothing happened are taken at their word, which
// puts that promise to the test as well.
//
// A run with too few operations proves nothing and is refused. Whether the checker bites is a test of its own: binaries
// with a planted stale read and with a planted lost write must be caught.
package chaos
