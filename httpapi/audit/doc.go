// Package audit keeps the trail of who was allowed what: one line a record, in files that are only ever appended to.
//
// A record (record.go) has the original's keys in its order; behind them stand the master that made it, its number there
// (1, 2, 3, …) and the SHA-256 of the line before it. So the lines of one master are a chain: nothing in it can be altered,
// removed or inserted unless every line after it is made anew. What the chain cannot tell is whether all of it was made anew,
// or its end cut off. For that its head, the number and hash of the newest line, is told to all masters now and again;
// Verify (verify.go) holds files against such heads.
//
// Log (log.go) takes records from many goroutines. One goroutine writes them (writer.go), all that have come in at once, and
// forces them to the disk when somebody waits for that. Files are rotated by size and the oldest removed (files.go), which
// the chain records; what a killed process left unfinished is set aside, which the chain records too (recover.go).
package audit
