package disk

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIdentityReadsBackWhatWasSaved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := LoadIdentity(dir); !errors.Is(err, ErrNoIdentity) {
		t.Fatalf("fresh directory: %v, want ErrNoIdentity", err)
	}
	id := NewIdentity("müller & <söhne>")
	if len(id.ServerID) != 32 || id.ServerID == NewIdentity("").ServerID {
		t.Fatalf("server id %q is not 128 random bits", id.ServerID)
	}
	id.Promise = &Promise{Servers: []string{"a", "b"}}
	id.Peers = map[string]string{"b": "10.0.0.2:8102", "a": "[::1]:8102"}
	id.Level = 3
	for _, cluster := range []string{"", "c", "c"} {
		id.ClusterID = cluster
		if err := id.Save(dir); err != nil {
			t.Fatal(err)
		}
		if got, err := LoadIdentity(dir); err != nil || !cmp.Equal(got, id) {
			t.Fatalf("got %+v, %v, want %+v", got, err, id)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, identityFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}

func TestIdentityForgetsNothingThatItMustKeep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	id := newMaster(t, dir)
	mustClose(t, mustOpen(t, optionsFor(t, dir)))
	if err := id.Save(dir); err != nil { // a copy from before Open
		t.Fatal(err)
	}
	if got, _ := LoadIdentity(dir); !got.Initialised {
		t.Error("Initialised was cleared")
	}
	other := id
	other.ClusterID = "another"
	if err := other.Save(dir); err == nil {
		t.Error("the cluster id was changed")
	}
	other = id
	other.ServerID = NewIdentity("").ServerID
	if err := other.Save(dir); err == nil {
		t.Error("the server id was changed")
	}
	bad := Identity{ServerID: "a", Name: "\xff"}
	if err := bad.Save(t.TempDir()); err == nil {
		t.Error("a name that does not read back was saved")
	}
}

func TestEveryFlippedBitAndEveryCutOfNodeJSONIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	id := newMaster(t, dir)
	id.Peers = map[string]string{"a": "10.0.0.1:8102"}
	if err := id.Save(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, identityFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(data) * 8 {
		data[i/8] ^= 1 << (i % 8)
		if _, err := decodeIdentity(data); err == nil {
			t.Errorf("bit %d of %q was flipped without notice", i, data)
		}
		data[i/8] ^= 1 << (i % 8)
	}
	for n := range len(data) {
		if _, err := decodeIdentity(data[:n]); err == nil {
			t.Errorf("%d of %d bytes passed for whole", n, len(data))
		}
	}
	if err := os.WriteFile(path, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = LoadIdentity(dir)
	wantDamage(t, err, identityFile)
	wantDamage(t, id.Save(dir), identityFile)
}

func TestOpenNeedsAnIdentityOfItsOwnCluster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	id := newMaster(t, dir)
	o := optionsFor(t, dir)
	o.ClusterID = "another"
	_, err := Open(o)
	wantDamage(t, err, identityFile)
	o = optionsFor(t, dir)
	o.ServerID = "another"
	_, err = Open(o)
	wantDamage(t, err, identityFile)
	o.Dir, o.ServerID = t.TempDir(), id.ServerID
	if _, err = Open(o); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("open without identity: %v", err)
	}
}

func TestDirectoryBelongsToOneProcess(t *testing.T) {
	if dir := os.Getenv("DISK_TEST_HOLD"); dir != "" {
		holdLock(dir)
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestDirectoryBelongsToOneProcess$")
	child.Env = append(os.Environ(), "DISK_TEST_HOLD="+dir)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	newMaster(t, dir)
	_, err = Open(optionsFor(t, dir))
	if err == nil || !strings.Contains(err.Error(), "in use by another process (pid "+strings.TrimSpace(line)+")") {
		t.Errorf("second process: %v, want the pid %s of the first", err, line)
	}
	child.Process.Kill()
	child.Wait()
	l, err := Lock(dir)
	if err != nil {
		t.Fatalf("lock after the holder was killed: %v", err)
	}
	if _, err := Lock(dir); err == nil {
		t.Error("two holders in one process")
	}
	o := optionsFor(t, dir)
	o.Lock = l
	mustClose(t, mustOpen(t, o))
	if _, err := Lock(dir); err == nil {
		t.Error("Close released a lock that is not its own")
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, optionsFor(t, dir)))
}

// holdLock is the child of the test above: it takes the lock, says so, and waits to be killed.
func holdLock(dir string) {
	if _, err := Lock(dir); err != nil {
		os.Exit(2)
	}
	pid, _ := os.ReadFile(filepath.Join(dir, lockFile))
	os.Stdout.Write(pid)
	select {}
}
