package fsm

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// raftBatch is how many entries Raft hands over at once when writes queue up: raft.Config.MaxAppendEntries, as the
// cluster package sets it.
const raftBatch = 256

const exampleHash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b0aXgRdescudvJCsgt3ub+b0a"

// crowd fills a machine with n users, as many memberships and as many grants, in batches of one transaction each and in
// an order that is not that of the trees.
func crowd(m *Machine, n int) {
	groups, resources := names(max(1, n/100), group), names(max(1, n/10), resource)
	users := names(n, func(i int) string { return fmt.Sprintf("user-%07d@example.com", i*7919%n) })
	base := m.State().Index()
	fill(m, len(groups), func(t *state.Txn, i int) { t.PutGroup(&iam.Group{GID: groups[i], ProviderType: iam.Internal}) })
	fill(m, len(resources), func(t *state.Txn, i int) { t.PutACL(&iam.ACL{RID: resources[i]}) })
	fill(m, n, func(t *state.Txn, i int) {
		description := "User number " + strconv.Itoa(i) + " of a large company"
		t.PutUser(&iam.User{UID: users[i], Description: description, PasswordHash: exampleHash + strconv.Itoa(i), ProviderType: iam.Internal})
	})
	fill(m, n, func(t *state.Txn, i int) { t.PutMembership(groups[i*31%len(groups)], users[i]) })
	fill(m, n, func(t *state.Txn, i int) {
		t.PutGrant(state.Grant{RID: resources[i*31%len(resources)], Principal: users[i], Actions: iam.Read})
	})
	m.publish(m.State().Begin().Commit(base + 1))
}

func names(n int, name func(int) string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = name(i)
	}
	return list
}

func group(i int) string { return fmt.Sprintf("group-%06d", i) }
func resource(i int) string {
	return fmt.Sprintf("dcos:service:marathon:marathon:services:/team-%06d", i)
}

func fill(m *Machine, n int, put func(t *state.Txn, i int)) {
	for start := 0; start < n; start += raftBatch {
		t := m.State().Begin()
		for i := start; i < min(n, start+raftBatch); i++ {
			t.Next(m.State().Index())
			put(t, i)
		}
		m.publish(t.Commit(m.State().Index()))
	}
}

// BenchmarkApply is the cost of one committed entry on every master, at 100,000 users. It guards: the state machine is
// not what bounds writes, a disk is.
func BenchmarkApply(b *testing.B) {
	for _, batch := range []int{1, raftBatch} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			m := newMachine(b)
			crowd(m, 100_000)
			logs := make([]*raft.Log, b.N)
			first := m.AppliedIndex() + 1
			for i := range logs {
				logs[i] = entry(b, first+uint64(i), createUser(fmt.Sprintf("new-%08d", i*7919%100_003+i/100_003*100_003)))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for len(logs) > 0 {
				n := min(batch, len(logs))
				m.ApplyBatch(logs[:n])
				logs = logs[n:]
			}
		})
	}
}

// BenchmarkRehearse is what Submit does before the log: encode, decode, and apply to a scratch copy.
func BenchmarkRehearse(b *testing.B) {
	m := newMachine(b)
	crowd(m, 100_000)
	c, h := createUser("new"), header()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := m.rehearse(m.State(), h, c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSnapshot takes a snapshot of 100,000 users. "take-ns" is what Raft's state machine thread waits for;
// "max-apply-ms" the longest that a batch of writes took while the snapshot was written.
func BenchmarkSnapshot(b *testing.B) {
	m := newMachine(b)
	crowd(m, 100_000)
	var took, worst time.Duration
	for b.Loop() {
		start := time.Now()
		snap, err := m.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
		worst = max(worst, writeDuring(b, m, func() error { return snap.Persist(discard{}) }))
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "take-ns")
	b.ReportMetric(worst.Seconds()*1000, "max-apply-ms")
}

// discard is a sink that keeps nothing.
type discard struct{ sink }

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }
func (discard) Cancel() error               { return nil }
func (discard) ID() string                  { return "discard" }

// writeDuring applies batches until the work is done, and returns how long the slowest took.
func writeDuring(b *testing.B, m *Machine, work func() error) (worst time.Duration) {
	done := make(chan error, 1)
	go func() { done <- work() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				b.Error(err)
			}
			return worst
		default:
		}
		var logs []*raft.Log
		for i := range raftBatch {
			uid := fmt.Sprintf("user-%07d@example.com", (int(m.AppliedIndex())+i)*7919%100_000)
			text := "changed"
			logs = append(logs, entry(b, m.AppliedIndex()+1+uint64(i), command.UpdateUser{UID: uid, Description: &text}))
		}
		start := time.Now()
		m.ApplyBatch(logs)
		worst = max(worst, time.Since(start))
		time.Sleep(5 * time.Millisecond) // about 13,000 writes a second
	}
}

// BenchmarkRestore starts a master from a snapshot of 100,000 users, memberships and grants.
func BenchmarkRestore(b *testing.B) {
	m := newMachine(b)
	crowd(m, 100_000)
	snapshot := persist(b, m)
	b.ReportMetric(float64(len(snapshot)), "snapshot-bytes")
	b.ReportAllocs()
	for b.Loop() {
		if err := restore(New(Options{MaxLevel: 1}), snapshot); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWait wakes 5,000 readers that wait for the same index, as after one round of read indexes.
func BenchmarkWait(b *testing.B) {
	const readers = 5000
	m := newMachine(b)
	for b.Loop() {
		index := m.AppliedIndex() + 1
		var wg sync.WaitGroup
		for range readers {
			wg.Go(func() { _ = m.WaitIndex(b.Context(), index) })
		}
		for m.waiting.members() < readers {
			runtime.Gosched()
		}
		m.publish(m.State().Begin().Commit(index))
		wg.Wait()
	}
}

func (w *waitlist) members() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.groups {
		n += g.members
	}
	return n
}

// BenchmarkApplyChanges declares 10,000 users and 50,000 grants in commands of as many changes as one may carry, the way
// Submit does it: encoded, rehearsed, decoded and applied. It guards: seconds at most.
func BenchmarkApplyChanges(b *testing.B) {
	const users, resources, grants = 10_000, 1000, 50_000
	var all []command.Change
	for i := range resources {
		all = append(all, command.Change{ACL: &iam.ACL{RID: resource(i)}})
	}
	for i := range users {
		uid := fmt.Sprintf("user-%07d@example.com", i*7919%users)
		all = append(all, command.Change{User: &iam.User{UID: uid, PasswordHash: iam.LockedPassword, ProviderType: iam.Internal}})
	}
	for i := range grants {
		grant := state.Grant{RID: resource((i*31 + i/5) % resources), Principal: fmt.Sprintf("user-%07d@example.com", i/5), Actions: iam.Read | iam.Update}
		all = append(all, command.Change{Grant: &grant})
	}
	for b.Loop() {
		m := newMachine(b, func(o *Options) { o.MaxLevel = 2 })
		a := &applier{m: m, term: term}
		if _, err := m.Submit(b.Context(), a, header(), command.SetLevel{Level: 2}); err != nil {
			b.Fatal(err)
		}
		h := header()
		h.Level = 2
		for changes := range slices.Chunk(all, command.MaxChanges) {
			if _, err := m.Submit(b.Context(), a, h, command.ApplyChanges{Changes: changes}); err != nil {
				b.Fatal(err)
			}
		}
		if s := m.State().Sizes(); s.Users != users+1 || s.Grants != grants+1 {
			b.Fatalf("%+v", s)
		}
	}
}

// BenchmarkMillion builds a state of 1,000,000 users, memberships and grants in batches of 256, then writes a snapshot
// while writes go on, and restores it. It guards: build, snapshot and restore under 15 s each, resident memory under 2 GiB. Run it alone, with -benchtime 1x: the
// resident peak is that of the process.
//
// How the trees were chosen: the same million in random order on bare trees, a copy per batch of 64, in seconds of
// processor time (a 2-core machine under other load), MiB live, and GiB allocated on the way.
//
//	tidwall/btree, pointers, degree 32    14.6 s    405 MiB    6.5 GiB    (without copies 5.5 s, a copy per entry 34.5 s)
//	tidwall/btree, pointers, degree 16    16.9 s    443 MiB    5.2 GiB
//	tidwall/btree, values, degree 32      25.4 s    502 MiB   19.6 GiB
//	google/btree, values, degree 32       29.3 s    501 MiB   19.4 GiB
//	go-immutable-radix                  51 s wall  2451 MiB   10.7 GiB    (peak 4.4 GiB)
func BenchmarkMillion(b *testing.B) {
	for b.Loop() {
		m := newMachine(b)
		start, used := time.Now(), processorTime(b)
		crowd(m, 1_000_000)
		b.ReportMetric(time.Since(start).Seconds(), "build-s")
		b.ReportMetric((processorTime(b) - used).Seconds(), "build-cpu-s")
		start = time.Now()
		snap, err := m.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		used = processorTime(b)
		size := &counting{}
		worst := writeDuring(b, m, func() error { return snap.Persist(size) })
		b.ReportMetric(time.Since(start).Seconds(), "persist-s")
		b.ReportMetric((processorTime(b) - used).Seconds(), "persist-cpu-s")
		b.ReportMetric(float64(size.n)/(1<<20), "snapshot-MiB")
		b.ReportMetric(worst.Seconds()*1000, "max-apply-ms")
		b.ReportMetric(residentPeak(b), "peak-MiB")
		runtime.GC()
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		b.ReportMetric(float64(mem.HeapAlloc)/(1<<20), "live-MiB")
		snapshot := persist(b, m)
		m = nil // a master that starts has nothing else
		start, used = time.Now(), processorTime(b)
		if err := restore(New(Options{MaxLevel: 1}), snapshot); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "restore-s")
		b.ReportMetric((processorTime(b) - used).Seconds(), "restore-cpu-s")
	}
}

// BenchmarkMillionRestore starts a master from the snapshot of the state of BenchmarkMillion. It guards: under 15 s.
func BenchmarkMillionRestore(b *testing.B) {
	m := newMachine(b)
	crowd(m, 1_000_000)
	snapshot := persist(b, m)
	want := m.State().Sizes()
	m = nil // one state at a time
	runtime.GC()
	for b.Loop() {
		fresh := New(Options{MaxLevel: 1})
		if err := restore(fresh, snapshot); err != nil || fresh.State().Sizes() != want {
			b.Fatalf("%v %+v", err, fresh.State().Sizes())
		}
	}
}

type counting struct {
	discard
	n int64
}

func (c *counting) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// processorTime is what the process has used on all processors, which other work on the machine disturbs least.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// residentPeak reads the most memory the process ever had, in MiB; 0 where /proc does not tell.
func residentPeak(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	return 0
}
