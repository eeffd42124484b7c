package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

var discard = slog.New(slog.DiscardHandler)

func TestRaftLogShowsWhatIsHarmlessAndHidesTheRest(t *testing.T) {
	var out bytes.Buffer
	l := newRaftLogger(slog.New(slog.NewTextHandler(&out, nil)))
	entry := &raft.Log{Index: 3, Data: []byte("canary")}
	l.With("id", "x").Error("Got Something", "command", hclog.Fmt("%#v", entry), "entry", entry, "data", entry.Data,
		"servers", hclog.Fmt("%+v", []raft.Server{{ID: "abc"}}), "peer", raft.Server{ID: "def", Address: "ghi"}, "error", errors.New("broken"), "term", uint64(4), "time", time.Second)
	got := out.String()
	for _, want := range []string{`msg="raft: got Something"`, "level=ERROR", "id=x", "command=[redacted]", "entry=[*raft.Log]", "ID:abc", "peer=def", "error=broken", "term=4", "raft_time=1s"} {
		if !strings.Contains(got, want) {
			t.Errorf("record lacks %s: %s", want, got)
		}
	}
	if strings.Contains(got, "canary") || strings.Contains(got, "99 97") {
		t.Errorf("an entry is in the log: %s", got)
	}
}

func TestRaftErrorsAreThoseOfThisMaster(t *testing.T) {
	var out bytes.Buffer
	l := newRaftLogger(slog.New(slog.NewTextHandler(&out, nil)))
	closed := fmt.Errorf("read: %w", net.ErrClosed)
	for _, c := range []struct {
		msg  string
		err  error
		want string // "" is below INFO
	}{
		{"failed to appendEntries to", io.EOF, "level=WARN"},
		{"failed to decode incoming command", io.ErrUnexpectedEOF, "level=WARN"},
		{"failed to decode incoming command", closed, ""},
		{"peer has newer term, stopping replication", nil, "level=INFO"},
		{"failed to commit logs", io.EOF, "level=ERROR"},
	} {
		out.Reset()
		l.Error(c.msg, "error", c.err)
		if got := out.String(); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s (%v) is logged as %q, want %s", c.msg, c.err, got, c.want)
		}
	}
	out.Reset()
	if l.Debug("appendEntries rejected, sending older logs"); out.Len() > 0 {
		t.Errorf("the table raised a level: %s", out.String())
	}
}

func TestRefusedPeersDoNotFillTheLog(t *testing.T) {
	var out bytes.Buffer
	p := &port{log: slog.New(slog.NewTextHandler(&out, nil)), refusals: newRepeatLimit(refusedBurst, refusedWindow)}
	for range 100 {
		p.tellRefused(&net.TCPAddr{}, peerName{server: "removed"}, errors.New("server was removed"))
		p.tellRefused(&net.TCPAddr{}, peerName{}, errors.New("no certificate"))
	}
	if got := strings.Count(out.String(), "server was removed"); got != refusedBurst {
		t.Errorf("%d of 100 refusals of one peer were logged, want %d", got, refusedBurst)
	}
	if got := strings.Count(out.String(), "no certificate"); got != refusedBurst {
		t.Errorf("%d of 100 refusals of strangers were logged, want %d", got, refusedBurst)
	}
}

func TestRepeatedMessagesAreThinnedOutAndCounted(t *testing.T) {
	l := newRepeatLimit(repeatBurst, repeatWindow)
	now, logged := time.Unix(0, 0), 0
	for range 1000 { // 20 s
		if skipped, ok := l.admit("again", now); ok {
			logged++
			if now.Sub(time.Unix(0, 0)) == repeatWindow && skipped != 497 {
				t.Errorf("%d messages were counted, want 497", skipped)
			}
		}
		now = now.Add(20 * time.Millisecond)
	}
	if logged != 6 {
		t.Errorf("%d of 1000 equal messages in 20 s were logged, want 6", logged)
	}
	if _, ok := l.admit("another", now); !ok {
		t.Error("another message was dropped")
	}
}
