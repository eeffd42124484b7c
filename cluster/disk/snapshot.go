package disk

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"golang.org/x/sys/unix"
)

// Files of a snapshot's directory, by raft.FileSnapshotStore.
const (
	metaName  = "meta.json"
	stateName = "state.bin"
)

// forceEvery is how many bytes of a snapshot are written before they are forced to the device.
const forceEvery = 16 << 20

// retainSnapshots is how many stay on disk. The second newest is there for an operator with a screwdriver, and in
// case that the newest does not read back; Raft is never given it.
const retainSnapshots = 2

// snapshotStore is raft.FileSnapshotStore with sealed content. It lists only the newest snapshot: Raft would quietly
// take an older one if that did not open. Safe for concurrent use.
type snapshotStore struct {
	inner *raft.FileSnapshotStore
	dir   string // of the snapshots
	codec codec
	tail  *tail
	log   *sealedLog
	guard *guard

	mu     sync.Mutex // guards newest
	newest raft.SnapshotMeta
}

// openInner opens raft's store. It makes the directory if needed.
func openInner(dataDir string) (*raft.FileSnapshotStore, error) {
	return raft.NewFileSnapshotStoreWithLogger(dataDir, retainSnapshots, hclog.NewNullLogger())
}

// List returns the newest snapshot, if there is one.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	newest := s.latest()
	if newest.ID == "" {
		return nil, s.guard.usable()
	}
	return []*raft.SnapshotMeta{&newest}, s.guard.usable()
}

// latest is the newest snapshot; without an id if there is none.
func (s *snapshotStore) latest() raft.SnapshotMeta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest
}

// Open opens a snapshot. Its meta and its size are those of the plaintext. What does not open, here or while it is
// read, is fatal: a leader that cannot read its own snapshot would leave a lagging follower behind for ever.
func (s *snapshotStore) Open(id string) (meta *raft.SnapshotMeta, content io.ReadCloser, err error) {
	if err := s.guard.usable(); err != nil {
		return nil, nil, err
	}
	err = s.guard.timed(callSnapshot, func() (err error) {
		meta, content, err = openSnapshot(s.inner, s.codec, s.dir, id)
		return err
	})
	if isGone(err) && id != s.latest().ID {
		return nil, nil, fmt.Errorf("open snapshot %s: %w", id, err) // reaped meanwhile
	}
	if err != nil {
		return nil, nil, s.guard.fail(callSnapshot, fmt.Errorf("snapshot %s: %w", id, err))
	}
	return meta, &guardedReader{ReadCloser: content, store: s, id: id}, nil
}

// guardedReader makes an error while reading fatal.
type guardedReader struct {
	io.ReadCloser
	store *snapshotStore
	id    string
}

func (r *guardedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = r.store.guard.fail(callSnapshot, fmt.Errorf("snapshot %s: %w", r.id, err))
	}
	return n, err
}

// Create begins a snapshot. A lack of room fails it with ErrFull and takes nothing from the ballast: a snapshot can
// wait.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration,
	configurationIndex uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	if err := s.guard.usable(); err != nil {
		return nil, err
	}
	if version != 1 {
		return nil, fmt.Errorf("create snapshot: version %d is not supported", version)
	}
	sink := &snapshotSink{store: s, appended: s.log.appended.Load()}
	err := s.step(func() (err error) {
		sink.inner, err = s.inner.Create(version, index, term, configuration, configurationIndex, trans)
		if err != nil {
			return errors.Join(err, removeTmp(s.dir, fmt.Sprintf("%d-%d-", term, index)))
		}
		if sink.state, err = os.OpenFile(filepath.Join(s.dir, sink.ID()+tmpSuffix, stateName), os.O_WRONLY, 0); err != nil {
			return err
		}
		sink.chunks = chunkWriter{codec: s.codec, id: sink.inner.ID(), w: sink.inner, foot: footer{
			Version: version, Index: index, Term: term, Configuration: configuration, ConfigurationIndex: configurationIndex,
		}}
		return sink.chunks.start()
	})
	if err != nil {
		if sink.inner != nil {
			sink.Cancel()
		}
		return nil, err
	}
	return sink, nil
}

// step runs a part of writing a snapshot.
func (s *snapshotStore) step(fn func() error) error {
	err := s.guard.timed(callSnapshot, fn)
	switch {
	case err == nil:
		return nil
	case isFull(err):
		s.guard.space.full()
		return fmt.Errorf("write snapshot: %w: %w", ErrFull, err)
	}
	return s.guard.fail(callSnapshot, err)
}

// completed makes a new snapshot count: it is read back first, from the device, then recorded in the tail.
func (s *snapshotStore) completed(id string) error {
	dir := filepath.Join(s.dir, id)
	var meta *raft.SnapshotMeta
	err := s.step(func() (err error) {
		if err := syncDir(dir); err != nil {
			return err
		}
		dropCache(filepath.Join(dir, stateName))
		meta, err = verifySnapshot(s.inner, s.codec, s.dir, id)
		return err
	})
	if err != nil {
		return errors.Join(err, os.Rename(dir, dir+tmpSuffix))
	}
	err = s.step(func() error {
		return s.tail.update(true, func(m *mark) { m.snapIndex, m.snapTerm, m.snapID = meta.Index, meta.Term, id })
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = *meta
	return nil
}

// snapshotSink seals what the state machine, or a leader, writes.
type snapshotSink struct {
	store    *snapshotStore
	inner    raft.SnapshotSink
	chunks   chunkWriter
	state    *os.File // the file that inner writes, to give its blocks back when inner forgets to
	unforced int      // bytes written since the file was last forced to the device
	appended uint64   // the log's count when the snapshot began
	done     bool
}

// ID returns the snapshot's id.
func (k *snapshotSink) ID() string { return k.inner.ID() }

// Write seals and writes. Now and then it waits for the device: with hundreds of megabytes to force at the end, the file
// system would let no append through for seconds.
func (k *snapshotSink) Write(p []byte) (n int, err error) {
	err = k.store.step(func() (err error) {
		n, err = k.chunks.Write(p)
		if k.unforced += n; err == nil && k.unforced >= forceEvery {
			k.unforced, err = 0, k.state.Sync()
		}
		return err
	})
	return n, err
}

// Close completes the snapshot; when it returns nil the snapshot is on the device and was read back. It runs in
// Raft's snapshot goroutine, or on a follower that installs, and not in the way of the state machine.
func (k *snapshotSink) Close() error {
	if k.done {
		return nil
	}
	if err := k.store.step(k.chunks.finish); err != nil {
		k.Cancel()
		return err
	}
	k.done = true
	if err := k.store.step(k.inner.Close); err != nil {
		return errors.Join(err, k.remove())
	}
	k.state.Close()
	if err := k.store.completed(k.ID()); err != nil {
		return err
	}
	k.store.log.appended.Add(-k.appended)
	if err := k.store.log.trim(k.store.latest().Index); err != nil {
		k.store.guard.logger.Warn("the log was not shortened to its bytes", "error", err)
	}
	return nil
}

// Cancel drops the snapshot.
func (k *snapshotSink) Cancel() error {
	if k.done {
		return nil
	}
	k.done = true
	k.inner.Cancel()
	return k.remove()
}

// remove deletes what there is of an unfinished snapshot. On a full disk raft's store leaves its directory behind, and
// its file open, so that even without the directory the blocks would stay taken until the garbage collector comes by.
func (k *snapshotSink) remove() error {
	if k.state != nil {
		k.state.Truncate(0)
		k.state.Close()
	}
	return os.RemoveAll(filepath.Join(k.store.dir, k.ID()+tmpSuffix))
}

// snapshotOpener is the part of raft.FileSnapshotStore that reads.
type snapshotOpener interface {
	Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error)
}

// openSnapshot opens a snapshot and compares what is in the clear with what is sealed.
func openSnapshot(inner snapshotOpener, c codec, dir, id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	foot, body, err := checkMeta(c, dir, id)
	if err != nil {
		return nil, nil, err
	}
	_, content, err := inner.Open(id)
	if err != nil {
		return nil, nil, err
	}
	r := &chunkReader{codec: c, id: id, src: bufio.NewReaderSize(content, chunkMost), foot: foot, body: body}
	if err := r.start(); err != nil {
		content.Close()
		return nil, nil, err
	}
	return foot.meta(id), struct {
		io.Reader
		io.Closer
	}{r, content}, nil
}

// verifySnapshot reads a snapshot to its end.
func verifySnapshot(inner snapshotOpener, c codec, dir, id string) (*raft.SnapshotMeta, error) {
	meta, content, err := openSnapshot(inner, c, dir, id)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, content)
	return meta, errors.Join(err, content.Close())
}

// checkMeta compares a snapshot's name, meta.json (by which raft sorts and reaps) and sealed footer.
func checkMeta(c codec, dir, id string) (foot footer, body int64, err error) {
	name, ok := parseSnapshotName(id)
	if !ok {
		return foot, 0, errors.New("not the name of a snapshot")
	}
	data, err := readLimited(filepath.Join(dir, id, metaName), footerMost)
	if err != nil {
		return foot, 0, err
	}
	var clear raft.SnapshotMeta
	if err := json.Unmarshal(data, &clear); err != nil {
		return foot, 0, fmt.Errorf("%s: %w", metaName, err)
	}
	f, err := os.Open(filepath.Join(dir, id, stateName))
	if err != nil {
		return foot, 0, err
	}
	defer f.Close()
	if foot, body, err = c.readFooter(f, id); err != nil {
		return foot, 0, fmt.Errorf("%s: %w", stateName, err)
	}
	if clear.ID != id || clear.Index != foot.Index || clear.Term != foot.Term || clear.Version != foot.Version ||
		name.index != foot.Index || name.term != foot.Term {
		return foot, 0, fmt.Errorf("%s or the directory's name does not match the sealed content", metaName)
	}
	return foot, body, nil
}

// snapshotName is the name of a snapshot's directory: term, index and time of day in milliseconds.
type snapshotName struct {
	id                string
	term, index, msec uint64
}

var snapshotPattern = regexp.MustCompile(`^(\d+)-(\d+)-(\d+)$`)

// parseSnapshotName takes a directory name apart.
func parseSnapshotName(id string) (n snapshotName, ok bool) {
	parts := snapshotPattern.FindStringSubmatch(id)
	if parts == nil {
		return n, false
	}
	n.id = id
	for i, to := range []*uint64{&n.term, &n.index, &n.msec} {
		v, err := strconv.ParseUint(parts[i+1], 10, 64)
		if err != nil {
			return n, false
		}
		*to = v
	}
	return n, true
}

// listSnapshots gives the finished snapshots of a directory, newest first, and the names of what is neither that nor
// an unfinished one. A missing directory is empty.
func listSnapshots(dir string) (names []snapshotName, strange []string, err error) {
	entries, err := os.ReadDir(dir)
	if isGone(err) {
		return nil, nil, nil
	}
	for _, e := range entries {
		n, ok := parseSnapshotName(e.Name())
		switch {
		case !e.IsDir() || strings.HasSuffix(e.Name(), tmpSuffix):
		case ok:
			names = append(names, n)
		default:
			strange = append(strange, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b snapshotName) int {
		return cmp.Or(cmp.Compare(b.term, a.term), cmp.Compare(b.index, a.index), cmp.Compare(b.id, a.id))
	})
	return names, strange, err
}

// removeTmp removes unfinished snapshots whose name begins so.
func removeTmp(dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), tmpSuffix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// dropCache asks the kernel to forget a file's pages, so that reading it back reads the device. Advice only.
func dropCache(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
