package fsm

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

// treasure fills a machine with secrets of a megabyte, one version each. Sealed values look random.
func treasure(m *Machine, n int) {
	base := m.State().Index()
	born := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	t := m.State().Begin()
	t.Next(base + 1)
	t.PutStore(&secret.Store{Name: secret.Default, Driver: secret.Vault, Created: born, MaxVersions: 10, Undelete: 3600, Epoch: 1, Seal: &secret.Seal{
		RootID: "root", Shares: 1, Threshold: 1, Check: []byte("check"), Keys: []secret.DataKey{{Term: 1, Wrapped: []byte("key"), Created: born}},
	}})
	random := rand.NewChaCha8([32]byte{})
	for i := range n {
		sealed := make([]byte, 1<<20)
		_, _ = random.Read(sealed)
		t.PutSecret(&secret.Secret{Store: secret.Default, Path: fmt.Sprintf("large/%04d", i), Born: born, Last: 1, Changed: base + 1,
			Versions: []secret.Version{{Number: 1, Index: base + 1, Term: 1, Created: born, Sealed: sealed}}})
	}
	m.publish(t.Commit(base + 1))
}

// BenchmarkTreasure is a snapshot of half a gigabyte of secrets, and its restore: what a master does every so many megabytes of
// writes, and once at its start.
func BenchmarkTreasure(b *testing.B) {
	const n = 512
	m := newMachine(b)
	treasure(m, n)
	file := bytes.NewBuffer(make([]byte, 0, 2*n<<20))
	b.Run("write", func(b *testing.B) {
		b.SetBytes(n << 20)
		for b.Loop() {
			file.Reset()
			if err := write(file, m.State(), defaultMaxSnapshotBytes); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(file.Len())/(n<<20), "size")
	})
	b.Run("restore", func(b *testing.B) {
		b.SetBytes(n << 20)
		b.ReportAllocs()
		for b.Loop() {
			fresh := newMachine(b)
			fresh.state.Store(state.New())
			if err := fresh.Restore(io.NopCloser(bytes.NewReader(file.Bytes()))); err != nil {
				b.Fatal(err)
			}
		}
	})
}
