package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Key labels of what is sealed on disk.
const (
	logLabel      = "raft-log"
	snapshotLabel = "raft-snapshot"
)

// link names one sealed entry: the authenticator at its end. Each entry carries the link of the one before it, so
// that a log pieced together from entries of different times (a stale page, say) does not pass for whole.
type link [16]byte

// header is what an entry carries in the clear beside its sealed data; it is authenticated with it.
//
//	format (1) | link of the entry before (16) | appended at: seconds (8), nanoseconds (4) | length of extensions (4)
const (
	entryFormat = 1
	headerSize  = 1 + 16 + 8 + 4 + 4
)

var errShortSeal = errors.New("sealed data is shorter than an authenticator")

// codec seals and opens log entries of one cluster. Raft's entry (index, term, type, data, extensions, appended at)
// becomes a stored entry of the same index, term and type whose Data is sealed and whose Extensions are the header.
type codec struct {
	keys    Keys
	cluster string
}

// ad binds sealed data to its place. Each kind of record has its own first byte; strings carry their length.
func (c codec) ad(log *raft.Log, header []byte) []byte {
	ad := make([]byte, 0, 1+2+len(c.cluster)+8+8+1+headerSize)
	ad = append(ad, 'E')
	ad = appendString(ad, c.cluster)
	ad = binary.BigEndian.AppendUint64(ad, log.Index)
	ad = binary.BigEndian.AppendUint64(ad, log.Term)
	ad = append(ad, byte(log.Type))
	return append(ad, header...)
}

// seal turns an entry into its stored form and names it. It does not change or keep log.
func (c codec) seal(log *raft.Log, prev link) (*raft.Log, link, error) {
	header := make([]byte, 0, headerSize)
	header = append(header, entryFormat)
	header = append(header, prev[:]...)
	header = binary.BigEndian.AppendUint64(header, uint64(log.AppendedAt.Unix()))
	header = binary.BigEndian.AppendUint32(header, uint32(log.AppendedAt.Nanosecond()))
	header = binary.BigEndian.AppendUint32(header, uint32(len(log.Extensions)))

	plain := log.Data
	if len(log.Extensions) > 0 {
		plain = append(append(make([]byte, 0, len(log.Data)+len(log.Extensions)), log.Data...), log.Extensions...)
	}
	sealed := c.keys.Seal(logLabel, plain, c.ad(log, header))
	name, err := nameOf(sealed)
	if err != nil {
		return nil, link{}, err
	}
	return &raft.Log{Index: log.Index, Term: log.Term, Type: log.Type, Data: sealed, Extensions: header}, name, nil
}

// open turns a stored entry back into Raft's and gives its own name and that of the entry before it.
func (c codec) open(stored, log *raft.Log) (name, prev link, err error) {
	header := stored.Extensions
	if len(header) != headerSize {
		return name, prev, fmt.Errorf("entry header has %d bytes instead of %d", len(header), headerSize)
	}
	if header[0] != entryFormat {
		return name, prev, fmt.Errorf("entry format %d is unknown", header[0])
	}
	if name, err = nameOf(stored.Data); err != nil {
		return name, prev, err
	}
	plain, err := c.keys.Open(logLabel, stored.Data, c.ad(stored, header))
	if err != nil {
		return name, prev, err
	}
	copy(prev[:], header[1:])
	sec := int64(binary.BigEndian.Uint64(header[17:]))
	nsec := int64(binary.BigEndian.Uint32(header[25:]))
	extensions := uint64(binary.BigEndian.Uint32(header[29:]))
	if extensions > uint64(len(plain)) {
		return name, prev, fmt.Errorf("extensions of %d bytes in %d", extensions, len(plain))
	}
	split := len(plain) - int(extensions)
	*log = raft.Log{
		Index: stored.Index, Term: stored.Term, Type: stored.Type,
		Data: nonEmpty(plain[:split:split]), Extensions: nonEmpty(plain[split:]),
		AppendedAt: time.Unix(sec, nsec).UTC(),
	}
	return name, prev, nil
}

// nameOf takes the authenticator from the end of sealed data.
func nameOf(sealed []byte) (name link, err error) {
	if len(sealed) < len(name) {
		return name, errShortSeal
	}
	copy(name[:], sealed[len(sealed)-len(name):])
	return name, nil
}

// nonEmpty maps an empty slice to nil, as Raft's own stores read it back.
func nonEmpty(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// appendString appends a string behind its length, so that two neighbours cannot be told apart differently.
func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}
