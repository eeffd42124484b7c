// Package disk keeps everything of a master that lies on disk, and proves it before use.
//
// Raft is only as safe as what a voter remembers. A voter that forgets a vote or an acknowledged entry, and goes on
// under its old name, loses writes for the whole cluster. So the package has one rule: before Raft starts, every part
// is proved to be there and to be what was written, or Open refuses with a Damage that names the file and says what
// to do. Nothing is repaired, started empty, or taken from an older snapshot behind the operator's back.
//
//	node.json    who this master is; canonical JSON with a SHA-256, replaced atomically
//	lock         held (flock) by the one process that uses the directory
//	raft.db      log, term and vote, in raft-boltdb
//	raft.tail    how far log and snapshots must at least reach
//	snapshots/   the two newest snapshots, in raft's FileSnapshotStore
//	ballast      room that is given up when the disk is full
//
// Three layers make damage visible. Seals: each entry, the term and vote, each chunk of a snapshot is sealed under
// the cluster key and bound to its place, since bbolt has no checksums. The chain: each entry carries the
// authenticator of the one before it, so that no entry of another time fits. The tail: a flipped page number in
// bbolt's tree can lead to an older version of a page, and the newest entries are gone without a trace in what is
// left; the tail, a file of its own, remembers that they were there. What none of this notices is a whole directory
// put back to an earlier time, such as a virtual machine rolled back: such a master must join as a new server.
//
// While it runs, every store call goes through a guard. A full disk gives up the ballast and makes the master Low; an
// append then fails with ErrFull after FullWait, so that a leader steps down for a master that has room, while a term
// or vote waits as long as it takes, because Raft panics when it cannot be saved. Any other failure, an entry that no
// longer opens, or a call that hangs is fatal: the store is given up and Options.Fatal should end the process. For the
// hang this is the only cure, as Raft's heartbeats go on and nobody else would take the lead.
package disk
