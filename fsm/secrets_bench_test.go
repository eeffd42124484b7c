package fsm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/command"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

// hoard fills a machine of level 3 with secrets of so many bytes, a thousand in a directory.
func hoard(tb testing.TB, m *Machine, n, size int) {
	init := initCluster()
	init.Level = 3
	submitAt(tb, m, init)
	submitAt(tb, m, command.CreateStore{Store: vault("default", sealOf("r1", 1))})
	fill(m, n, func(t *state.Txn, i int) {
		path := fmt.Sprintf("dir-%03d/secret-%04d", i/1000, i*7919%1000)
		t.PutSecret(&secret.Secret{Store: "default", Path: path, Born: epoch, Last: 1, Changed: t.Index(), Versions: []secret.Version{
			{Number: 1, Index: t.Index(), Term: 1, Created: epoch, Sealed: random(size)},
		}})
	})
}

// random is what a sealed value looks like to a compressor.
func random(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func headerOf3() command.Header { return command.Header{Level: 3, Term: term, Time: epoch} }

func submitAt(tb testing.TB, m *Machine, c command.Command) {
	tb.Helper()
	if err, refused := m.Apply(secretEntry(tb, m.AppliedIndex()+1, c)).(error); refused {
		tb.Fatal(err)
	}
}

func secretEntry(tb testing.TB, index uint64, c command.Command) *raft.Log {
	tb.Helper()
	data, err := command.Encode(headerOf3(), c)
	if err != nil {
		tb.Fatal(err)
	}
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: data}
}

func newVault(tb testing.TB, secrets, size int) *Machine {
	m := New(Options{MaxLevel: 3})
	hoard(tb, m, secrets, size)
	return m
}

// nextWrite is the next version of a secret, or the first.
func nextWrite(m *Machine, path string, value []byte) command.Command {
	store, _ := m.State().Store("default")
	if old, ok := m.State().Secret("default", path); ok {
		return command.UpdateSecret{Store: "default", Path: path, Epoch: store.Epoch, Version: command.VersionData{Number: old.Last + 1, Term: 1, Sealed: value}}
	}
	return command.CreateSecret{Store: "default", Path: path, Epoch: store.Epoch, Version: command.VersionData{Number: 1, Term: 1, Sealed: value}, Born: epoch}
}

// BenchmarkApplySecret is what BenchmarkApply is for users: the cost of one committed entry at 100,000 secrets of 100 bytes.
// It guards: a write of a small secret costs a master about as much as one of a user.
func BenchmarkApplySecret(b *testing.B) {
	for _, batch := range []int{1, raftBatch} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			m := newVault(b, 100_000, 200)
			logs := make([]*raft.Log, b.N)
			value, first := random(200), m.AppliedIndex()+1
			for i := range logs {
				path := fmt.Sprintf("new/secret-%08d", i*7919%100_003+i/100_003*100_003)
				logs[i] = secretEntry(b, first+uint64(i), nextWrite(m, path, value))
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

// BenchmarkApplyLargeSecret replaces values of 1 MiB, of which ten versions stay: the state machine copies a value once.
func BenchmarkApplyLargeSecret(b *testing.B) {
	m := newVault(b, 1000, 200)
	submitAt(b, m, command.UpdateStore{Name: "default", MaxVersions: new(10)})
	value := random(1 << 20)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		m.Apply(secretEntry(b, m.AppliedIndex()+1, nextWrite(m, "large", value)))
	}
}

// BenchmarkListSecrets lists a directory of 1,000 among 100,000.
func BenchmarkListSecrets(b *testing.B) {
	m := newVault(b, 100_000, 200)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for s := range m.State().Secrets("default", "dir-050") {
			if s.Live(epoch) {
				n++
			}
		}
		if n != 1000 {
			b.Fatalf("%d secrets", n)
		}
	}
}

// BenchmarkReadSecret looks a secret up.
func BenchmarkReadSecret(b *testing.B) {
	m := newVault(b, 100_000, 200)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := m.State().Secret("default", fmt.Sprintf("dir-%03d/secret-%04d", i%100, i%1000)); !ok {
			b.Fatal("not there")
		}
	}
}
