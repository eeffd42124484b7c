package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/raft"
	"golang.org/x/sys/unix"
)

// This file looks at a data directory for an operator, and changes nothing in it.

// Inspect proves, as Open does, that a data directory is whole and opens with the keys. It writes nothing and takes no
// lock, so it must not be asked while a master uses the directory: that one changes it meanwhile. Of Options it needs
// Dir and Keys. A *Damage says what is wrong; ErrNoIdentity that there is nothing yet.
func Inspect(o Options) error {
	id, err := LoadIdentity(o.Dir)
	if err != nil {
		return err
	}
	if id.ClusterID == "" {
		return nil // has not taken part in a cluster; its stores come with that
	}
	p := &preflight{damages: damages{o.Dir, id.Initialised}, codec: codec{o.Keys, id.ClusterID}, server: id.ServerID}
	found, err := p.present()
	if err != nil || !found {
		return err
	}
	return p.check()
}

// plainSnapshots reads the snapshots in a directory as they lie there. What is sealed in them proves itself, so that
// Raft's checksum is not needed.
type plainSnapshots string

// Open implements snapshotOpener.
func (dir plainSnapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(string(dir), id, stateName))
	return nil, f, err
}

// Holder tells the process that holds a data directory, by the kernel's list of locks; 0 if none does. Asking for the
// lock would tell too, but could keep a master that starts just then from getting it.
func Holder(dir string) (pid int, err error) {
	var st unix.Stat_t
	err = unix.Stat(filepath.Join(dir, lockFile), &st)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for the lock of %s: %w", dir, err)
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0, fmt.Errorf("look for the lock of %s: %w", dir, err)
	}
	defer locks.Close()
	return lockHolder(locks, unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
}

// lockHolder finds who holds an flock in /proc/locks (proc_locks(5)): "1: FLOCK ADVISORY WRITE pid maj:min:inode 0 EOF".
// Some file systems show another device there than stat does, so the inode decides when no line fits both.
func lockHolder(locks io.Reader, major, minor uint32, inode uint64) (pid int, err error) {
	exact := fmt.Sprintf("%02x:%02x:%d", major, minor, inode)
	lines := bufio.NewScanner(locks)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" || f[3] != "WRITE" {
			continue
		}
		holder, err := strconv.Atoi(f[4])
		if err != nil {
			continue
		}
		if f[5] == exact {
			return holder, nil
		}
		if strings.HasSuffix(f[5], ":"+strconv.FormatUint(inode, 10)) {
			pid = holder
		}
	}
	return pid, lines.Err()
}

// Room is the space of a file system, in bytes, and what a master makes of it.
type Room struct {
	Free, Total int64 // to an unprivileged process
	LowWater    int64 // free space below which a master there refuses writes
	Type        int64 // of the file system, as statfs(2) names it
}

// Measure looks at the file system of a directory. lowWater is as in Options.
func Measure(dir string, lowWater int64) (Room, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Room{}, fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	unit := int64(st.Frsize)
	r := Room{Free: int64(st.Bavail) * unit, Total: int64(st.Blocks) * unit, Type: int64(st.Type)}
	r.LowWater = sizeOr(lowWater, min(lowMost, r.Total/lowShare))
	return r, nil
}
