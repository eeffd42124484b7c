package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

// statusAborted is the exit status after SIGABRT or SIGQUIT: what a shell shows of a process that SIGABRT ended.
const statusAborted = 128 + int(syscall.SIGABRT)

// tellOnAbort has SIGABRT and SIGQUIT, with which people and supervisors end a process that hangs, write to stderr what its
// goroutines were doing, and end it. The Go runtime's own dump would hold arguments and registers, among which may be parts of
// keys, and would leave a core where the system allows one.
func (p *program) tellOnAbort() (stop func()) {
	aborts := make(chan os.Signal, 1)
	signal.Notify(aborts, syscall.SIGABRT, syscall.SIGQUIT)
	go func() {
		if s, ok := <-aborts; ok {
			tellGoroutines(p.stderr, s)
			p.exit(statusAborted)
		}
	}()
	return func() {
		signal.Stop(aborts)
		close(aborts)
	}
}

// tellGoroutines writes functions and lines, and no values.
func tellGoroutines(w io.Writer, why os.Signal) {
	fmt.Fprintf(w, "gatehouse: ended by %s; its goroutines:\n", why)
	_ = pprof.Lookup("goroutine").WriteTo(w, 1)
}
