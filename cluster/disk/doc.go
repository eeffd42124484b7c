// Package disk keeps everything of a master that lies on disk: who it is (node.json), the Raft log and votes
// (raft.db, raft.tail), the snapshots, and the room they need (ballast).
//
// Raft is only as safe as what a voter remembers. A voter that forgets a vote or an acknowledged entry, and goes on
// under its old name, loses writes for the whole cluster. So the package has one rule: before Raft starts, every part
// is proved to be there and to be what was written, or Open refuses with a Damage that names the file and says what
// to do. Nothing is repaired, started empty, or taken from an older snapshot behind the operator's back.
package disk
