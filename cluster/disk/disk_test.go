package disk

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	"golang.org/x/crypto/chacha20poly1305"
)

const testCluster = "cluster-one"

// testKeys seals as the key ring does: a random nonce, and the label bound in.
type testKeys struct{ secret [32]byte }

func keysOf(name string) testKeys { return testKeys{sha256.Sum256([]byte(name))} }

func (k testKeys) Seal(label string, plaintext, ad []byte) []byte {
	aead, _ := chacha20poly1305.NewX(k.secret[:])
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plaintext)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plaintext, append([]byte(label+"\x00"), ad...))
}

func (k testKeys) Open(label string, sealed, ad []byte) ([]byte, error) {
	aead, _ := chacha20poly1305.NewX(k.secret[:])
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("sealed data is too short")
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], append([]byte(label+"\x00"), ad...))
}

// newMaster makes a fresh data directory with an identity of the test cluster.
func newMaster(t testing.TB, dir string) Identity {
	t.Helper()
	id := NewIdentity("master-1")
	id.ClusterID = testCluster
	if err := id.Save(dir); err != nil {
		t.Fatalf("save identity: %v", err)
	}
	return id
}

// optionsFor is how tests open a directory: no ballast, and failures of the store fail the test.
func optionsFor(t testing.TB, dir string) Options {
	t.Helper()
	id, err := LoadIdentity(dir)
	if err != nil {
		t.Fatalf("load identity: %v", err)
	}
	return Options{
		Dir: dir, ClusterID: testCluster, ServerID: id.ServerID, Keys: keysOf("k"), Reserve: -1, LowWater: -1,
		Fatal: func(err error) { t.Errorf("unexpected fatal: %v", err) },
	}
}

func mustOpen(t testing.TB, o Options) *Stores {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustClose(t testing.TB, s *Stores) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// entryAt is the entry that tests store at an index: a different one for each, some with extensions, one in ten empty.
func entryAt(index, term uint64) *raft.Log {
	log := &raft.Log{Index: index, Term: term, Type: raft.LogCommand, AppendedAt: time.Unix(1700000000, int64(index)).UTC()}
	if index%10 == 0 {
		log.Type = raft.LogNoop
		return log
	}
	log.Data = bytes.Repeat([]byte(fmt.Sprintf("entry %d of term %d. ", index, term)), 10)
	if index%7 == 0 {
		log.Extensions = []byte("extension")
	}
	return log
}

func entries(from, to, term uint64) (logs []*raft.Log) {
	for i := from; i <= to; i++ {
		logs = append(logs, entryAt(i, term))
	}
	return logs
}

// fill stores a term and entries in batches.
func fill(t testing.TB, s *Stores, from, to, term uint64) {
	t.Helper()
	if err := s.Stable.SetUint64([]byte("CurrentTerm"), term); err != nil {
		t.Fatalf("set term: %v", err)
	}
	step := max(16, (to-from)/8)
	for ; from <= to; from += step {
		if err := s.Log.StoreLogs(entries(from, min(from+step-1, to), term)); err != nil {
			t.Fatalf("store entries from %d: %v", from, err)
		}
	}
}

// wantEntries checks that the log is exactly from..to of a term. It reads below the cache.
func wantEntries(s *Stores, from, to, term uint64) error {
	first, _ := s.Log.FirstIndex()
	last, _ := s.Log.LastIndex()
	if first != from || last != to {
		return fmt.Errorf("log is %d to %d, want %d to %d", first, last, from, to)
	}
	for i := from; i <= to && to > 0; i++ {
		var got raft.Log
		if err := s.log.GetLog(i, &got); err != nil {
			return fmt.Errorf("get %d: %w", i, err)
		}
		if diff := cmp.Diff(entryAt(i, term), &got); diff != "" {
			return fmt.Errorf("entry %d (-want +got):\n%s", i, diff)
		}
	}
	return nil
}

// snapshotContent is what tests store as a snapshot.
func snapshotContent(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

var testConfiguration = raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Voter, ID: "a", Address: "a"}, {Suffrage: raft.Nonvoter, ID: "b", Address: "b"}}}

// takeSnapshot writes a snapshot as Raft does.
func takeSnapshot(s *Stores, index, term uint64, content []byte) (string, error) {
	_, trans := raft.NewInmemTransport("a")
	sink, err := s.Snapshots.Create(1, index, term, testConfiguration, 1, trans)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(sink, bytes.NewReader(content)); err != nil {
		sink.Cancel()
		return "", err
	}
	return sink.ID(), sink.Close()
}

func mustSnapshot(t testing.TB, s *Stores, index, term uint64, content []byte) string {
	t.Helper()
	id, err := takeSnapshot(s, index, term, content)
	if err != nil {
		t.Fatalf("snapshot at %d: %v", index, err)
	}
	return id
}

// wantSnapshot checks that Raft is offered exactly this snapshot.
func wantSnapshot(s *Stores, index, term uint64, content []byte) error {
	list, err := s.Snapshots.List()
	if err != nil || len(list) != 1 {
		return fmt.Errorf("list: %d snapshots, %w", len(list), err)
	}
	meta, r, err := s.Snapshots.Open(list[0].ID)
	if err != nil {
		return err
	}
	defer r.Close()
	want := &raft.SnapshotMeta{
		Version: 1, ID: list[0].ID, Index: index, Term: term, Configuration: testConfiguration, ConfigurationIndex: 1, Size: int64(len(content)),
	}
	if diff := cmp.Diff(want, meta) + cmp.Diff(want, list[0]); diff != "" {
		return fmt.Errorf("meta (-want +got):\n%s", diff)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, content) {
		return fmt.Errorf("content of %d bytes differs from the %d that were written", len(got), len(content))
	}
	return nil
}

// wantDamage checks that an error refuses, names the file and gives a remedy.
func wantDamage(t testing.TB, err error, file string) {
	t.Helper()
	var d *Damage
	if !errors.As(err, &d) {
		t.Fatalf("error %v (%T), want a *Damage about %s", err, err, file)
	}
	if filepath.Base(d.File) != filepath.Base(file) || d.Remedy == "" || !bytes.Contains([]byte(err.Error()), []byte(d.File)) {
		t.Fatalf("damage %q names %s, want %s with a remedy", err, d.File, file)
	}
}

// copyDir copies a data directory.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatalf("copy %s: %v", from, err)
	}
}

// logTo collects log lines.
func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// copyFile overwrites a file in place.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
