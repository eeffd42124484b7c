// Package clustertest runs several masters in one process, for tests. They talk over an in-memory network whose links
// can be cut, held and slowed one direction at a time, or over real TCP on loopback. Everything works inside a
// testing/synctest bubble too, where time-outs cost nothing.
package clustertest
