package main

import (
	"os"
	"runtime/debug"
)

// The garbage collector runs when the heap has grown by two fifths since it ran last (heapGrowth, in percent). The runtime's own
// measure is a whole, which with a million users would be most of a gigabyte of garbage beside as much that is alive.
//
// heapFloor is what a small heap is taken for when the growth is worked out. A master with few users has some ten megabytes of
// live objects and would collect many times a second; with the floor it does so after 128 MiB of garbage, which takes a fifth
// less CPU per write.
const (
	heapGrowth = 40
	heapFloor  = 320 << 20
)

// paceGarbage sets both. The floor is made of memory that is reserved and never touched, so that it costs address space only;
// what is returned must stay reachable for as long as it shall count. Operators who set GOGC or GOMEMLIMIT have decided for
// themselves.
func paceGarbage() (keep []byte) {
	if os.Getenv("GOGC") != "" || debug.SetMemoryLimit(-1) != unlimited {
		return nil
	}
	debug.SetGCPercent(heapGrowth)
	return make([]byte, heapFloor)
}

// unlimited is the runtime's memory limit when none is set.
const unlimited = 1<<63 - 1
