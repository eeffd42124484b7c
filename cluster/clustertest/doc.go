// Package clustertest runs several masters in one process over an in-memory network whose links can be cut, held and
// slowed, for tests.
package clustertest
