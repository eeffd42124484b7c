package main

import (
	"os"
	"runtime/debug"
)

// heapFloor is what a small heap is taken for when the garbage collector is paced. A master
// with few users has some ten megabytes of live objects and would collect many times a
// second; with the floor it does so after 128 MiB of garbage, which takes a fifth less CPU
// per write. A large state is paced as ever: the floor is added, not multiplied.
const heapFloor = 128 << 20

// raiseHeapFloor makes the floor of memory that is reserved and never touched, so that it
// costs address space only, and returns what must stay reachable for as long as it shall
// count. Operators who set GOGC or GOMEMLIMIT have decided for themselves.
func raiseHeapFloor() (keep []byte) {
	if os.Getenv("GOGC") != "" || debug.SetMemoryLimit(-1) != unlimited {
		return nil
	}
	return make([]byte, heapFloor)
}

// unlimited is the runtime's memory limit when none is set.
const unlimited = 1<<63 - 1
