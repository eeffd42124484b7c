package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/auditapi"
)

const (
	// tellEvery is how often all masters are told how far the audit trail has come, if it has; at once when a file ended.
	tellEvery = time.Minute
	tellPoll  = time.Second
	// tellPatience bounds one attempt.
	tellPatience = 10 * time.Second
	// lastTellPatience bounds the end of the trail: masters that are stopped together find no leader any more.
	lastTellPatience = 1500 * time.Millisecond
	// headsLevel is the level from which a cluster keeps heads.
	headsLevel = 2
)

// auditTeller tells all masters, through the log, how far the audit trail of this one has come and what it hashes to. What they
// know, whoever gets hold of this master cannot make undone. An idle master tells nothing.
type auditTeller struct {
	log    *audit.Log
	master string
	admin  http.Handler // forwards to the leader
	level  func() int
	logger *slog.Logger

	mu      sync.Mutex   // guards the rest
	told    uint64       // number of the newest record that was told
	rotated []audit.Head // ends of files that are not told yet
	next    time.Time    // when to tell again
	failed  bool         // the last attempt did
}

func (m *master) newTeller() *auditTeller {
	t := &auditTeller{log: m.audit, master: m.node.ID(), level: func() int { return m.machine.State().Meta().Level }, logger: m.log}
	t.admin = m.server.Admin()
	return t
}

// run tells until ctx ends.
func (t *auditTeller) run(ctx context.Context) error {
	if t.log == nil || !t.log.Chained() {
		return nil
	}
	t.next = time.Now().Add(tellEvery)
	poll := time.NewTicker(tellPoll)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			t.tick(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (t *auditTeller) tick(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rotated = append(t.rotated, t.log.TakeRotated()...)
	if now := time.Now(); now.After(t.next) || len(t.rotated) > 0 && !t.failed {
		t.next = now.Add(tellEvery)
		t.tell(ctx)
	}
}

// tell tells of the newest record that is on the disk, and of the files that have ended.
func (t *auditTeller) tell(ctx context.Context) {
	heads := t.heads()
	if len(heads) == 0 || t.level() < headsLevel {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellPatience)
	defer cancel()
	status, text := t.post(ctx, heads)
	t.failed = status != http.StatusNoContent
	switch {
	case !t.failed:
		t.told = heads[len(heads)-1].Sequence
		t.rotated = t.rotated[min(len(t.rotated), command.MaxAuditHeads):]
	case status == http.StatusConflict:
		t.rotated = nil // they will never be taken
		t.logger.Error("audit log: it is not the one that the other masters know: it was cut or altered; see gatehouse audit verify", "answer", text)
	default:
		t.logger.Warn("audit log: the other masters are not told how far it has come", "status", status, "answer", text)
	}
}

// heads are what is new, by sequence.
func (t *auditTeller) heads() (heads []state.AuditHead) {
	now := time.Now().UTC()
	add := func(h audit.Head) {
		heads = append(heads, state.AuditHead{Master: t.master, Sequence: h.Sequence, Hash: state.Hash(h.Hash), Time: now, Rotated: h.Rotated})
	}
	for _, h := range t.rotated[:min(len(t.rotated), command.MaxAuditHeads)] {
		add(h)
	}
	newest := t.log.Synced()
	if n := len(heads); n < command.MaxAuditHeads && newest.Sequence > t.told && (n == 0 || newest.Sequence > heads[n-1].Sequence) {
		add(newest)
	}
	return heads
}

// post hands the heads to the leader, wherever it is, as the admin socket would.
func (t *auditTeller) post(ctx context.Context, heads []state.AuditHead) (status int, answer string) {
	body, err := json.Marshal(auditapi.Told{Heads: heads})
	if err != nil {
		return 0, err.Error()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, auditapi.TellPath, bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.RequestURI = auditapi.TellPath
	r.Header.Set("Content-Type", "application/json")
	answered := make(chan *answerBuffer, 1)
	go func() { // what has begun is not cancelled
		w := &answerBuffer{header: http.Header{}}
		t.admin.ServeHTTP(w, r)
		answered <- w
	}()
	select {
	case w := <-answered:
		return w.status, fmt.Sprintf("%.200s", w.body.String())
	case <-ctx.Done():
		return 0, ctx.Err().Error()
	}
}

// answerBuffer is an answer that is not sent.
type answerBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answerBuffer) Header() http.Header         { return w.header }
func (w *answerBuffer) WriteHeader(status int)      { w.status = status }
func (w *answerBuffer) Write(b []byte) (int, error) { return w.body.Write(b) }

// end closes the trail when nobody asks any more, and tells where it ended.
func (t *auditTeller) end(ctx context.Context) {
	if t.log == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastTellPatience)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.Append(audit.Event("audit-stop", "the master stops"))
	if err := t.log.Close(ctx); err != nil {
		t.logger.Error("audit log not closed", "error", err)
		return
	}
	t.rotated = append(t.rotated, t.log.TakeRotated()...)
	if t.log.Chained() {
		t.tell(ctx)
	}
}
