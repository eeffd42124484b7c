package barrier

import (
	"fmt"
	"testing"
)

// What a read and a write of a secret cost here; with GOEXPERIMENT=runtimesecret and without.
func BenchmarkDecrypt(b *testing.B) {
	for _, size := range []int{100, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f, w := benchmarked(b, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := f.Decrypt("default", 1, w.term, w.name, w.sealed); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, size := range []int{100, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f, w := benchmarked(b, size)
			value := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, _, err := f.Seal("default", 1, w.name, value); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// Every entry of the log comes by here.
func BenchmarkFollowWhenNothingChanged(b *testing.B) {
	f, _ := benchmarked(b, 1)
	specs := []Spec{f.spec}
	b.ReportAllocs()
	for b.Loop() {
		f.Follow(specs)
	}
}

func benchmarked(b *testing.B, size int) (*fixture, written) {
	b.Helper()
	fresh, err := NewSeal("cluster", "default")
	if err != nil {
		b.Fatal(err)
	}
	f := &fixture{Barrier: New(), root: fresh.Root, spec: Spec{
		Cluster: "cluster", Store: "default", RootID: fresh.RootID, Epoch: 1, Check: fresh.Check, Keys: []WrappedKey{fresh.Key}}}
	f.follow()
	if err := f.Install("default", 1, f.root); err != nil {
		b.Fatal(err)
	}
	n := Name{Path: "some/path/of/usual/length", Version: 1, Born: born}
	term, sealed, err := f.Seal("default", 1, n, make([]byte, size))
	if err != nil {
		b.Fatal(err)
	}
	return f, written{n, term, sealed}
}
