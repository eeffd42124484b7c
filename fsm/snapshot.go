package fsm

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"log/slog"

	"github.com/hashicorp/raft"
	"github.com/klauspost/compress/zstd"

	"gatehouse/fsm/state"
)

// A snapshot is one zstd stream of lines: a header, the records of the state (state.WriteRecords), and a footer. Zstd
// brings a checksum, but the footer is what counts: it says how many records there are and what they hash to.

// snapshotFormat is the version that this binary writes and reads.
const snapshotFormat = 1

// snapshotHeader is the first line of a snapshot.
type snapshotHeader struct {
	Format    int    `json:"format"`
	Index     uint64 `json:"index"`
	ClusterID string `json:"cluster_id"`
	Level     int    `json:"level"`
}

// snapshotFooter is the last line of a snapshot.
type snapshotFooter struct {
	End struct {
		Records int `json:"records"`
		// SHA256 is over the header and the records, in hexadecimal.
		SHA256 string `json:"sha256"`
	} `json:"end"`
}

// footerPrefix tells the footer from a record.
const footerPrefix = `{"end":`

// Snapshot takes the newest state. That is a pointer: it takes no time, however large the state is.
func (m *Machine) Snapshot() (raft.FSMSnapshot, error) {
	return &snapshot{state: m.State(), limit: m.options.MaxSnapshotBytes, log: m.options.Logger}, nil
}

type snapshot struct {
	state *state.State
	limit int64
	log   *slog.Logger
}

// Release lets go of the state.
func (s *snapshot) Release() { s.state = nil }

// Persist streams the state to the sink while later entries are applied.
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	if err := write(sink, s.state, s.limit); err != nil {
		_ = sink.Cancel() // the first error is the one to tell
		s.log.Error("no snapshot: the log grows until one can be written", "error", err)
		return fmt.Errorf("write snapshot %s: %w", sink.ID(), err)
	}
	if err := sink.Close(); err != nil {
		return fmt.Errorf("finish snapshot %s: %w", sink.ID(), err)
	}
	return nil
}

func write(w io.Writer, s *state.State, limit int64) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	if err := writeLines(z, s, limit); err != nil {
		_ = z.Close() // what it could still write is of no use
		return err
	}
	return z.Close()
}

func writeLines(w io.Writer, s *state.State, limit int64) error {
	out := &summer{w: bufio.NewWriterSize(w, 64<<10), sum: sha256.New(), limit: limit}
	meta := s.Meta()
	header := snapshotHeader{Format: snapshotFormat, Index: s.Index(), ClusterID: meta.ClusterID, Level: meta.Level}
	if err := json.NewEncoder(out).Encode(header); err != nil {
		return err
	}
	n, err := s.WriteRecords(out)
	if err != nil {
		return err
	}
	var footer snapshotFooter
	footer.End.Records, footer.End.SHA256 = n, hex.EncodeToString(out.sum.Sum(nil))
	if err := json.NewEncoder(out).Encode(footer); err != nil {
		return err
	}
	return out.w.Flush()
}

// summer hashes what it writes, and refuses to write more than could be read back.
type summer struct {
	w     *bufio.Writer
	sum   hash.Hash
	limit int64
}

func (s *summer) Write(p []byte) (int, error) {
	if len(p) > maxLine { // one call writes one line
		return 0, errLongLine
	}
	if s.limit -= int64(len(p)); s.limit < 0 {
		return 0, errTooLarge
	}
	s.sum.Write(p)
	return s.w.Write(p)
}
