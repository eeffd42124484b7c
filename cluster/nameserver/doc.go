// Package nameserver answers DNS for the names of one cluster, for networks in which nobody else does. It is
// authoritative for one small zone, answers from memory, and does nothing else: no recursion, no transfer, no update.
//
// In the zone "mesos" with the names "master" and "leader":
//
//	master.mesos                     A, AAAA: every master that is fit for clients
//	leader.mesos                     A, AAAA: the leader; while there is none, no data
//	NAME.master.mesos                A, AAAA: one master, fit or not
//	_gatehouse._tcp.master.mesos     SRV: their API, whatever its scheme; also under leader
//	_http._tcp.master.mesos          SRV: those that serve it over plain HTTP; also under leader
//	_https._tcp.master.mesos         SRV: those that serve it over TLS; also under leader
//	mesos                            SOA, NS
//
// What a name does not have is an empty answer, and a name that is not there does not exist, both with the SOA record
// that says for how long (RFC 2308, RFC 8020). Everything outside of the zone is refused. A master that is not part of
// a cluster yet knows nothing and says SERVFAIL, so that a resolver asks the next one.
//
// Answers are small, and one over UDP is never longer than 1232 bytes. ANY gets one record (RFC 8482), so that who
// forges the address of a victim gains little.
package nameserver
