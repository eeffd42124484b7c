package fsm

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"gatehouse/fsm/state"
)

const (
	// maxLine bounds one line of a snapshot, for the writer as for the reader. The largest record that commands can make is a
	// store with the shares of 255 holders, of less than 8 MiB.
	maxLine = 16 << 20
	// maxWindow bounds what zstd may ask us to keep in memory; SpeedFastest needs half of it.
	maxWindow = 8 << 20
)

var (
	errTooLarge = errors.New("the snapshot is larger than this master is configured to hold")
	errLongLine = fmt.Errorf("a line of more than %d bytes", maxLine)
)

// Restore replaces the state by that of a snapshot. It builds the new state aside, line by line, and swaps it in at the
// end, so that a snapshot that is damaged, foreign, older than the state, or of a level that this binary does not support
// changes nothing. Raft closes the reader.
func (m *Machine) Restore(r io.ReadCloser) error {
	m.restoring.Store(true)
	defer m.restoring.Store(false)
	s, err := m.read(r)
	if err != nil {
		m.options.Logger.Error("snapshot refused", "error", err)
		return fmt.Errorf("restore a snapshot: %w", err)
	}
	m.publish(s)
	m.options.Logger.Info("snapshot restored", "index", s.Index(), "cluster_level", s.Meta().Level, "users", s.UserCount())
	return nil
}

func (m *Machine) read(r io.Reader) (*state.State, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	defer z.Close()
	lines := &lineReader{r: bufio.NewReaderSize(z, 64<<10), sum: sha256.New(), limit: m.options.MaxSnapshotBytes}
	header, err := m.readHeader(lines)
	if err != nil {
		return nil, err
	}
	s, err := readRecords(lines, header.Index)
	if err != nil {
		return nil, err
	}
	if meta := s.Meta(); meta.ClusterID != header.ClusterID || meta.Level != header.Level {
		return nil, errors.New("header and records disagree about the cluster")
	}
	return s, nil
}

// readHeader reads the first line and decides whether the snapshot may replace the state.
func (m *Machine) readHeader(lines *lineReader) (h snapshotHeader, err error) {
	line, err := lines.next()
	if err != nil {
		return h, fmt.Errorf("read the header: %w", err)
	}
	if err := state.Strict(line, &h); err != nil {
		return h, fmt.Errorf("read the header: %w", err)
	}
	lines.sum.Write(line)
	here := m.State()
	switch {
	case h.Format != snapshotFormat:
		return h, fmt.Errorf("unknown format %d", h.Format)
	case h.Level > m.options.MaxLevel:
		return h, fmt.Errorf("cluster level %d, this binary supports %d: start a newer one", h.Level, m.options.MaxLevel)
	case !sameCluster(h.ClusterID, m.options.ClusterID) || !sameCluster(h.ClusterID, here.Meta().ClusterID):
		return h, fmt.Errorf("cluster %q is not this master's", h.ClusterID)
	case h.Index < here.Index():
		return h, fmt.Errorf("index %d is older than the state's %d", h.Index, here.Index())
	}
	return h, nil
}

// sameCluster accepts any cluster where ours is not known yet.
func sameCluster(theirs, ours string) bool { return ours == "" || theirs == ours }

// readRecords reads all lines up to the footer and checks that nothing follows it. One goroutine reads, hashes and decodes while
// this one puts the records together; when this one is done, so is the other.
func readRecords(lines *lineReader, index uint64) (*state.State, error) {
	d := &decoder{lines: lines, batches: make(chan batch, waitingBatches), stop: make(chan struct{})}
	go d.run()
	defer d.end()
	l := state.NewLoader()
	for b := range d.batches {
		for _, r := range b.records {
			if err := l.Add(r); err != nil {
				return nil, err
			}
		}
		if b.panic != nil {
			panic(b.panic)
		}
		if b.err != nil {
			return nil, b.err
		}
	}
	return l.State(index)
}

func checkFooter(line []byte, records int, sum []byte) error {
	var f snapshotFooter
	if err := state.Strict(line, &f); err != nil {
		return fmt.Errorf("read the footer: %w", err)
	}
	if f.End.Records != records || f.End.SHA256 != hex.EncodeToString(sum) {
		return errors.New("the footer does not match what precedes it")
	}
	return nil
}
