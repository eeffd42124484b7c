//go:build !plant_stale_read

package main

// plantStaleRead is true in a binary that must fail the chaos run, and never in one that is shipped.
const plantStaleRead = false
