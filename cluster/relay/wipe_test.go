package relay

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const share = "a share of a key"

// kept is a connection that notes in which memory what it writes lies, and breaks with the second write.
type kept struct {
	net.Conn
	buffers [][]byte
	wrote   chan struct{}
}

func (k *kept) SetWriteDeadline(time.Time) error { return nil }

func (k *kept) Write(b []byte) (int, error) {
	k.buffers = append(k.buffers, b)
	if len(k.buffers) > 1 {
		return 0, net.ErrClosed
	}
	close(k.wrote)
	return len(b), nil
}

func TestAFrameIsOverwrittenOnceItIsWritten(t *testing.T) {
	conn := &kept{wrote: make(chan struct{})}
	o := newOutbox(conn)
	add := func(more int) []byte {
		t.Helper()
		if err := o.put(func(b []byte) []byte { return append(append(b, share...), make([]byte, more)...) }); err != nil {
			t.Fatal(err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.pending
	}
	first := add(0)
	if add(1 << 20); bytes.Contains(first, []byte(share)) {
		t.Error("the buffer that was too small keeps a frame")
	}
	ended := make(chan error, 1)
	go func() { ended <- o.run() }()
	<-conn.wrote
	add(0)
	<-ended
	for _, b := range conn.buffers {
		if bytes.Contains(b, []byte(share)) {
			t.Error("a frame that was written is still there")
		}
	}
}

func TestAReadFrameLeavesNothingInTheReader(t *testing.T) {
	for _, size := range []int{0, 100, readBuffer, 5 << 20} {
		body := append(bytes.Repeat([]byte{'x'}, size), share...)
		sent := frame(nil, kindRequest, len(body), func(b []byte) []byte { return append(b, body...) })
		buffer := &held{Reader: bytes.NewReader(sent)}
		kind, content, err := readFrame(bufio.NewReaderSize(buffer, readBuffer))
		if err != nil || kind != kindRequest || !bytes.Equal(content, body) {
			t.Fatalf("%d bytes: got kind %d and %d bytes (%v)", size, kind, len(content), err)
		}
		for _, b := range buffer.seen {
			if bytes.Contains(b, []byte(share)) && !within(b, content) {
				t.Errorf("%d bytes: the reader's buffer keeps the frame", size)
			}
		}
	}
}

// held is a source that notes into which memory it was read.
type held struct {
	io.Reader
	seen [][]byte
}

func (h *held) Read(b []byte) (int, error) {
	h.seen = append(h.seen, b)
	return h.Reader.Read(b)
}

// within reports whether b is a part of whole.
func within(b, whole []byte) bool {
	for i := range whole {
		if &whole[i] == &b[0] {
			return true
		}
	}
	return false
}

func TestRequestAndAnswerAreOverwrittenOnceTheyAreThrough(t *testing.T) {
	body := strings.Repeat("x", 100) + share
	var seen []byte
	s := &server{ctx: t.Context(), prepare: func(*http.Request) {}, out: newOutbox(nil), handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		seen = w.(*answer).body
	})}
	content := appendRequest(nil, 1, post(t, t.Context(), ""), []byte(body))[5:]
	s.serve(content)
	if bytes.Contains(content, []byte(share)) || bytes.Contains(seen, []byte(share)) {
		t.Error("request or answer is still there after it was handed on")
	}
	if !bytes.Contains(s.out.pending, []byte(share)) {
		t.Error("the answer is not on its way")
	}
	c := &Client{waiting: map[uint64]chan<- *http.Response{}}
	came := make(chan *http.Response, 1)
	c.waiting[1] = came
	answered := bytes.Clone(s.out.pending[5:])
	if err := c.answered(answered); err != nil {
		t.Fatal(err)
	}
	resp := <-came
	if got, _ := io.ReadAll(resp.Body); string(got) != body {
		t.Errorf("got %q", got)
	}
	if resp.Body.Close(); bytes.Contains(answered, []byte(share)) {
		t.Error("an answer that was read and closed is still there")
	}
	if err := c.answered(answered); err != nil { // nobody waits for it
		t.Fatal(err)
	}
}
