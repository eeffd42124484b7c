package cluster

import (
	"bufio"
	"context"
	"net"
	"slices"
	"time"
)

// link is the persistent connection on which one server is asked. Its fields are guarded by echo.mu.
type link struct {
	id      string
	conn    net.Conn // nil while down
	dialing bool
	retryAt time.Time     // no dial before
	pause   time.Duration // between dials
	open    uint64        // number of the question that awaits its answer; 0: none
	askedAt time.Time
	rtt     time.Duration // smoothed
	number  uint64        // of the newest answered question
	answer  answer
}

const (
	echoDialPauseMin = 20 * time.Millisecond
	echoDialPauseMax = time.Second
)

// idle reports whether a question can be asked now. A hung server has one open and is not asked again: its answer, if
// it ever comes, says how it is then.
func (l *link) idle() bool { return l != nil && l.conn != nil && l.open == 0 }

// drop closes the connection; the reader notices.
func (l *link) drop() {
	if l.conn != nil {
		l.conn.Close()
	}
	l.conn, l.open = nil, 0
}

// link returns the link to a server, which may be down. The caller holds mu.
func (e *echo) link(id string) *link {
	l := e.links[id]
	if l == nil {
		l = &link{id: id}
		e.links[id] = l
	}
	return l
}

// warm dials the servers that are not connected, and those that have not answered for long. The caller holds mu.
func (e *echo) warm(ids []string, now time.Time) {
	for _, id := range ids {
		if id == e.self || e.closed {
			continue
		}
		l := e.link(id)
		if l.open != 0 && now.Sub(l.askedAt) > echoHung {
			l.drop()
		}
		if l.conn == nil && !l.dialing && !now.Before(l.retryAt) {
			l.dialing = true
			e.wg.Go(func() { e.connect(l) })
		}
	}
}

// connect dials and then reads answers until the connection ends.
func (e *echo) connect(l *link) {
	ctx, cancel := context.WithTimeout(e.ctx, echoDialTime)
	conn, err := e.dial(ctx, l.id)
	cancel()
	if !e.connected(l, conn, err) {
		return
	}
	r := bufio.NewReaderSize(conn, 512)
	buf := make([]byte, maxEchoAnswer)
	for {
		number, a, err := readAnswer(r, buf)
		if err != nil {
			e.disconnected(l, conn)
			return
		}
		e.answered(l, number, a)
	}
}

// connected puts a new connection to use, at once if a round waits for it.
func (e *echo) connected(l *link, conn net.Conn, err error) bool {
	var out sends
	e.mu.Lock()
	defer func() { e.mu.Unlock(); out.flush() }()
	now := time.Now()
	l.dialing = false
	if err != nil {
		l.pause = min(max(2*l.pause, echoDialPauseMin), echoDialPauseMax)
		l.retryAt = now.Add(l.pause)
		return false
	}
	if e.closed {
		conn.Close()
		return false
	}
	l.conn, l.open, l.pause = conn, 0, 0
	if e.current != nil && e.current.wide {
		e.ask(l, now, &out)
	}
	return true
}

func (e *echo) disconnected(l *link, conn net.Conn) {
	conn.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.conn == conn {
		l.conn, l.open = nil, 0
	}
}

// keepWarm connects ahead of need and forgets servers that are no longer voters.
func (e *echo) keepWarm() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	e.refresh(now)
	e.warm(e.voters, now)
	for id, l := range e.links {
		if id != e.leader && !slices.Contains(e.voters, id) && e.current == nil && !l.dialing {
			l.drop()
			delete(e.links, id)
		}
	}
}

// sends collects questions while mu is held, to be written after it is released. A question is far smaller than any
// socket buffer and at most one per link is open, so that a write does not wait for the peer.
type sends struct {
	n     int
	few   [4]question
	spill []question
}

type question struct {
	conn   net.Conn
	number uint64
}

func (s *sends) add(c net.Conn, number uint64) {
	if s.n < len(s.few) {
		s.few[s.n] = question{c, number}
	} else {
		s.spill = append(s.spill, question{c, number})
	}
	s.n++
}

// flush writes the questions. A failed write ends the connection, which its reader then reports.
func (s *sends) flush() {
	for _, q := range s.few[:min(s.n, len(s.few))] {
		q.write()
	}
	for _, q := range s.spill {
		q.write()
	}
}

func (q question) write() {
	var b [echoQuestionLen]byte
	if _, err := q.conn.Write(appendQuestion(b[:0], q.number)); err != nil {
		q.conn.Close()
	}
}

// serveEcho answers the questions on one connection until it ends.
func serveEcho(conn net.Conn, own func() answer) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64)
	out := make([]byte, 0, 512)
	for {
		number, err := readQuestion(r)
		if err != nil {
			return
		}
		out = appendAnswer(out[:0], number, own())
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// termOf is the highest term that a server is known to have been in. It had stored it before it said so.
func (e *echo) termOf(id string) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.links[id]; l != nil {
		return l.answer.term
	}
	return 0
}
