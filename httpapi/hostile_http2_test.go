package httpapi

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// busy is a server whose handlers take until the test ends, whatever the client does.
type busy struct {
	*httptest.Server
	running, most atomic.Int64
	release       chan struct{}
}

func newBusy(t *testing.T) *busy { return newBusyOf(t, maxShared) }

// newBusyOf is newBusy with that many requests under way beyond the first of each connection.
func newBusyOf(t *testing.T, limit int64) *busy {
	t.Helper()
	b := &busy{Server: httptest.NewUnstartedServer(nil), release: make(chan struct{})}
	work := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := b.running.Add(1)
		defer b.running.Add(-1)
		for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); most = b.most.Load() {
		}
		<-b.release
	})
	s := streams{limit: limit}
	b.Config = NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave, ok := s.enter(r)
		defer leave()
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		work(w, r)
	}), nil)
	b.TLS, b.EnableHTTP2 = NewTLSConfig(), true
	b.StartTLS()
	t.Cleanup(b.Close)
	t.Cleanup(sync.OnceFunc(func() { close(b.release) }))
	return b
}

// frames is a client of HTTP/2 that writes frame by frame.
type frames struct {
	t    *testing.T
	conn *tls.Conn
	*http2.Framer
	head bytes.Buffer
	hp   *hpack.Encoder
}

func (b *busy) frames(t *testing.T) *frames {
	t.Helper()
	f, err := b.connect(t)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// connect fails when the server hangs up before the client has said that it speaks HTTP/2.
func (b *busy) connect(t *testing.T) (*frames, error) {
	config := trusting(b.Server)
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", b.Listener.Addr().String(), config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	f := &frames{t: t, conn: conn, Framer: http2.NewFramer(conn, conn)}
	f.hp = hpack.NewEncoder(&f.head)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return nil, err
	}
	return f, f.WriteSettings()
}

// block is the header block of a GET, with further fields in pairs of name and value.
func (f *frames) block(more ...string) []byte {
	return f.fields(append([]string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/"}, more...)...)
}

// fields is the header block of fields in pairs of name and value.
func (f *frames) fields(fields ...string) []byte {
	f.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = f.hp.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(f.head.Bytes())
}

// reading reads what the server sends until it ends the connection, and gives every frame to see.
func (f *frames) reading(see func(http2.Frame)) (ended <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			if see != nil {
				see(frame)
			}
		}
	}()
	return done
}

// floods sends until the connection is ended by the server, and fails when that takes long. By time and not by frames: the
// server goes on reading for a second after it has said that it ends the connection.
func (f *frames) floods(send func(i int) error) {
	f.t.Helper()
	i := 0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); i++ {
		if err := send(i); err != nil {
			return
		}
	}
	f.t.Errorf("the connection still lives after %d frames", i)
}

func streamID(i int) uint32 { return uint32(2*i + 1) }

// Opening streams and resetting them at once (CVE-2023-44487) occupies no more handlers than streams are allowed, and ends
// the connection.
func TestHostileH27RapidResetsEndTheConnection(t *testing.T) {
	b := newBusy(t)
	f := b.frames(t)
	goAway := make(chan http2.ErrCode, 1)
	ended := f.reading(func(frame http2.Frame) {
		if g, ok := frame.(*http2.GoAwayFrame); ok && g.ErrCode != http2.ErrCodeNo {
			select {
			case goAway <- g.ErrCode:
			default:
			}
		}
	})
	f.floods(func(i int) error {
		select {
		case <-ended:
			return io.EOF
		default:
		}
		return errors.Join(f.WriteHeaders(http2.HeadersFrameParam{StreamID: streamID(i), BlockFragment: f.block(), EndStream: true, EndHeaders: true}),
			f.WriteRSTStream(streamID(i), http2.ErrCodeCancel))
	})
	if most := b.most.Load(); most > maxStreams {
		t.Errorf("%d handlers ran at once, want at most %d", most, maxStreams)
	}
	select {
	case code := <-goAway:
		if code != http2.ErrCodeEnhanceYourCalm {
			t.Errorf("the connection ended with %v", code)
		}
	case <-ended: // the reset of the connection overtook the reason
	}
}

// Headers that never end (CVE-2023-45288) end the connection.
func TestHostileH27EndlessHeadersEndTheConnection(t *testing.T) {
	b := newBusy(t)
	f := b.frames(t)
	ended := f.reading(nil)
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block(), EndStream: true}); err != nil {
		t.Fatal(err)
	}
	f.head.Reset()
	_ = f.hp.WriteField(hpack.HeaderField{Name: "x-filler", Value: strings.Repeat("v", 4096), Sensitive: true})
	filler := bytes.Clone(f.head.Bytes())
	f.floods(func(int) error {
		select {
		case <-ended:
			return io.EOF
		default:
			return f.WriteContinuation(1, false, filler)
		}
	})
	if n := b.most.Load(); n != 0 {
		t.Errorf("%d handlers ran", n)
	}
}

// Of ten thousand streams at once, a hundred are served and the others refused.
func TestHostileH27StreamsAreBounded(t *testing.T) {
	b := newBusy(t)
	f := b.frames(t)
	const all = 10_000
	var refused atomic.Int64
	ended := f.reading(func(frame http2.Frame) {
		if r, ok := frame.(*http2.RSTStreamFrame); ok && r.ErrCode == http2.ErrCodeRefusedStream {
			refused.Add(1)
		}
	})
	for i := range all {
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: streamID(i), BlockFragment: f.block(), EndStream: true, EndHeaders: true}); err != nil {
			break // hung up on, which is as good
		}
	}
	deadline := time.After(20 * time.Second)
	for refused.Load() < all-maxStreams {
		select {
		case <-ended:
		case <-deadline:
			t.Fatalf("%d of %d streams refused", refused.Load(), all)
		case <-time.After(5 * time.Millisecond):
			continue
		}
		break
	}
	if most := b.most.Load(); most > maxStreams {
		t.Errorf("%d handlers ran at once, want at most %d", most, maxStreams)
	}
}

// Other connections do not wait for one that has all its streams busy.
func TestHostileH27OneConnectionDoesNotStarveOthers(t *testing.T) {
	bed := newBedOver(t, overHTTP2, 1)
	m := bed.members[0]
	b := &busy{Server: m.api}
	for range 3 {
		f := b.frames(t)
		f.reading(nil)
		for i := range 1000 {
			if f.WriteHeaders(http2.HeadersFrameParam{StreamID: streamID(i), BlockFragment: f.block("x-a", "b"), EndStream: i%2 == 0, EndHeaders: true}) != nil {
				break
			}
		}
	}
	expect(t, "another connection", m.call("GET", "/acs/api/v1/users/alice", "alice", ""), 200)
}

// What all connections have under way together is bounded, and however much others have, a connection is served.
func TestHostileH27StreamsOfAllConnectionsAreBounded(t *testing.T) {
	const limit = 150
	b := newBusyOf(t, limit)
	others := make([]*frames, 3)
	for c := range others {
		others[c] = b.frames(t)
		others[c].reading(nil)
		for i := range maxStreams {
			if err := others[c].WriteHeaders(http2.HeadersFrameParam{StreamID: streamID(i), BlockFragment: others[c].block(), EndHeaders: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	waitFor(t, func() bool { return b.running.Load() == limit+int64(len(others)) })
	f := b.frames(t)
	refused := make(chan string, 1)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.reading(func(frame http2.Frame) {
		if h, ok := frame.(*http2.MetaHeadersFrame); ok {
			refused <- h.PseudoValue("status")
		}
	})
	for i := range 2 {
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: streamID(i), BlockFragment: f.block(), EndStream: true, EndHeaders: true}); err != nil {
			t.Fatal(err)
		}
	}
	if status := <-refused; status != "503" {
		t.Errorf("a second stream is answered with %s", status)
	}
	if now, most := b.running.Load(), b.most.Load(); now != limit+int64(len(others))+1 || most != now {
		t.Errorf("%d requests under way, and %d at most, want %d", now, most, limit+len(others)+1)
	}
}

// Over HTTP/2 there is nothing to upgrade to (hostile H28): a WebSocket by extended CONNECT (RFC 8441) is refused, and so are
// the headers of HTTP/1.1 upgrades; and a malformed request costs its stream, not the server.
func TestHostileH28NothingIsUpgradedOverHTTP2(t *testing.T) {
	bed := newBedOver(t, overHTTP2, 1)
	for name, fields := range map[string][]string{
		"extended CONNECT": {":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "x", ":path", "/acs/api/v1/users"},
		"upgrade":          {":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/acs/api/v1/auth/jwks", "connection", "upgrade", "upgrade", "websocket"},
		"upper case":       {":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/acs/api/v1/auth/jwks", "X-A", "b"},
		"two paths":        {":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/", ":path", "/acs/api/v1/auth/jwks"},
		"no path":          {":method", "GET", ":scheme", "https", ":authority", "x"},
		"chunked":          {":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/acs/api/v1/auth/jwks", "transfer-encoding", "chunked"},
	} {
		t.Run(name, func(t *testing.T) {
			f := (&busy{Server: bed.members[0].api}).frames(t)
			f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.fields(fields...), EndStream: true, EndHeaders: true}); err != nil {
				t.Fatal(err)
			}
			for {
				frame, err := f.ReadFrame()
				if err != nil {
					return // hung up on
				}
				switch frame := frame.(type) {
				case *http2.RSTStreamFrame, *http2.GoAwayFrame:
					return
				case *http2.MetaHeadersFrame:
					if status := frame.PseudoValue("status"); status < "400" {
						t.Errorf("answered with %s", status)
					}
					return
				}
			}
		})
	}
	if got := bed.members[0].call("GET", "/acs/api/v1/auth/jwks", "", ""); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
}
