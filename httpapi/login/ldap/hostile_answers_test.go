package ldap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestHostileAnswers is about a directory that means harm, or is broken.
func TestHostileAnswers(t *testing.T) {
	send := func(chunks ...[]byte) func(net.Conn, int64) {
		return func(c net.Conn, _ int64) {
			for _, chunk := range chunks {
				if _, err := c.Write(chunk); err != nil {
					return
				}
			}
		}
	}
	endless := func(c net.Conn, id int64) {
		e := message(id, entryPacket(person("alice", "description", strings.Repeat("x", 100<<10)))).Bytes()
		for {
			if _, err := c.Write(e); err != nil {
				return
			}
		}
	}
	t.Run("D8", func(t *testing.T) {
		for name, raw := range map[string]func(net.Conn, int64){
			"abrupt close":        send(),
			"half a message":      send([]byte("\x30\x84\x00\x00\x00\x20\x02\x01")),
			"1 GiB announced":     send([]byte("\x30\x84\x40\x00\x00\x00\x02\x01\x01"), bytes.Repeat([]byte("x"), 1<<16)),
			"deep":                send(nested(5000).Bytes()),
			"small elements":      send(flat(100_000).Bytes()),
			"no LDAP":             send([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")),
			"endless":             endless,
			"empty message":       send([]byte("\x30\x00"), []byte("\x30\x03\x02\x01\x03"), []byte("\x30\x05\x02\x01\x03\x64\x00")),
			"nothing but its id":  func(c net.Conn, id int64) { _, _ = c.Write([]byte{0x30, 3, 2, 1, byte(id)}) },
			"an entry of nothing": func(c net.Conn, id int64) { _, _ = c.Write([]byte{0x30, 5, 2, 1, byte(id), 0x64, 0}) },
			"a result of nothing": func(c net.Conn, id int64) { _, _ = c.Write([]byte{0x30, 5, 2, 1, byte(id), 0x65, 0}) },
			"an unknown answer":   func(c net.Conn, id int64) { _, _ = c.Write([]byte{0x30, 5, 2, 1, byte(id), 0x7e, 0}) },
			"attributes of null":  func(c net.Conn, id int64) { _, _ = c.Write([]byte{0x30, 9, 2, 1, byte(id), 0x64, 4, 4, 0, 5, 0}) },
		} {
			d := &directory{onSearch: func(search) answer { return answer{raw: raw} }}
			c := newClient(t, io.Discard)
			e, err := c.Authenticate(t.Context(), d.serve(t).config(), "alice", "x")
			if e.DN != "" || !unreachable(err) && !errors.Is(err, ErrInvalidCredentials) {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
			if binds, _ := d.asked(); len(binds) != 0 {
				t.Errorf("%s: %v was bound", name, binds)
			}
			if len(c.searches.idle) != 0 {
				t.Errorf("%s: the connection is kept", name)
			}
		}
	})
	t.Run("D8 beside others", func(t *testing.T) { // who waits for an answer keeps nobody else from getting one
		d := holding(person("alice"), person("bob"))
		find := d.onSearch
		d.onSearch = func(s search) answer {
			if strings.Contains(s.filter, "alice") {
				return answer{raw: func(c net.Conn, _ int64) { _, _ = io.Copy(io.Discard, c) }}
			}
			return find(s)
		}
		cfg := d.serve(t).config()
		c := newClient(t, io.Discard)
		ctx, cancel := context.WithCancel(t.Context())
		var slow sync.WaitGroup
		for range cap(c.searches.slots) - 1 {
			slow.Go(func() {
				if _, err := c.Authenticate(ctx, cfg, "alice", "x"); !unreachable(err) {
					t.Errorf("without an answer: %v", err)
				}
			})
		}
		await(t, "slow logins", func() bool { _, searches := d.asked(); return len(searches) >= cap(c.searches.slots)-1 })
		if _, err := c.Authenticate(t.Context(), cfg, "bob", "password of bob"); err != nil {
			t.Errorf("beside them: %v", err)
		}
		cancel()
		slow.Wait()
	})
	t.Run("D8 in a bind", func(t *testing.T) {
		for _, reply := range []string{"", "\x30\x84\x40\x00\x00\x00\x02\x01\x01", "\x30\x05\x02\x01\x01\x61\x00", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04"} {
			port := serve(t, func(conn *net.TCPConn) {
				_, _ = conn.Read(make([]byte, 100))
				_, _ = conn.Write([]byte(reply))
			})
			cfg := &Config{Host: "127.0.0.1", Port: port, DNTemplate: "uid=%(username)s," + people}
			if _, err := newClient(t, io.Discard).Authenticate(t.Context(), cfg, "alice", "x"); !unreachable(err) {
				t.Errorf("%q: %v", reply, err)
			}
		}
	})
}

// serve gives every connection to talk, until the end of the test, and answers the port.
func serve(t *testing.T, talk func(*net.TCPConn)) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				talk(conn.(*net.TCPConn))
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

// TestHostileSilence is about a directory that takes connections and never says a word. Its time is not ours.
func TestHostileSilence(t *testing.T) {
	t.Run("D8", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var open sync.WaitGroup
			c := New(Options{Logger: slog.New(slog.DiscardHandler), Dial: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				open.Go(func() { _, _ = io.Copy(io.Discard, theirs) })
				return ours, nil
			}})
			enforced := &Config{Host: "x", Port: 389, EnforceStartTLS: true, DNTemplate: "uid=%(username)s," + people}
			plain, ldaps := *enforced, *enforced
			plain.EnforceStartTLS, plain.Version, ldaps.LDAPS, ldaps.Version = false, 1, true, 2
			for _, cfg := range []*Config{enforced, &plain, &ldaps} {
				start := time.Now()
				if _, err := c.Authenticate(t.Context(), cfg, "alice", "x"); !unreachable(err) || !timedOut(err) {
					t.Errorf("login: %v, want a time-out", err)
				}
				if r := c.Probe(t.Context(), cfg, "alice", "x"); r.OK || !strings.HasSuffix(r.Description, ": timed out") {
					t.Errorf("probe: %+v, want a time-out", r)
				}
				if took := time.Since(start); took != 2*loginTime {
					t.Errorf("both took %v, want %v", took, 2*loginTime)
				}
			}
			start := time.Now()
			var waiting sync.WaitGroup
			var busy atomic.Int32
			for range 3 * MaxConnections {
				waiting.Go(func() {
					if _, err := c.Authenticate(t.Context(), enforced, "alice", "x"); errors.Is(err, ErrBusy) {
						busy.Add(1)
					}
				})
			}
			waiting.Wait()
			if n, took := int(busy.Load()), time.Since(start); n != 3*MaxConnections-MaxConnections/2 || took != loginTime {
				t.Errorf("%d logins found no connection after %v; all were answered after %v, want %v", n, maxWait, took, loginTime)
			}
			c.Close()
			open.Wait()
		})
	})
}
