// Package doctor examines one master and its cluster for an operator: what is wrong, and what to do about it.
//
// It works in two steps. Examine looks at everything at once, each look bounded in time, and collects facts: the key
// file, the data directory, the daemon through its admin socket, the other masters through their peer ports. Then a
// table of small functions turns the facts into findings; they touch nothing, so a test can plant any fault.
//
// Nothing is changed, on disk or in the cluster, but for one small file that is written to measure how fast the disk is,
// and removed at once. Nothing secret is part of a fact.
package doctor
