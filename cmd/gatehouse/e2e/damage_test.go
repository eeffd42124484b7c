//go:build e2e

package e2e

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// harm does something to the file at path.
type harm struct {
	name string
	file string // in the data directory; "" is the key file
	do   func(path string) error
}

func truncateHalf(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()/2)
}

func truncateTail(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-1)
}

// flipMiddle flips one bit of a byte that is in use, near the middle of the file.
func flipMiddle(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	at := len(content) / 2
	for content[at] == 0 && at > 0 {
		at--
	}
	content[at] ^= 0x10
	return os.WriteFile(path, content, 0o600)
}

func readableByAll(path string) error { return os.Chmod(path, 0o644) }

// A master whose files are damaged, cut off or gone does not start, and says which file it is and what to do.
func TestDamagedFilesAreNamedWithTheRemedy(t *testing.T) {
	c, original := stoppedMaster(t)
	for _, h := range []harm{
		{"node.json with a flipped bit", "node.json", flipMiddle},
		{"node.json cut off", "node.json", truncateHalf},
		{"node.json gone", "node.json", os.Remove},
		{"raft.db cut off", "raft.db", truncateHalf},
		{"raft.db empty", "raft.db", func(path string) error { return os.Truncate(path, 0) }},
		{"raft.db gone", "raft.db", os.Remove},
		{"snapshots gone or not a directory", "snapshots", func(path string) error {
			return errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600))
		}},
		{"cluster key with a flipped bit", "", flipMiddle},
		{"cluster key cut off", "", truncateHalf},
		{"cluster key without its last byte or two", "", func(path string) error { return errors.Join(truncateTail(path), truncateTail(path)) }},
		{"cluster key empty", "", func(path string) error { return os.Truncate(path, 0) }},
		{"cluster key gone", "", os.Remove},
		{"cluster key readable by all", "", readableByAll},
	} {
		t.Run(h.name, func(t *testing.T) {
			m := copyMaster(t, c, original)
			path := filepath.Join(m.DataDir, h.file)
			if h.file == "" {
				path = m.Argument("--cluster-key-file")
			}
			if err := h.do(path); err != nil {
				t.Fatal(err)
			}
			refusal := refuses(t, m)
			if !strings.Contains(refusal, path) {
				t.Errorf("the refusal does not name %s:\n%s", path, refusal)
			}
			if !strings.Contains(strings.ToLower(refusal), "remedy") && !strings.Contains(refusal, "chmod") && !strings.Contains(refusal, "keygen") && !strings.Contains(refusal, "copy it again") {
				t.Errorf("the refusal names no remedy:\n%s", refusal)
			}
		})
	}
}

// A flipped bit anywhere in the store is noticed, or it lies where nothing lies: a master never starts with other
// data than it had.
func TestAFlippedBitIsNoticedOrHarmless(t *testing.T) {
	c, original := stoppedMaster(t)
	size := must[os.FileInfo](t)(os.Stat(filepath.Join(original.DataDir, "raft.db"))).Size()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for range 12 {
		at, bit := random.Int64N(size), random.IntN(8)
		m := copyMaster(t, c, original)
		path := filepath.Join(m.DataDir, "raft.db")
		content := must[[]byte](t)(os.ReadFile(path))
		content[at] ^= 1 << bit
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
		err := m.AwaitHealthy(t.Context(), c.Client, 15*time.Second)
		if err == nil {
			checkWitness(t, c, m)
			if err := m.Kill(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		refused++
		if log := m.Log(); !strings.Contains(log, path) || !strings.Contains(log, "Remedy") {
			t.Errorf("seed %d, bit %d of byte %d: %v\nwant a refusal that names %s and the remedy", seed, bit, at, err, path)
		}
		_ = m.Kill()
	}
	t.Logf("seed %d: %d of 12 flips refused, the others harmless", seed, refused)
}

// stoppedMaster is a cluster of one that has some data and was stopped in order.
func stoppedMaster(t *testing.T) (*rig.Cluster, *rig.Master) {
	t.Helper()
	c := start(t, rig.Options{Masters: 1})
	m := c.Masters[0]
	for _, uid := range witnesses {
		putUser(t, c, m, uid, map[string]string{"password": "a passphrase", "description": "description of " + uid})
	}
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	return c, m
}

// witnesses are users whose records must be what they were.
var witnesses = []string{"anna", "berta", "clara", "dora", "emma", "frida"}

func checkWitness(t *testing.T, c *rig.Cluster, m *rig.Master) {
	t.Helper()
	for _, uid := range witnesses {
		if got := getUser(t, c, m, uid).Description; got != "description of "+uid {
			t.Errorf("%s has description %q", uid, got)
		}
	}
}

// copyMaster is another master with a copy of the data directory and of the key file.
func copyMaster(t *testing.T, c *rig.Cluster, original *rig.Master) *rig.Master {
	t.Helper()
	dir := t.TempDir()
	m := original.Copy(dir)
	key := filepath.Join(dir, "cluster.key")
	m.Replace("--cluster-key-file", key)
	if err := errors.Join(os.CopyFS(m.DataDir, withoutSockets{os.DirFS(original.DataDir)}), copyFile(c.KeyFile, key)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Kill() })
	return m
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// withoutSockets hides what is no file or directory.
type withoutSockets struct{ fs.FS }

func (w withoutSockets) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(w.FS, name)
	var some []fs.DirEntry
	for _, entry := range all {
		if entry.IsDir() || entry.Type().IsRegular() {
			some = append(some, entry)
		}
	}
	return some, err
}

// refuses starts the master and wants it to end by itself with an error, which it answers.
func refuses(t *testing.T, m *rig.Master) string {
	t.Helper()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	status, err := m.Wait(15 * time.Second)
	if err != nil || status == 0 {
		t.Fatalf("got status %d (%v), want a refusal; the log ends:\n%s", status, err, m.LogTail())
	}
	return m.Log()
}
