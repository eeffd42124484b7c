package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

const (
	valueRID = "dcos:secrets:default:/value"
	granted  = "/gatehouse/v1/value"
)

// newValueBed is a guarded bed with rows that take large bodies of who has a right. keeper may change what alice may not.
func newValueBed(t testing.TB, masters int) *bed {
	t.Helper()
	b := newGuardedBed(t, masters, func(o *Options) {
		m := o.Cluster.(*testMaster)
		row := func(id string, a Access) Route {
			return Route{ID: id, Method: "PUT", Path: "/gatehouse/v1/" + id, Access: a, Mode: Leader, BodyLimit: 7 << 20, Handle: m.touch}
		}
		value := row("value", Granted)
		value.Grants = func(*Request) (Grant, error) {
			return Grant{Rights: []iam.Right{{RID: valueRID, Action: iam.Update}}, Object: valueRID}, nil
		}
		o.Routes = append(o.Routes, value, row("large-super", Superuser), row("large-iam", IAM))
		o.LeaderWait, o.WriteTimeout = 20*time.Second, 20*time.Second
	})
	b.change(func(t *state.Txn) {
		t.PutGrant(state.Grant{RID: valueRID, Principal: "keeper", Actions: iam.Update})
	})
	return b
}

// announce sends the head of a request with a large body, and nothing of the body.
func (m *testMaster) announce(path, uid string, lines ...string) *wire {
	m.bed.t.Helper()
	head := append([]string{"PUT " + path + " HTTP/1.1", "Host: x", "Content-Type: application/json", "Authorization: token=" + tokenFor(uid)}, lines...)
	return m.dial().send(append(head, "", "")...)
}

var megabyte = `{"value":"` + strings.Repeat("x", 1<<20) + `"}`

func TestWhoMayNotAskIsRefusedBeforeALargeBodyIsSent(t *testing.T) {
	b := newValueBed(t, 2)
	for _, m := range b.members {
		for _, path := range []string{granted, "/gatehouse/v1/large-super", "/gatehouse/v1/large-iam"} {
			for _, length := range []string{"Content-Length: 6356992", "Content-Length: 99999999", "Transfer-Encoding: chunked"} {
				expectCode(t, m.id+" "+path+" "+length, m.announce(path, "alice", length).receive("PUT"), 403, fault.Forbidden)
			}
			w := m.announce(path, "alice", "Content-Length: 6356992", "Expect: 100-continue")
			expectCode(t, m.id+" "+path+" of who waits", w.receive("PUT"), 403, fault.Forbidden)
			expect(t, m.id+" "+path+" of nobody", m.announce(path, "nobody", "Content-Length: 6356992").receive("PUT"), 401)
			if held := m.server.bodies.held.Load(); held != 0 {
				t.Errorf("%s: %d bytes are held for who may not ask", path, held)
			}
		}
		expect(t, m.id+" who may", m.call("PUT", granted, "keeper", megabyte), 204)
		expect(t, m.id+" the superuser", m.call("PUT", "/gatehouse/v1/large-super", "root", megabyte), 204)
		expect(t, m.id+" too much of who may", m.announce(granted, "keeper", "Content-Length: 99999999").receive("PUT"), 413)
	}
}

func TestARefusalBeforeALargeBodyIsRecordedAndCountedOnce(t *testing.T) {
	b := newValueBed(t, 2)
	leader, edge := b.members[0], b.members[1]
	expect(t, "alice", edge.call("PUT", granted, "alice", megabyte), 403)
	want := "uid=alice action=value object=" + valueRID + " result=deny"
	if got := edge.audits.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) || leader.audits.String() != "" {
		t.Errorf("recorded:\n%sand at the leader:\n%swant %s once", got, leader.audits.String(), want)
	}
	edge.decided("a refusal", 0, 1)
	expect(t, "keeper", edge.call("PUT", granted, "keeper", megabyte), 204)
	edge.decided("what the leader decided", 0, 1)
	leader.decided("what the leader decided", 1, 0)
}

// decided expects how many decisions the master has counted.
func (m *testMaster) decided(what string, allowed, denied int) {
	m.bed.t.Helper()
	text := m.call("GET", "/metrics", "", "").body
	for result, n := range map[string]int{"allow": allowed, "deny": denied} {
		if want := fmt.Sprintf("gatehouse_authorization_decisions_total{result=%q} %d\n", result, n); !strings.Contains(text, want) {
			m.bed.t.Errorf("%s: %s has not counted %s", what, m.id, want)
		}
	}
}

func TestAMasterThatIsBehindCatchesUpBeforeItRefusesALargeBody(t *testing.T) {
	b := newValueBed(t, 2)
	edge := b.members[1]
	edge.frozen.Store(b.log.state)
	b.change(func(t *state.Txn) { t.PutGrant(state.Grant{RID: valueRID, Principal: "alice", Actions: iam.Update}) })
	before := edge.reads.Load()
	go func() {
		for edge.reads.Load() == before && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		edge.frozen.Store(nil)
	}()
	expect(t, "what was granted just now", edge.call("PUT", granted, "alice", megabyte), 204)
	if n := edge.reads.Load() - before; n != 1 {
		t.Errorf("%d read indexes, want one", n)
	}
}

func TestTheLeaderDecidesAboutALargeBodyThatAMasterLetIn(t *testing.T) {
	b := newValueBed(t, 2)
	leader, edge := b.members[0], b.members[1]
	edge.frozen.Store(b.log.state)
	b.change(func(t *state.Txn) { t.PutGrant(state.Grant{RID: valueRID, Principal: "keeper"}) })
	handled := leader.handled.Load()
	expectCode(t, "what was revoked just now", edge.call("PUT", granted, "keeper", megabyte), 403, fault.Forbidden)
	if edge.reads.Load() != 0 || leader.handled.Load() != handled || !strings.Contains(leader.audits.String(), "result=deny") || edge.audits.String() != "" {
		t.Errorf("%d read indexes here; recorded here:\n%sand at the leader:\n%s", edge.reads.Load(), edge.audits.String(), leader.audits.String())
	}
}

func TestOneCallerCannotHoldTheTurnsOfAll(t *testing.T) {
	b := newValueBed(t, 1)
	m := b.members[0]
	m.server.bodies.start, m.server.bodies.wait = time.Minute, time.Minute
	for range 6 {
		m.announce(granted, "keeper", "Content-Length: 6356992")
	}
	all := m.server.bodies
	eventually(t, "all have come", func() bool {
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.shares["keeper"] != nil && all.shares["keeper"].users == 6 && all.held.Load() > 0
	})
	expect(t, "another caller", m.call("PUT", granted, "root", megabyte), 204)
	if held := all.held.Load(); held != 6356992 {
		t.Errorf("%d bytes are held for one caller, want one body", held)
	}
}

func TestACallerWaitsForHisOwnShareOfTheTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies()
		leave, err := b.enter(t.Context(), "eve", 2*maxShare, bodyWait)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := b.enter(t.Context(), "eve", 1, bodyWait); !fault.Is(err, fault.Busy) || time.Since(began) != bodyWait {
			t.Errorf("got %v after %v, want %s after %v", err, time.Since(began), fault.Busy, bodyWait)
		}
		if b.waiting.Load() != 0 {
			t.Error("who waits for himself makes others hurry")
		}
		other, err := b.enter(t.Context(), "bob", maxShare, bodyWait)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, leave)
		again, err := b.enter(t.Context(), "eve", maxShare, bodyWait)
		if err != nil || time.Since(began) != bodyWait+time.Second {
			t.Fatalf("got %v after %v", err, time.Since(began))
		}
		again()
		other()
		if len(b.shares) != 0 || b.held.Load() != 0 {
			t.Errorf("%d shares and %d bytes are left", len(b.shares), b.held.Load())
		}
	})
}

// deadlines is an answer that remembers until when the request may be read.
type deadlines struct {
	http.ResponseWriter
	last time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error { d.last = t; return nil }

func TestABodyIsPacedByWhatHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := newStill(t), &deadlines{}
		x := exchange{s: s, w: w}
		began := time.Now()
		p, done := x.pace(endless("x"), 6<<20)
		expectDue := func(what string, want time.Duration) {
			t.Helper()
			if got := w.last.Sub(began); got != want {
				t.Errorf("%s: the next bytes are due after %v, want %v", what, got, want)
			}
		}
		read := func(n int64) { _, _ = io.CopyN(io.Discard, p, n); _, _ = p.Read(make([]byte, 1)) }
		_, _ = p.Read(nil)
		expectDue("nothing has come", bodyStart)
		read(bodyPace)
		expectDue("a second's bytes have come", bodyStart+time.Second)
		leave, err := s.bodies.enter(t.Context(), "", maxBodies, bodyWait)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { _, _ = s.bodies.enter(ctx, "", 1, time.Hour) }()
		synctest.Wait()
		if got := s.bodies.patience(); got != bodyStart/bodyHurry {
			t.Errorf("while others wait a body may fall behind by %v", got)
		}
		stop()
		synctest.Wait()
		leave()
		read(5 << 20)
		expectDue("all has come", readTimeout)
		if done(); !w.last.IsZero() {
			t.Error(fmt.Sprint("the deadline of the body outlives it: ", w.last))
		}
	})
}
