package disk

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestKilledMasterKeepsEveryAcknowledgedEntry(t *testing.T) {
	if dir := os.Getenv("DISK_TEST_DIR"); dir != "" {
		appendForEver(dir)
	}
	dir := t.TempDir()
	newMaster(t, dir)
	acked := uint64(0)
	for round := range 6 {
		cmd := child(t, "append", "DISK_TEST_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for stop := 20 + rand.IntN(100); lines.Scan(); stop-- {
			index, err := strconv.ParseUint(strings.TrimPrefix(lines.Text(), "acked "), 10, 64)
			if err != nil {
				continue // the testing package's own lines
			}
			acked = index
			if stop == 0 {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		if state := cmd.ProcessState.Sys().(syscall.WaitStatus); state.Signal() != syscall.SIGKILL {
			t.Fatalf("round %d: child ended by itself: %v", round, cmd.ProcessState)
		}
		s := mustOpen(t, optionsFor(t, dir))
		last, _ := s.Log.LastIndex()
		first, _ := s.Log.FirstIndex()
		if last < acked || first > s.Stats().SnapshotIndex+1 {
			t.Fatalf("round %d: log is %d to %d, snapshot %d, but %d was acknowledged", round, first, last, s.Stats().SnapshotIndex, acked)
		}
		if err := wantEntries(s, first, last, 1); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		mustClose(t, s)
	}
	if acked < 1000 {
		t.Errorf("only %d entries were acknowledged in all rounds", acked)
	}
}

// appendForEver is the child of the test above. It prints each index that a follower would have acknowledged, takes
// snapshots and compacts, until it is killed.
func appendForEver(dir string) {
	id, err := LoadIdentity(dir)
	if err != nil {
		panic(err)
	}
	s, err := Open(Options{Dir: dir, ClusterID: testCluster, ServerID: id.ServerID, Keys: keysOf("k"), Reserve: -1})
	if err != nil {
		panic(err)
	}
	s.Stable.SetUint64([]byte("CurrentTerm"), 1)
	for n := 1; ; n++ {
		last, _ := s.Log.LastIndex()
		if n%10 == 0 && last > 5 { // a new leader disagrees about the last five
			if err := s.Log.DeleteRange(last-1, last); err != nil {
				panic(err)
			}
			last -= 2
		}
		next := last + 1 + rand.Uint64N(32)
		if err := s.Log.StoreLogs(entries(last+1, next, 1)); err != nil {
			panic(err)
		}
		fmt.Printf("acked %d\n", last)
		if n%25 == 0 {
			if _, err := takeSnapshot(s, last, 1, snapshotContent(1000)); err != nil {
				panic(err)
			}
			first, _ := s.Log.FirstIndex()
			if err := s.Log.DeleteRange(first, last-100); err != nil {
				panic(err)
			}
		}
	}
}

// TestStoppedProcessIsNotTakenForAHang stops a process in the middle of a store call for longer than a call may take.
func TestStoppedProcessIsNotTakenForAHang(t *testing.T) {
	if os.Getenv(childEnv) == "stopped" {
		stopMyself(t)
		return
	}
	// Not in parallel with others: between fork and exec a child holds the locks of all directories that are open.
	cmd := child(t, "stopped")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if lines.Text() == "in the call" {
			cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(3 * time.Second)
			cmd.Process.Signal(syscall.SIGCONT)
		}
	}
	if err := cmd.Wait(); err != nil || len(said) < 2 {
		t.Errorf("child: %v\n%s", err, strings.Join(said, "\n"))
	}
}

// stopMyself is the child: it is stopped during an append that takes 200 ms of its own time.
func stopMyself(t *testing.T) {
	armed := false
	s, fatal := openFaulty(t, &faulty{before: func(call string) error {
		if armed {
			fmt.Println("in the call")
			for range 20 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		return nil
	}}, func(o *Options) { o.StallWarn, o.StallFatal = 100*time.Millisecond, 2*time.Second })
	armed = true
	if err := s.Log.StoreLog(entryAt(1, 1)); err != nil {
		t.Errorf("append: %v", err)
	}
	if len(fatal) > 0 {
		t.Errorf("fatal: %v", <-fatal)
	}
}
