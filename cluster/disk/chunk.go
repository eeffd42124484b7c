package disk

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/raft"
)

// A snapshot file is magic | chunks | footer | length of the sealed footer (4). A chunk is length (4) | sealed bytes
// of 64 KiB of plaintext, the last one of what is left. Each is bound to cluster, snapshot id and its number, and the
// last one to being the last. The footer repeats what raft keeps in meta.json in the clear, so that nothing there has
// to be believed, and the plaintext size, which followers are told before the stream.
const (
	chunkSize     = 64 << 10
	chunkMost     = chunkSize + 1024 // sealed
	footerMost    = 1 << 20
	snapshotMagic = "GHSNAP1\n"
)

// footer is sealed JSON.
type footer struct {
	Version            raft.SnapshotVersion `json:"version"`
	Index              uint64               `json:"index"`
	Term               uint64               `json:"term"`
	Configuration      raft.Configuration   `json:"configuration"`
	ConfigurationIndex uint64               `json:"configuration_index"`
	Size               int64                `json:"size"`   // plaintext bytes
	Chunks             uint64               `json:"chunks"` // at least 1
}

// meta is what Raft is told. Peers is left out: only protocol versions that Gatehouse never spoke read it.
func (f footer) meta(id string) *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: f.Version, ID: id, Index: f.Index, Term: f.Term,
		Configuration: f.Configuration, ConfigurationIndex: f.ConfigurationIndex, Size: f.Size,
	}
}

// chunkAD binds a chunk to its place.
func (c codec) chunkAD(id string, number uint64, last bool) []byte {
	ad := appendString(appendString([]byte{'C'}, c.cluster), id)
	ad = binary.BigEndian.AppendUint64(ad, number)
	if last {
		return append(ad, 1)
	}
	return append(ad, 0)
}

// footerAD binds a footer to its snapshot.
func (c codec) footerAD(id string) []byte {
	return appendString(appendString([]byte{'F'}, c.cluster), id)
}

// chunkWriter seals a stream into w.
type chunkWriter struct {
	codec codec
	id    string
	w     io.Writer
	buf   []byte // plaintext not yet sealed, at most chunkSize
	foot  footer
}

// start writes the magic.
func (c *chunkWriter) start() error {
	c.buf = make([]byte, 0, chunkSize)
	_, err := io.WriteString(c.w, snapshotMagic)
	return err
}

// Write seals full chunks. One chunk is always held back, because only finish knows which is the last.
func (c *chunkWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(c.buf) == chunkSize {
			if err := c.flush(false); err != nil {
				return n, err
			}
		}
		k := min(len(p), chunkSize-len(c.buf))
		c.buf = append(c.buf, p[:k]...)
		p = p[k:]
		n += k
	}
	return n, nil
}

// flush seals the buffer as one chunk.
func (c *chunkWriter) flush(last bool) error {
	sealed := c.codec.keys.Seal(snapshotLabel, c.buf, c.codec.chunkAD(c.id, c.foot.Chunks, last))
	if err := c.block(sealed); err != nil {
		return err
	}
	c.foot.Chunks++
	c.foot.Size += int64(len(c.buf))
	c.buf = c.buf[:0]
	return nil
}

// block writes sealed bytes behind their length.
func (c *chunkWriter) block(sealed []byte) error {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(sealed)))
	if _, err := c.w.Write(length[:]); err != nil {
		return err
	}
	_, err := c.w.Write(sealed)
	return err
}

// finish writes the last chunk and the footer.
func (c *chunkWriter) finish() error {
	if err := c.flush(true); err != nil {
		return err
	}
	plain, err := json.Marshal(c.foot)
	if err != nil {
		return err
	}
	sealed := c.codec.keys.Seal(snapshotLabel, plain, c.codec.footerAD(c.id))
	if _, err := c.w.Write(sealed); err != nil {
		return err
	}
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(sealed)))
	_, err = c.w.Write(length[:])
	return err
}

// readFooter opens the footer of a snapshot file; body is how many bytes magic and chunks take.
func (c codec) readFooter(f *os.File, id string) (foot footer, body int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return foot, 0, err
	}
	var length [4]byte
	if _, err := f.ReadAt(length[:], info.Size()-int64(len(length))); err != nil {
		return foot, 0, fmt.Errorf("read footer: %w", cutShort(err))
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	body = info.Size() - int64(len(length)) - n
	if n > footerMost || body < int64(len(snapshotMagic)) {
		return foot, 0, errors.New("footer is damaged or cut short")
	}
	sealed := make([]byte, n)
	if _, err := f.ReadAt(sealed, body); err != nil {
		return foot, 0, fmt.Errorf("read footer: %w", err)
	}
	plain, err := c.keys.Open(snapshotLabel, sealed, c.footerAD(id))
	if err != nil {
		return foot, 0, fmt.Errorf("footer: %w", err)
	}
	if err := json.Unmarshal(plain, &foot); err != nil {
		return foot, 0, fmt.Errorf("footer: %w", err)
	}
	return foot, body, nil
}

// cutShort gives a reading beyond either end of a file its plain name.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrInvalid) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// chunkReader opens the chunks of a snapshot one by one; nothing unproved is ever returned, and the end only when it
// is the end that was written.
type chunkReader struct {
	codec  codec
	id     string
	src    io.Reader
	foot   footer
	body   int64 // bytes left before the footer
	number uint64
	size   int64
	plain  []byte
	sealed []byte
}

// start reads the magic.
func (c *chunkReader) start() error {
	var magic [len(snapshotMagic)]byte
	if _, err := io.ReadFull(c.src, magic[:]); err != nil {
		return cutShort(err)
	}
	if string(magic[:]) != snapshotMagic {
		return errors.New("not a snapshot of Gatehouse")
	}
	c.body -= int64(len(magic))
	return nil
}

// Read implements io.Reader.
func (c *chunkReader) Read(p []byte) (int, error) {
	for len(c.plain) == 0 {
		if c.number == c.foot.Chunks {
			return 0, c.end()
		}
		if err := c.next(); err != nil {
			return 0, fmt.Errorf("chunk %d of %d: %w", c.number, c.foot.Chunks, err)
		}
	}
	n := copy(p, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

// next opens one chunk.
func (c *chunkReader) next() error {
	var length [4]byte
	if _, err := io.ReadFull(c.src, length[:]); err != nil {
		return cutShort(err)
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	c.body -= int64(len(length)) + n
	if n > chunkMost || c.body < 0 {
		return errors.New("length is out of range")
	}
	if c.sealed == nil {
		c.sealed = make([]byte, chunkMost)
	}
	if _, err := io.ReadFull(c.src, c.sealed[:n]); err != nil {
		return cutShort(err)
	}
	last := c.number+1 == c.foot.Chunks
	plain, err := c.codec.keys.Open(snapshotLabel, c.sealed[:n], c.codec.chunkAD(c.id, c.number, last))
	if err != nil {
		return err
	}
	c.plain = plain
	c.size += int64(len(plain))
	c.number++
	return nil
}

// end is io.EOF if everything was where the footer says.
func (c *chunkReader) end() error {
	if c.body != 0 || c.size != c.foot.Size {
		return errors.New("snapshot does not have the size that its footer gives")
	}
	return io.EOF
}
