package disk

import (
	"fmt"
	"os"
	"path/filepath"
)

// Names within the data directory.
const (
	identityFile = "node.json"
	lockFile     = "lock"
	logFile      = "raft.db"
	tailFile     = "raft.tail"
	ballastFile  = "ballast"
	snapshotsDir = "snapshots" // the name that raft.FileSnapshotStore gives it
	tmpSuffix    = ".tmp"
)

// replaceFile puts data in place of path so that a crash at any moment leaves the old file or the new one, whole.
func replaceFile(path string, data []byte) error {
	tmp := path + tmpSuffix
	if err := writeSynced(tmp, data); err != nil {
		os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeSynced writes a file (mode 0600) and forces it to the device.
func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// syncDir makes renames and removals within a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// exists reports whether something is at path; an error counts as yes, so that nothing is created over it.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !os.IsNotExist(err)
}
