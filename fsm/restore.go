package fsm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"

	"gatehouse/fsm/state"
)

const (
	// maxLine bounds one line of a snapshot. The largest record is a user with a public key of 64 KiB.
	maxLine = 4 << 20
	// maxWindow bounds what zstd may ask us to keep in memory; SpeedFastest needs half of it.
	maxWindow = 8 << 20
)

var errTooLarge = errors.New("the snapshot is larger than this master is configured to hold")

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

// readRecords reads all lines up to the footer and checks that nothing follows it.
func readRecords(lines *lineReader, index uint64) (*state.State, error) {
	l := state.NewLoader()
	for {
		line, err := lines.next()
		if err != nil {
			return nil, fmt.Errorf("after %d records: %w", l.Len(), err)
		}
		if !bytes.HasPrefix(line, []byte(footerPrefix)) {
			if err := l.Add(line); err != nil {
				return nil, err
			}
			lines.sum.Write(line)
			continue
		}
		if err := checkFooter(line, l.Len(), lines.sum.Sum(nil)); err != nil {
			return nil, err
		}
		if err := lines.end(); err != nil {
			return nil, err
		}
		return l.State(index)
	}
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

// lineReader reads lines of bounded length.
type lineReader struct {
	r     *bufio.Reader
	limit int64
	// sum is over the lines that count: all but the footer.
	sum  hash.Hash
	long []byte // a line that did not fit the reader's buffer
}

// next returns the next line with its newline. It is valid until the call after. A last line without newline is cut off.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.nextLong(line)
	}
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if l.limit -= int64(len(line)); l.limit < 0 {
		return nil, errTooLarge
	}
	return line, nil
}

func (l *lineReader) nextLong(start []byte) ([]byte, error) {
	l.long = append(l.long[:0], start...)
	for {
		part, err := l.r.ReadSlice('\n')
		if l.long = append(l.long, part...); len(l.long) > maxLine {
			return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l.long, err
		}
	}
}

// end checks that there is nothing more, and lets zstd check its own checksum.
func (l *lineReader) end() error {
	switch _, err := l.r.ReadByte(); {
	case err == nil:
		return errors.New("bytes after the footer")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("after the footer: %w", err)
	}
	return nil
}
