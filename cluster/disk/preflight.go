package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// preflight proves that a data directory is whole, without changing what it holds. Each step returns a *Damage that names
// the part at fault.
type preflight struct {
	damages
	codec  codec
	server string

	mark     mark
	spans    []span                  // of the log, as its keys say
	stable   map[string][]byte       // nil: never written
	snapshot raft.SnapshotMeta       // the newest; without an id if there is none
	stale    []snapshotName          // snapshots to remove
	inner    *raft.FileSnapshotStore // nil: nothing may be written, see Inspect
	name     link                    // of the newest entry
	terms    [2]uint64               // of the oldest and newest entry
	appended uint64                  // sealed bytes above the snapshot
}

// span is an unbroken run of indexes.
type span struct{ from, to uint64 }

func (p *preflight) path(name string) string { return filepath.Join(p.dir, name) }

// first and last are the ends of the log; 0 if it is empty.
func (p *preflight) first() uint64 {
	if len(p.spans) == 0 {
		return 0
	}
	return p.spans[0].from
}

func (p *preflight) last() uint64 {
	if len(p.spans) == 0 {
		return 0
	}
	return p.spans[len(p.spans)-1].to
}

// check runs all steps. The order matters: raft-boltdb must not see raft.db before its structure is known to be
// sound, and the log is judged by the snapshot it follows.
func (p *preflight) check() error {
	for _, step := range []func() error{p.checkTail, p.checkStructure, p.checkSnapshots, p.checkSpans, p.checkContent, p.checkUnused} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// present reports whether the directory holds stores at all. Nothing there is fine for a master whose stores were
// never created, and only then. A creation that was cut short leaves the tail and no log.
func (p *preflight) present() (bool, error) {
	log, tail := exists(p.path(logFile)), exists(p.path(tailFile))
	names, _, err := listSnapshots(p.path(snapshotsDir))
	switch {
	case err != nil:
		return false, p.at(p.path(snapshotsDir), err, "cannot be read")
	case log && tail:
		return true, nil
	case p.initialised && !log:
		return false, p.at(p.path(logFile), nil, "is missing, but %s says that this master has one", identityFile)
	case p.initialised || log:
		return false, p.at(p.path(tailFile), nil, "is missing, but %s is there", logFile)
	case len(names) > 0:
		return false, p.at(p.path(logFile), nil, "is missing, but there is snapshot %s", names[0].id)
	case tail:
		return false, p.checkFreshTail()
	}
	return false, nil
}

// checkFreshTail makes sure that a tail without a log is what a creation left that was cut short, and not the memory
// of a log that is gone.
func (p *preflight) checkFreshTail() error {
	if err := p.checkTail(); err != nil {
		return err
	}
	if p.mark != (mark{}) {
		return p.at(p.path(logFile), nil, "is missing, but %s knows of entry %d", tailFile, p.mark.last)
	}
	return nil
}

// checkTail reads the tail file.
func (p *preflight) checkTail() (err error) {
	p.mark, err = readTail(p.path(tailFile), p.codec.keys, tailAD(p.codec.cluster, p.server))
	if err != nil {
		return p.at(p.path(tailFile), err, cannotOpen)
	}
	return nil
}

// checkStructure walks raft.db page by page and collects the indexes of the log.
func (p *preflight) checkStructure() error {
	path := p.path(logFile)
	f, err := os.Open(path)
	if err != nil {
		return p.at(path, err, "cannot be read")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return p.at(path, err, "cannot be read")
	}
	if err := checkBolt(f, info.Size(), p.visit); err != nil {
		return p.at(path, err, "is damaged or cut short")
	}
	return nil
}

// visit sees each key of raft.db.
func (p *preflight) visit(bucket, key, value []byte) error {
	switch string(bucket) {
	case boltBuckets[1]:
		if len(key) != 8 {
			return fmt.Errorf("log key %x is not an index", key)
		}
		index := keyIndex(key)
		if n := len(p.spans); n > 0 && index == p.spans[n-1].to+1 {
			p.spans[n-1].to = index
			return nil
		}
		p.spans = append(p.spans, span{index, index})
		return nil
	case boltBuckets[0]:
		if string(key) != string(stableKey) {
			return fmt.Errorf("unknown key %q beside Raft's term and vote", key)
		}
		return nil
	}
	return fmt.Errorf("unknown bucket %q", bucket)
}

// checkSnapshots proves the newest snapshot to its last byte and the one before it by its footer. What is older was
// being removed when the master stopped, and may be half gone; open removes the rest.
func (p *preflight) checkSnapshots() error {
	dir := p.path(snapshotsDir)
	names, strange, err := listSnapshots(dir)
	if err != nil {
		return p.at(dir, err, "cannot be read")
	}
	if len(strange) > 0 {
		return &Damage{File: filepath.Join(dir, strange[0]), Problem: "is not a snapshot that this master made", Remedy: "move it out of " + dir}
	}
	if len(names) > retainSnapshots {
		names, p.stale = names[:retainSnapshots], names[retainSnapshots:]
	}
	for _, n := range names[min(1, len(names)):] {
		path := filepath.Join(dir, n.id)
		if _, _, err := checkMeta(p.codec, dir, n.id); err != nil {
			return &Damage{
				File: path, Problem: "is damaged", Err: err,
				Remedy: fmt.Sprintf("check the disk; this is not the newest snapshot, which is %s, and may be moved away", names[0].id),
			}
		}
	}
	if len(names) == 0 {
		if p.mark.snapID != "" {
			return p.at(filepath.Join(dir, p.mark.snapID), nil, "is missing")
		}
		return nil
	}
	return p.checkNewest(dir, names[0].id)
}

// checkNewest reads the newest snapshot as Raft will.
func (p *preflight) checkNewest(dir, id string) error {
	var reader snapshotOpener = plainSnapshots(dir)
	if p.inner != nil {
		reader = p.inner
	}
	meta, err := verifySnapshot(reader, p.codec, dir, id)
	if err != nil {
		return p.at(filepath.Join(dir, id), err, cannotOpen)
	}
	if meta.Index < p.mark.snapIndex {
		return p.at(filepath.Join(dir, p.mark.snapID), nil, "is missing; the newest snapshot left is %s", id)
	}
	p.snapshot = *meta
	return nil
}

// checkSpans proves that snapshot and log together miss no entry, and that the log reaches as far as it once did.
func (p *preflight) checkSpans() error {
	path := p.path(logFile)
	for _, s := range p.spans {
		if s.from > p.snapshot.Index+1 {
			return p.gap(s.from)
		}
	}
	if p.first() > 0 && p.keyZero() {
		return p.at(path, nil, "holds an entry without an index")
	}
	if p.mark.last > 0 && !p.holds(p.mark.last) {
		return p.at(path, nil, "holds entries %d to %d, but entry %d was written", p.first(), p.last(), p.mark.last)
	}
	return nil
}

// holds reports whether the log has an entry of this index.
func (p *preflight) holds(index uint64) bool {
	return slices.ContainsFunc(p.spans, func(s span) bool { return s.from <= index && index <= s.to })
}

// keyZero reports an entry 0, which Raft never writes.
func (p *preflight) keyZero() bool { return p.spans[0].from == 0 }

// gap names the part that is missing before an index: the beginning of the log is a snapshot's task.
func (p *preflight) gap(index uint64) error {
	if index == p.first() {
		return p.at(p.path(snapshotsDir), nil, "the log begins at entry %d, but the newest snapshot ends at %d: a snapshot is missing", index, p.snapshot.Index)
	}
	return p.at(p.path(logFile), nil, "entries are missing before entry %d", index)
}

// checkContent opens every value of raft.db through raft-boltdb, read-only.
func (p *preflight) checkContent() error {
	path := p.path(logFile)
	back, err := openBolt(path, true)
	if err != nil {
		return p.at(path, err, "cannot be opened")
	}
	defer back.Close()
	if err := caught(func() error { return p.checkEntries(back) }); err != nil {
		return p.at(path, err, "is damaged")
	}
	err = caught(func() (err error) {
		p.stable, err = readStable(back, p.codec.keys, stableAD(p.codec.cluster, p.server))
		return err
	})
	if err != nil {
		return p.at(path, err, "Raft's term and vote: %s", cannotOpen)
	}
	return p.checkTerm()
}

// checkEntries opens every entry and follows the chain from each to the next.
func (p *preflight) checkEntries(back *raftboltdb.BoltStore) error {
	for i, s := range p.spans {
		for index := s.from; index <= s.to; index++ {
			var stored, log raft.Log
			if err := back.GetLog(index, &stored); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			if stored.Index != index {
				return fmt.Errorf("entry %d lies in the place of entry %d", stored.Index, index)
			}
			name, prev, err := p.codec.open(&stored, &log)
			if err != nil {
				return fmt.Errorf("entry %d %s: %w", index, cannotOpen, err)
			}
			if err := p.follows(i, index, log.Term, prev); err != nil {
				return err
			}
			if index == p.mark.last && name != p.mark.name {
				return fmt.Errorf("entry %d is not the one that was written last", index)
			}
			if index > p.snapshot.Index {
				p.appended += uint64(len(stored.Data))
			}
			p.name = name
		}
	}
	return nil
}

// follows checks one entry against the one before it. The first entry of all followed one that compaction removed;
// the first after a gap follows a snapshot and nothing else.
func (p *preflight) follows(span int, index, term uint64, prev link) error {
	first := index == p.first()
	if first {
		p.terms[0] = term
	}
	want := p.name
	if index == p.spans[span].from {
		want = link{}
	}
	switch {
	case !first && prev != want:
		return fmt.Errorf("entry %d does not follow what is stored before it", index)
	case term < p.terms[1]:
		return fmt.Errorf("entry %d has term %d after term %d", index, term, p.terms[1])
	case index == p.snapshot.Index && term != p.snapshot.Term:
		return fmt.Errorf("entry %d has term %d, but the snapshot up to it %d", index, term, p.snapshot.Term)
	}
	p.terms[1] = term
	return nil
}

// checkTerm holds Raft's term and vote against the log. Having written anything without a term cannot be.
func (p *preflight) checkTerm() error {
	need := max(p.terms[1], p.snapshot.Term)
	if p.stable == nil {
		if need > 0 {
			return p.at(p.path(logFile), nil, "Raft's term and vote are missing")
		}
		return nil
	}
	s := sealedStable{now: p.stable}
	term, err := s.GetUint64([]byte("CurrentTerm"))
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) || term < need {
		return p.at(p.path(logFile), err, "Raft's term is %d, but an entry or snapshot has term %d", term, need)
	}
	return nil
}

// checkUnused refuses used stores beside an identity that says there are none: it is older than they are.
func (p *preflight) checkUnused() error {
	if p.initialised || p.last() == 0 && p.snapshot.ID == "" && p.stable == nil {
		return nil
	}
	d := damages{dir: p.dir, initialised: true}
	return d.at(p.path(identityFile), nil, "says that this master has no stores yet, but %s is in use", logFile)
}

// keyIndex reads a log key.
func keyIndex(key []byte) uint64 {
	var n uint64
	for _, b := range key {
		n = n<<8 | uint64(b)
	}
	return n
}

// caught turns a panic of a library over damaged bytes, or a device error while reading its mapped file, into an error.
func caught(fn func() error) (err error) {
	faults := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(faults)
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return fn()
}
