package fsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	"github.com/klauspost/compress/zstd"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
)

// sink is a raft.SnapshotSink in memory.
type sink struct {
	bytes.Buffer
	closed, cancelled bool
	failAfter         int // bytes; 0 is never
}

func (s *sink) Write(p []byte) (int, error) {
	if s.failAfter > 0 && s.Len()+len(p) > s.failAfter {
		return 0, errors.New("no room")
	}
	return s.Buffer.Write(p)
}

func (s *sink) ID() string    { return "snapshot-1" }
func (s *sink) Close() error  { s.closed = true; return nil }
func (s *sink) Cancel() error { s.cancelled = true; return nil }

func persist(t testing.TB, m *Machine) []byte {
	t.Helper()
	snap, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var out sink
	if err := snap.Persist(&out); err != nil {
		t.Fatal(err)
	}
	snap.Release()
	if !out.closed || out.cancelled {
		t.Fatalf("closed %v, cancelled %v", out.closed, out.cancelled)
	}
	return out.Bytes()
}

func restore(m *Machine, snapshot []byte) error {
	return m.Restore(io.NopCloser(bytes.NewReader(snapshot)))
}

// populated has n users beside the superuser.
func populated(t testing.TB, n int) *Machine {
	t.Helper()
	m := newMachine(t)
	for i := range n {
		m.Apply(entry(t, uint64(3+i), createUser(fmt.Sprintf("user-%06d", i))))
	}
	return m
}

func TestASnapshotBringsTheStateOver(t *testing.T) {
	m := populated(t, 500)
	fresh := New(Options{MaxLevel: 1, ClusterID: "c1"})
	if err := restore(fresh, persist(t, m)); err != nil {
		t.Fatal(err)
	}
	if fresh.AppliedIndex() != m.AppliedIndex() || fresh.State().Digest() != m.State().Digest() || !fresh.Ready() {
		t.Errorf("index %d, want %d with the same digest", fresh.AppliedIndex(), m.AppliedIndex())
	}
	next := m.AppliedIndex() + 1
	for _, master := range []*Machine{m, fresh} {
		master.Apply(entry(t, next, createUser("after")))
	}
	if fresh.State().Digest() != m.State().Digest() {
		t.Error("the restored master goes on differently")
	}
	if err := restore(New(Options{MaxLevel: 1}), persist(t, New(Options{MaxLevel: 1}))); err != nil {
		t.Errorf("the empty state: %v", err)
	}
}

// testdata/level-1.snapshot was written by the last version that knew level 1 only; it is never written again.
func TestASnapshotOfLevelOneIsReadForEver(t *testing.T) {
	kept, err := os.ReadFile("testdata/level-1.snapshot")
	if err != nil {
		t.Fatal(err)
	}
	m := New(Options{MaxLevel: 2, ClusterID: "c1"})
	if err := restore(m, kept); err != nil {
		t.Fatal(err)
	}
	const want = "bbf234efa82d36d767290edbfde552386d1d4a9b1b8e3fc6d559e7549606e4f6"
	if got := fmt.Sprintf("%x", m.State().Digest()); got != want || m.AppliedIndex() != 12 {
		t.Errorf("restored as %s at index %d, want %s at 12", got, m.AppliedIndex(), want)
	}
	a := &applier{m: m, term: term}
	for _, c := range []command.Command{
		command.SetLevel{Level: 2}, command.CreateGroup{Group: iam.Group{GID: "devs", ProviderType: iam.Internal}}, command.AddMember{GID: "devs", UID: "ext"},
	} {
		if _, err := m.Submit(t.Context(), a, command.Header{Term: term, Time: epoch}, c); err != nil {
			t.Errorf("%s: %v", c.Kind(), err)
		}
	}
	if err := restore(New(Options{MaxLevel: 1}), persist(t, m)); err == nil {
		t.Error("a binary of level 1 took a snapshot of level 2")
	}
}

func TestASnapshotIsOfTheMomentItWasTaken(t *testing.T) {
	m := populated(t, 10)
	want := m.State().Digest()
	snap, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	m.Apply(entry(t, m.AppliedIndex()+1, createUser("later")))
	var out sink
	if err := snap.Persist(&out); err != nil {
		t.Fatal(err)
	}
	fresh := New(Options{MaxLevel: 1})
	if err := restore(fresh, out.Bytes()); err != nil || fresh.State().Digest() != want {
		t.Errorf("%v, and the digest must be that of before", err)
	}
}

func TestRestoreWakesThoseWhoWait(t *testing.T) {
	m := populated(t, 10)
	fresh := New(Options{MaxLevel: 1})
	done := make(chan error, 1)
	go func() { done <- fresh.WaitIndex(t.Context(), m.AppliedIndex()) }()
	if err := restore(fresh, persist(t, m)); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("nobody was woken")
	}
}

func TestASinkThatFailsIsCancelled(t *testing.T) {
	small := newMachine(t, func(o *Options) { o.MaxSnapshotBytes = 100 })
	for name, c := range map[string]struct {
		m    *Machine
		room int
	}{"no room": {populated(t, 100), 1}, "larger than could be read": {small, 0}} {
		snap, err := c.m.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		out := sink{failAfter: c.room}
		if err := snap.Persist(&out); err == nil || !out.cancelled || out.closed {
			t.Errorf("%s: %v, cancelled %v, closed %v", name, err, out.cancelled, out.closed)
		}
	}
}

// refused checks that the machine refuses the snapshot and keeps its state.
func refused(t *testing.T, name string, m *Machine, snapshot []byte) {
	t.Helper()
	index, digest := m.AppliedIndex(), m.State().Digest()
	if err := restore(m, snapshot); err == nil {
		t.Errorf("%s: accepted", name)
	}
	if m.AppliedIndex() != index || m.State().Digest() != digest || m.Restoring() {
		t.Errorf("%s: the state has changed", name)
	}
}

func TestCutOffSnapshotsAreRefused(t *testing.T) {
	good := persist(t, populated(t, 20))
	for n := range good {
		refused(t, fmt.Sprintf("%d of %d bytes", n, len(good)), newMachine(t), good[:n])
	}
}

// Hostile case C7. A flipped bit may meet one that has no meaning to zstd; then the very same state must come out.
func TestDamagedSnapshotsAreRefused(t *testing.T) {
	m := populated(t, 20)
	good, digest := persist(t, m), m.State().Digest()
	harmless := 0
	for i := range good {
		for bit := range 8 {
			damaged := bytes.Clone(good)
			damaged[i] ^= 1 << bit
			fresh := New(Options{MaxLevel: 1})
			if restore(fresh, damaged) != nil {
				continue
			}
			harmless++
			if fresh.State().Digest() != digest || fresh.AppliedIndex() != m.AppliedIndex() {
				t.Fatalf("byte %d, bit %d: another state was accepted", i, bit)
			}
		}
	}
	if harmless > 16 {
		t.Errorf("%d flipped bits went unnoticed", harmless)
	}
}

func TestTrailingBytesAreRefused(t *testing.T) {
	good := persist(t, populated(t, 20))
	for name, tail := range map[string][]byte{
		"zero": {0}, "text": []byte("x"), "newline": []byte("\n"), "itself": good, "a frame": compress(t, []byte("x")), "a line": compress(t, []byte("{}\n")),
	} {
		refused(t, name, newMachine(t), append(bytes.Clone(good), tail...))
	}
}

func compress(t testing.TB, plain []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(plain, nil)
}

func decompress(t testing.TB, snapshot []byte) []string {
	t.Helper()
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	plain, err := z.DecodeAll(snapshot, nil)
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(plain), "\n"), "\n")
}

// forge puts a snapshot together from lines, with a footer that fits them.
func forge(t testing.TB, lines ...string) []byte {
	t.Helper()
	plain := strings.Join(lines, "")
	sum := sha256.Sum256([]byte(plain))
	footer := fmt.Sprintf("{\"end\":{\"records\":%d,\"sha256\":%q}}\n", len(lines)-1, hex.EncodeToString(sum[:]))
	return compress(t, []byte(plain+footer))
}

func TestForgedSnapshotsAreRefused(t *testing.T) {
	m := newMachine(t)
	lines := decompress(t, persist(t, m))
	head, records := lines[0], lines[1:len(lines)-1]
	whole := func(head string) []byte { return forge(t, append([]string{head}, records...)...) }
	if diff := cmp.Diff(`{"format":1,"index":2,"cluster_id":"c1","level":1}`+"\n", head); diff != "" {
		t.Fatalf("header (-want +got):\n%s", diff)
	}
	if err := restore(newMachine(t), whole(head)); err != nil {
		t.Fatalf("the honest forgery: %v", err)
	}
	edit := func(old, with string) []byte { return whole(strings.Replace(head, old, with, 1)) }
	cases := map[string][]byte{
		"no bytes":                 nil,
		"not zstd":                 []byte(strings.Join(lines, "")),
		"another format":           edit(`"format":1`, `"format":2`),
		"a level too high":         edit(`"level":1`, `"level":2`),
		"a level below the record": edit(`"level":1`, `"level":0`),
		"another cluster (C6)":     edit(`"c1"`, `"c2"`),
		"no cluster":               edit(`"c1"`, `""`),
		"an older index (C6)":      edit(`"index":2`, `"index":1`),
		"an unknown member":        edit(`{`, `{"x":1,`),
		"no header":                forge(t, records...),
		"header only":              forge(t, head),
		"no records":               compress(t, []byte(head)),
		"a record missing":         forge(t, append([]string{head}, records[1:]...)...),
		"a blank line":             forge(t, append([]string{head, "\n"}, records...)...),
		"footer of other records":  compress(t, []byte(strings.Join(append(lines[:len(lines):len(lines)], lines[len(lines)-1]), "")+"\n")),
		"no footer":                compress(t, []byte(strings.Join(lines[:len(lines)-1], ""))),
		"footer without newline":   compress(t, []byte(strings.Join(lines, ""))),
		"a record after the end":   compress(t, []byte(strings.Join(lines, "")+"\n"+records[0])),
		"a wrong count":            compress(t, []byte(strings.Replace(strings.Join(lines, ""), `"records":`, `"records":1`, 1)+"\n")),
		"a wrong sum":              compress(t, []byte(strings.Join(lines[:len(lines)-1], "")+`{"end":{"records":6,"sha256":"00"}}`+"\n")),
		"an unknown footer member": compress(t, []byte(strings.Replace(strings.Join(lines, ""), `"records":`, `"x":1,"records":`, 1)+"\n")),
		"a changed record":         compress(t, []byte(strings.Replace(strings.Join(lines, ""), "superusers", "superuserz", -1)+"\n")),
	}
	for name, snapshot := range cases {
		refused(t, name, newMachine(t), snapshot)
	}
	foreign := New(Options{MaxLevel: 1, ClusterID: "c9"})
	refused(t, "not of the configured cluster", foreign, whole(head))
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBombsAreRefused(t *testing.T) {
	head := decompress(t, persist(t, newMachine(t)))[0]
	bomb := func(content io.Reader, size int64, o ...zstd.EOption) []byte {
		var out bytes.Buffer
		z, err := zstd.NewWriter(&out, append(o, zstd.WithEncoderConcurrency(1))...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(z, io.MultiReader(strings.NewReader(head), io.LimitReader(content, size))); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	endless := bomb(zeros{}, 256<<20)
	if len(endless) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(endless))
	}
	source := &counter{r: bytes.NewReader(endless)}
	m := newMachine(t)
	if err := m.Restore(io.NopCloser(source)); err == nil {
		t.Error("a line without end was accepted")
	}
	if source.n > len(endless)/4 {
		t.Errorf("%d of %d bytes were read before the line was too long", source.n, len(endless))
	}
	refused(t, "a window too large", m, bomb(zeros{}, 64<<20, zstd.WithWindowSize(32<<20)))

	small := newMachine(t, func(o *Options) { o.MaxSnapshotBytes = 4 << 10 })
	big := persist(t, populated(t, 1000))
	if err := restore(small, big); !errors.Is(err, errTooLarge) {
		t.Errorf("more than MaxSnapshotBytes: %v, want %v", err, errTooLarge)
	}
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestALongLineIsRead(t *testing.T) {
	m := newMachine(t)
	c := createUser("robot")
	c.User.PasswordHash, c.User.PublicKey = "", strings.Repeat("\x01", 60<<10) // 360 KiB in JSON
	m.Apply(entry(t, 3, c))
	fresh := New(Options{MaxLevel: 1})
	if err := restore(fresh, persist(t, m)); err != nil || fresh.State().Digest() != m.State().Digest() {
		t.Errorf("%v, or another state", err)
	}
}

func FuzzRestore(f *testing.F) {
	m := populated(f, 3)
	good := persist(f, m)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(forge(f, decompress(f, good)[:2]...))
	f.Fuzz(func(t *testing.T, snapshot []byte) {
		fresh := New(Options{MaxLevel: 1, MaxSnapshotBytes: 1 << 20})
		if restore(fresh, snapshot) != nil {
			return
		}
		again := New(Options{MaxLevel: 1})
		if err := restore(again, persist(t, fresh)); err != nil || again.State().Digest() != fresh.State().Digest() {
			t.Fatalf("what was accepted cannot be written and read again: %v", err)
		}
	})
}

var _ raft.SnapshotSink = (*sink)(nil)
