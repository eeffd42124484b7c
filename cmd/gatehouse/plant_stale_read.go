//go:build plant_stale_read

package main

// plantStaleRead makes every master answer from what it happens to have.
const plantStaleRead = true
