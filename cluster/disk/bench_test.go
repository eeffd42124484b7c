package disk

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// benchEntries is a batch of entries of 300 bytes.
func benchEntries(from uint64, n int) []*raft.Log {
	logs := make([]*raft.Log, n)
	data := bytes.Repeat([]byte("x"), 300)
	for i := range logs {
		logs[i] = &raft.Log{Index: from + uint64(i), Term: 1, Data: data, AppendedAt: time.Unix(1, 0)}
	}
	return logs
}

// BenchmarkStoreLogs guards that sealing, chaining and the tail cost little beside the two fdatasyncs of an append.
func BenchmarkStoreLogs(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch=%d/plain", batch), func(b *testing.B) {
			store, err := openBolt(filepath.Join(b.TempDir(), logFile), false)
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			benchStore(b, store, batch)
		})
		b.Run(fmt.Sprintf("batch=%d/sealed", batch), func(b *testing.B) {
			dir := b.TempDir()
			newMaster(b, dir)
			benchStore(b, mustOpen(b, optionsFor(b, dir)).Log, batch)
		})
	}
}

func benchStore(b *testing.B, store raft.LogStore, batch int) {
	next := uint64(1)
	for b.Loop() {
		if err := store.StoreLogs(benchEntries(next, batch)); err != nil {
			b.Fatal(err)
		}
		next += uint64(batch)
	}
	b.ReportMetric(float64(batch)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkStoreLarge is what entries of a megabyte cost, one at a time and as many as Raft writes at once.
func BenchmarkStoreLarge(b *testing.B) {
	for _, batch := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			dir := b.TempDir()
			newMaster(b, dir)
			s := mustOpen(b, optionsFor(b, dir))
			data := bytes.Repeat([]byte("x"), 1<<20)
			b.SetBytes(int64(batch) << 20)
			for next := uint64(1); b.Loop(); next += uint64(batch) {
				var logs []*raft.Log
				for i := range uint64(batch) {
					logs = append(logs, &raft.Log{Index: next + i, Term: 1, Data: data, AppendedAt: time.Unix(1, 0)})
				}
				if err := s.Log.StoreLogs(logs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSeal is what an entry costs without the disk.
func BenchmarkSeal(b *testing.B) {
	c := codec{keysOf("k"), testCluster}
	log := benchEntries(1, 1)[0]
	var stored *raft.Log
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			stored, _, _ = c.seal(log, link{})
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var got raft.Log
			if _, _, err := c.open(stored, &got); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpen guards the start: 100,000 entries and a snapshot of 20 MiB are proved in less than two seconds.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	newMaster(b, dir)
	s := mustOpen(b, optionsFor(b, dir))
	s.Stable.SetUint64([]byte("CurrentTerm"), 1)
	for next := uint64(1); next <= 100_000; next += 1000 {
		if err := s.Log.StoreLogs(benchEntries(next, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	mustSnapshot(b, s, 50, 1, snapshotContent(20<<20))
	mustClose(b, s)
	for b.Loop() {
		s, err := Open(optionsFor(b, dir))
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// BenchmarkOpenLarge guards the start after many large changes: half a gigabyte of log and a snapshot of a gigabyte.
func BenchmarkOpenLarge(b *testing.B) {
	dir := b.TempDir()
	newMaster(b, dir)
	s := mustOpen(b, optionsFor(b, dir))
	s.Stable.SetUint64([]byte("CurrentTerm"), 1)
	data := bytes.Repeat([]byte("x"), 1<<20)
	for next := uint64(1); next <= 512; next += 8 {
		var logs []*raft.Log
		for i := range uint64(8) {
			logs = append(logs, &raft.Log{Index: next + i, Term: 1, Data: data, AppendedAt: time.Unix(1, 0)})
		}
		if err := s.Log.StoreLogs(logs); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	mustSnapshot(b, s, 1, 1, snapshotContent(1<<30))
	b.ReportMetric(time.Since(began).Seconds(), "s/snapshot")
	mustClose(b, s)
	for b.Loop() {
		s, err := Open(optionsFor(b, dir))
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// BenchmarkCompaction reports how long an append waits while 8,192 entries of 1 KiB are removed.
func BenchmarkCompaction(b *testing.B) {
	const entries = 8192
	dir := b.TempDir()
	newMaster(b, dir)
	s := mustOpen(b, optionsFor(b, dir))
	next, worst := uint64(1), time.Duration(0)
	for b.Loop() {
		for range entries / 256 {
			if err := s.Log.StoreLogs(benchEntries(next, 256)); err != nil {
				b.Fatal(err)
			}
			next += 256
		}
		_, err := takeSnapshot(s, next-1, 1, nil)
		if err != nil {
			b.Fatal(err)
		}
		done := make(chan error, 1)
		first, _ := s.Log.FirstIndex()
		go func(last uint64) { done <- s.Log.DeleteRange(first, last) }(next - 2)
		for waiting := true; waiting; {
			start := time.Now()
			if err := s.Log.StoreLogs(benchEntries(next, 1)); err != nil {
				b.Fatal(err)
			}
			worst = max(worst, time.Since(start))
			next++
			select {
			case err := <-done:
				if err != nil {
					b.Fatal(err)
				}
				waiting = false
			default:
			}
		}
	}
	b.ReportMetric(float64(worst)/1e6, "worst-append-ms")
}
