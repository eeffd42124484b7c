//go:build plant_lost_write

package main

// plantLostWrite makes the leader acknowledge one change in a while without having made it.
const plantLostWrite = true
