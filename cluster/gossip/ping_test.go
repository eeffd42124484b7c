package gossip

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"
)

func TestPingReachesAMasterAndIsForgotten(t *testing.T) {
	key := make([]byte, 32)
	g, err := Start(Config{BindAddr: "127.0.0.1", Name: "m1", Keys: [][]byte{key}, Meta: func() Meta { return Meta{ID: "m1"} }})
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
	if got := g.Members(); len(got) != 1 {
		t.Errorf("the master knows %v after the pings, want itself alone", got)
	}
}
