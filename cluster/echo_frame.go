package cluster

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The echo protocol. A question is a version byte and a number; the answer repeats the number:
//
//	question: version(1) number(8)
//	answer:   version(1) length(2) number(8) flags(1) term(8) [index(8) clock(8) count(1) {length(1) id}…]
//
// The part in brackets is there when the answerer leads. All numbers are big-endian.
const (
	echoVersion     = 1
	echoQuestionLen = 9
	echoHeadLen     = 3
	echoFixedLen    = 17
	echoLeaderLen   = 17
	maxEchoAnswer   = 4096
)

const (
	flagReady  = 1 << iota // Raft runs, so that the term is what this server is bound to
	flagLeader             // it leads, and its BeginTerm entry is applied
)

// answer is what one server said about itself at one moment.
type answer struct {
	ready  bool // without it nothing else counts
	term   uint64
	leader bool
	// of a leader:
	index  uint64    // commit index
	clock  time.Time // its clock
	voters []string  // of its newest configuration
}

func appendQuestion(b []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, echoVersion), number)
}

func readQuestion(r *bufio.Reader) (number uint64, err error) {
	var b [echoQuestionLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, err
	}
	if b[0] != echoVersion {
		return 0, fmt.Errorf("echo version %d", b[0])
	}
	return binary.BigEndian.Uint64(b[1:]), nil
}

func appendAnswer(b []byte, number uint64, a answer) []byte {
	start := len(b)
	b = append(b, echoVersion, 0, 0)
	b = binary.BigEndian.AppendUint64(b, number)
	b = append(b, a.flags())
	b = binary.BigEndian.AppendUint64(b, a.term)
	if a.leader {
		b = binary.BigEndian.AppendUint64(b, a.index)
		b = binary.BigEndian.AppendUint64(b, uint64(a.clock.UnixNano()))
		b = append(b, byte(len(a.voters)))
		for _, id := range a.voters {
			b = append(append(b, byte(len(id))), id...)
		}
	}
	binary.BigEndian.PutUint16(b[start+1:], uint16(len(b)-start-echoHeadLen))
	return b
}

func (a answer) flags() (f byte) {
	if a.ready {
		f |= flagReady
	}
	if a.leader {
		f |= flagLeader
	}
	return f
}

// readAnswer reads one answer; buf is reused between calls.
func readAnswer(r *bufio.Reader, buf []byte) (number uint64, a answer, err error) {
	head := buf[:echoHeadLen]
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, a, err
	}
	n := int(binary.BigEndian.Uint16(head[1:]))
	if head[0] != echoVersion || n < echoFixedLen || n > maxEchoAnswer {
		return 0, a, errors.New("malformed echo answer")
	}
	body := buf[:n]
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, a, err
	}
	return parseAnswer(body)
}

func parseAnswer(b []byte) (number uint64, a answer, err error) {
	number = binary.BigEndian.Uint64(b)
	a.ready, a.leader = b[8]&flagReady != 0, b[8]&flagLeader != 0
	a.term = binary.BigEndian.Uint64(b[9:])
	b = b[echoFixedLen:]
	if !a.leader {
		return number, a, nil
	}
	if len(b) < echoLeaderLen {
		return 0, a, errors.New("malformed echo answer")
	}
	a.index = binary.BigEndian.Uint64(b)
	a.clock = time.Unix(0, int64(binary.BigEndian.Uint64(b[8:])))
	a.voters, err = parseIDs(b[16], b[echoLeaderLen:])
	return number, a, err
}

func parseIDs(count byte, b []byte) ([]string, error) {
	ids := make([]string, 0, count)
	for range count {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return nil, errors.New("malformed echo answer")
		}
		end := 1 + int(b[0])
		ids = append(ids, string(b[1:end]))
		b = b[end:]
	}
	if len(b) > 0 {
		return nil, errors.New("malformed echo answer")
	}
	return ids, nil
}
