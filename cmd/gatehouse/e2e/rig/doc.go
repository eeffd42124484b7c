// Package rig runs real gatehouse processes for the black-box tests, the chaos runs and the load comparison.
//
// A Cluster is a directory with one key file and a number of Masters, each of them an operating-system process of the
// release binary with a data directory, a log file and an admin socket of its own. A test kills, pauses and restarts
// them, and may put a Proxy in front of every peer port to cut masters off from each other. A Client speaks to their
// APIs the way any HTTP client would: nothing in this package reaches into the product, so whatever it sees, an
// operator or an application can see too.
//
// Every child dies with the process that started it, and nothing waits without a deadline.
package rig
