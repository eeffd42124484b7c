package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listing is every file below a directory with what a change would show in.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		out = append(out, fmt.Sprint(path, info.Size(), info.Mode(), info.ModTime()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestInspectFindsDamageAndChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Inspect(Options{Dir: dir, Keys: keysOf("k")}); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("an empty directory: %v, want ErrNoIdentity", err)
	}
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 40, sampleTerm)
	mustSnapshot(t, s, 30, sampleTerm, snapshotContent(3000))
	mustClose(t, s)
	before := listing(t, dir)
	if err := Inspect(Options{Dir: dir, Keys: keysOf("k")}); err != nil {
		t.Errorf("a sound directory: %v", err)
	}
	if diff := cmp.Diff(before, listing(t, dir)); diff != "" {
		t.Errorf("looking changed the directory:\n%s", diff)
	}
	var damage *Damage
	if err := Inspect(Options{Dir: dir, Keys: keysOf("another")}); !errors.As(err, &damage) {
		t.Errorf("another key: %v, want a Damage", err)
	}
	names, _, err := listSnapshots(filepath.Join(dir, snapshotsDir))
	if err != nil || len(names) != 1 {
		t.Fatalf("snapshots %v, %v", names, err)
	}
	state := filepath.Join(dir, snapshotsDir, names[0].id, stateName)
	content, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(state, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Inspect(Options{Dir: dir, Keys: keysOf("k")}); !errors.As(err, &damage) || !strings.Contains(damage.File, names[0].id) {
		t.Errorf("a flipped bit in the snapshot: %v, want its Damage", err)
	}
}

func TestTheHolderOfADirectoryIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if pid, err := Holder(dir); pid != 0 || err != nil {
		t.Errorf("nobody's directory: %d, %v", pid, err)
	}
	lock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := Holder(dir); pid != os.Getpid() || err != nil {
		t.Errorf("held by %d, %v, want this process, %d", pid, err, os.Getpid())
	}
	lock.Release()
	if pid, err := Holder(dir); pid != 0 || err != nil {
		t.Errorf("after its release held by %d, %v", pid, err)
	}
}

func TestLockHolderReadsTheKernelsList(t *testing.T) {
	t.Parallel()
	const list = `1: POSIX  ADVISORY  WRITE 11 fe:00:77 0 EOF
2: FLOCK  ADVISORY  READ  12 fe:00:77 0 EOF
3: FLOCK  ADVISORY  WRITE 13 00:2a:77 0 EOF
4: FLOCK  ADVISORY  WRITE 14 fe:00:77 0 EOF
4: -> FLOCK  ADVISORY  WRITE 15 fe:00:78 0 EOF
`
	for _, c := range []struct {
		major, minor uint32
		inode        uint64
		want         int
	}{{0xfe, 0, 77, 14}, {0, 0x2a, 77, 13}, {1, 1, 77, 14}, {0xfe, 0, 78, 0}, {0xfe, 0, 7, 0}} {
		if got, err := lockHolder(strings.NewReader(list), c.major, c.minor, c.inode); got != c.want || err != nil {
			t.Errorf("%x:%x:%d is held by %d, %v, want %d", c.major, c.minor, c.inode, got, err, c.want)
		}
	}
}
