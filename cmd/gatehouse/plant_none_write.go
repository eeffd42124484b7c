//go:build !plant_lost_write

package main

// plantLostWrite is true in a binary that must fail the chaos run, and never in one that is shipped.
const plantLostWrite = false
