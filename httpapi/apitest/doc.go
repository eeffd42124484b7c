// Package apitest is a cluster in memory for tests of handlers: several masters with the real funnel and the real state machine over
// one log, without network, disks or elections.
//
// The first master leads and applies at once; the others apply only what they must, so that a handler that trusts a local state
// is found out. Time stands still until a test moves it. Users are made by Put, and Token gives them tokens of the real kind.
package apitest
