// Package client speaks to a Gatehouse cluster from Go programs: it logs in, keeps its token fresh, finds a master that serves, and
// repeats a request exactly when that is right.
package client
