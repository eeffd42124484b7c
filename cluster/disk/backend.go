package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// backend is what lies under the sealing layer: raftboltdb.BoltStore, or a faulty one in tests.
type backend interface {
	FirstIndex() (uint64, error)
	LastIndex() (uint64, error)
	GetLog(index uint64, log *raft.Log) error
	StoreLogs(logs []*raft.Log) error
	DeleteRange(min, max uint64) error
	Set(key, value []byte) error
	Get(key []byte) ([]byte, error)
	Close() error
}

// openBolt opens raft.db. The free list is not written at each commit (with many free pages that costs more than the
// entries); it is gathered at open instead. Another holder of the file is an error after a second, not a hang.
// A damaged file can make bbolt panic; checkBolt comes first so that it does not, and what is left is caught here.
func openBolt(path string, readOnly bool) (store *raftboltdb.BoltStore, err error) {
	defer func() {
		if r := recover(); r != nil {
			store, err = nil, fmt.Errorf("open %s: %v", logFile, r)
		}
	}()
	return raftboltdb.New(raftboltdb.Options{
		Path:   path,
		NoSync: false,
		BoltOptions: &bbolt.Options{
			Timeout:        time.Second,
			NoFreelistSync: true,
			FreelistType:   bbolt.FreelistMapType,
			ReadOnly:       readOnly,
		},
	})
}

// createBolt makes an empty raft.db, which appears under its name only once it is whole and on the device.
func createBolt(path string) error {
	tmp := path + tmpSuffix
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return err
	}
	store, err := openBolt(tmp, false)
	if err != nil {
		return err
	}
	if err := store.Sync(); err != nil {
		store.Close()
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
