// Package apitest is a cluster in memory for tests of handlers: several masters with the real funnel and the real state machine over
// one log, without network, disks or elections.
//
// The first master leads and applies at once; the others apply only what they must, so that a handler that trusts a local state
// is found out. A package of handlers gives Options.Routes, which makes its rows for one master, and gets a House:
//
//   - Requests: Master.Call is a client's, Master.Admin one through the admin socket, Call.Through one through any door of a master;
//     Answer checks and decodes what comes back.
//   - Users: there is one superuser, Root. Put and PutUsers make others, Grant gives them rights, Token a token of the real kind,
//     ServiceToken what a service account logs in with. Passwords stands in for the slow hashing.
//   - The log: Do makes a change behind the API's back, Try does it and tells how it went, Before sees every change of a handler
//     before it is in the log and can refuse it, Entries and Log show what is there, Rewind undoes the end.
//   - Leaders: Leader and Follower, Elect and Lead begin a new term, Down takes leader and quorum away.
//   - Masters: Cut takes one off the network, Restart empties its memory. Own is the place for what a package keeps of one,
//     Options.Peer for what masters ask each other besides what the funnel does. KeyCluster and KeyDoors are for keyholders.
//   - Time: it stands still from Options.Start on until Clock is advanced or a handler sleeps; with Options.Real it runs.
//   - What a master writes: Logs and Audits.
package apitest
