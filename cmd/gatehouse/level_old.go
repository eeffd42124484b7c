//go:build oldlevel

package main

// maxLevel is that of the release before, in a binary that tests upgrade from. No such binary is shipped.
const maxLevel = 3
