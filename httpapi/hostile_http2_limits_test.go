package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// What becomes of a stream, beside the status of its answer.
const (
	streamReset = "reset"
	connClosed  = "closed"
	stillOpen   = "still open"
)

// fates reads what the server sends. What it returns waits for what next becomes of the first stream.
func (f *frames) fates() (next func() string) {
	seen := make(chan string)
	say := func(what string) {
		select {
		case seen <- what:
		case <-f.t.Context().Done():
		}
	}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	go func() {
		defer close(seen)
		for {
			frame, err := f.ReadFrame()
			if timedOut(err) {
				say(stillOpen)
			}
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.MetaHeadersFrame:
				say(frame.PseudoValue("status"))
			case *http2.RSTStreamFrame:
				say(streamReset)
			case *http2.GoAwayFrame:
				if frame.ErrCode != http2.ErrCodeNo {
					return // and the connection is closed a second later
				}
			}
		}
	}()
	return func() string {
		if what, ok := <-seen; ok {
			return what
		}
		return connClosed
	}
}

// ended waits for the end of the connection.
func ended(t *testing.T, what string, next func() string) {
	t.Helper()
	for {
		switch next() {
		case connClosed:
			return
		case stillOpen:
			t.Errorf("%s: the connection stays open", what)
			return
		}
	}
}

// put begins a request to create bob.
func (f *frames) put(more ...string) error {
	_, token, _ := strings.Cut(authorized(), ": ")
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: f.fields(append([]string{
		":method", "PUT", ":scheme", "https", ":authority", "x", ":path", target, "authorization", token, "content-type", "application/json"}, more...)...)})
}

// Hostile H8 over HTTP/2. Who keeps to the windows of flow control gets the answer: the server reads on what is sent until then.
func largeBodiesOverHTTP2(t *testing.T, b *bed) {
	m := b.members[1]
	forwarded, handled := m.calls.Load(), b.members[0].handled.Load()
	server := &busy{Server: m.api}
	all := map[string]func() string{}
	for name, send := range map[string]func(f *frames) error{
		"announced": func(f *frames) error { return f.put("content-length", "99999999") },
		"not announced": func(f *frames) error {
			if err := f.put(); err != nil {
				return err
			}
			return f.WriteData(1, false, make([]byte, 8<<10))
		},
	} {
		f := server.frames(t)
		all[name] = f.fates()
		if err := send(f); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := all[name](); got != "413" {
			t.Errorf("%s: %s, want 413", name, got)
		}
	}
	for name, next := range all {
		ended(t, name, next)
	}
	endlessOverHTTP2(t, server)
	unchanged(t, b)
	if n, ran := m.calls.Load()-forwarded, b.members[0].handled.Load()-handled; n != 0 || ran != 0 {
		t.Errorf("%d requests were forwarded, %d handled", n, ran)
	}
	expect(t, "another client", m.call("GET", "/acs/api/v1/users/alice", "alice", ""), 200)
}

// endlessOverHTTP2 sends a body without end and without regard to flow control, which breaks the protocol and may cost the
// stream or the connection before there is an answer.
func endlessOverHTTP2(t *testing.T, server *busy) {
	t.Helper()
	f := server.frames(t)
	next := f.fates()
	if err := f.put(); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for part := make([]byte, 4<<10); f.WriteData(1, false, part) == nil; {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	if got := next(); !slices.Contains([]string{"413", streamReset, connClosed}, got) {
		t.Errorf("without end: %s", got)
	}
	close(stop)
	f.conn.Close() // frees a writer that the server does not read from
	<-stopped
}

// Hostile H26 over HTTP/2, where a header block that is far too large ends the connection: what comes after it could not be
// decoded without it.
func headersOverHTTP2(t *testing.T, b *bed) {
	m := b.members[0]
	handled := m.handled.Load()
	heads := largeHeads()
	heads["100 KiB target"] = []string{authorized(), ":path: /" + strings.Repeat("a", 100<<10)}
	for name, lines := range heads {
		f := (&busy{Server: m.api}).frames(t)
		next := f.fates()
		fields := []string{":method", "GET", ":scheme", "https", ":authority", "x"}
		path := "/acs/api/v1/users"
		for _, line := range lines {
			if field, value, _ := strings.Cut(line, ": "); field == ":path" {
				path = value
			} else {
				fields = append(fields, strings.ToLower(field), value)
			}
		}
		fields = slices.Insert(fields, 6, ":path", path)
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.fields(fields...), EndStream: true, EndHeaders: true}) // hung up on meanwhile is as good
		if got := next(); !slices.Contains([]string{"431", "414", streamReset, connClosed}, got) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if ran := m.handled.Load() - handled; ran != 0 {
		t.Errorf("%d requests were handled", ran)
	}
	headersBelowTheLimit(t, m)
}

// Hostile H9 over HTTP/2: the limits against those who send or read slowly. A stream whose body does not come or whose answer is
// not taken, and a connection without a stream, end by the limits of HTTP/1.1.
func slownessOverHTTP2(t *testing.T, b *bed) {
	limits := b.members[0].api.Config
	h2 := limits.HTTP2
	if h2 == nil || h2.MaxConcurrentStreams != maxStreams || h2.SendPingTimeout == 0 || h2.PingTimeout == 0 || h2.WriteByteTimeout == 0 {
		t.Errorf("limits: %+v", h2)
	}
	if !limits.Protocols.HTTP2() || limits.Protocols.UnencryptedHTTP2() {
		t.Errorf("protocols: %v", limits.Protocols)
	}
	slow := newBedOver(t, b.over, 1).members[0]
	stuck := slow.limit(func(s *http.Server) {
		s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = time.Second, time.Second, time.Second, time.Second
	})
	all := map[string]func() string{}
	begin := func(name string, send func(*frames)) {
		f, err := (&busy{Server: slow.api}).connect(t)
		if err != nil {
			return // on a busy machine the server may have hung up already
		}
		all[name] = f.fates()
		send(f)
	}
	begin("no stream", func(*frames) {})
	begin("half a head", func(f *frames) {
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block()})
	})
	begin("half a body", func(f *frames) { _ = f.put("content-length", "100") })
	slow.serves(t)
	stuck(t, func() {
		begin("slow reader", func(f *frames) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true,
				BlockFragment: f.fields(":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/endless")})
		})
	})
	for name, next := range all {
		ended(t, name, next)
	}
	if _, ok := slow.State().User("bob"); ok {
		t.Error("half a body created the user")
	}
}
