//go:build !oldlevel

package main

// maxLevel is the highest cluster level this binary can apply: the set of commands, fields and semantics that it knows. It goes up
// by one with every change of those, and the one in level_old.go with it.
const maxLevel = 4
