package gossip

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// stranger opens a stream as somebody who knows the protocol and not the key.
func stranger(t *testing.T, g *Gossip) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", g.list.LocalNode().Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(2 * time.Second)) // memberlist itself gives up after three
	if _, err := conn.Write(append([]byte{244, byte(len(label))}, label...)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func closed(conn net.Conn) bool {
	_, err := io.Copy(io.Discard, conn) // memberlist says why it gives up
	timeout, ok := err.(net.Error)
	return !ok || !timeout.Timeout()
}

// Before it has proved that it has the key, a stream is read no further than a real one could go.
func TestStrangersStreamIsBounded(t *testing.T) {
	conn := stranger(t, start(t, "a", 1, Meta{}))
	announced := binary.BigEndian.AppendUint32([]byte{10}, 20<<20) // an encrypted message of 20 MiB
	if _, err := conn.Write(append(announced, make([]byte, maxStream)...)); err != nil {
		t.Fatal(err)
	}
	if !closed(conn) {
		t.Error("the stream is still read")
	}
}

func TestOldestOfTooManyStreamsGivesWay(t *testing.T) {
	g := start(t, "a", 1, Meta{})
	oldest := stranger(t, g)
	for range maxStreams {
		stranger(t, g)
	}
	if !closed(oldest) {
		t.Error("the oldest stream is still open")
	}
	if err := join(t, start(t, "b", 1, Meta{}), g); err != nil {
		t.Errorf("a master cannot join: %v", err)
	}
}
