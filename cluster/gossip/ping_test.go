package gossip

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is a log to read while it is written.
type lines struct {
	mu  sync.Mutex // guards all
	all []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, p...)
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.all)
}

func TestPingReachesAMasterAndIsForgotten(t *testing.T) {
	key := make([]byte, 32)
	var said lines
	g, err := Start(Config{BindAddr: "127.0.0.1", Name: "m1", Logger: slog.New(slog.NewTextHandler(&said, nil)), Keys: [][]byte{key}, Meta: func() Meta { return Meta{ID: "m1"} }})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Shutdown()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(g.Port()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := Ping(ctx, [][]byte{key}, "m1", addr); err != nil {
		t.Errorf("ping: %v", err)
	}
	short, done := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer done()
	foreign := make([]byte, 32)
	foreign[0] = 1
	if _, err := Ping(short, [][]byte{foreign}, "m1", addr); err == nil {
		t.Error("a ping with another key is answered")
	}
	if err := Knock(ctx, addr); err != nil {
		t.Errorf("knock: %v", err)
	}
	conn, err := net.Dial("tcp", addr) // after it, a stranger whose line in the log says that the knock was seen
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(said.String(), "unacceptable label"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the stranger is not logged: %s", said.String())
		}
	}
	if n := strings.Count(said.String(), "stream"); n > 1 {
		t.Errorf("the knock is logged: %s", said.String())
	}
	if got := g.Members(); len(got) != 1 {
		t.Errorf("the master knows %v after the pings, want itself alone", got)
	}
}
