package httpapi

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi/audit"
)

// brokenWriter fails or blocks until it is mended.
type brokenWriter struct {
	mu     sync.Mutex
	err    error
	gate   chan struct{} // set: writes wait for it
	buffer bytes.Buffer
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	err, gate := w.err, w.gate
	w.mu.Unlock()
	if gate != nil {
		<-gate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return w.buffer.Write(p)
}

func (w *brokenWriter) set(err error, gate chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err, w.gate = err, gate
}

// hostileAuditLog: what cannot be recorded is not done; reading goes on; it recovers by itself.
func hostileAuditLog(t *testing.T, _ *bed) {
	gate := make(chan struct{})
	for name, c := range map[string]struct {
		err  error
		gate chan struct{}
	}{"full": {errors.New("no space left"), nil}, "blocked": {nil, gate}} {
		w := new(brokenWriter)
		m := newBed(t, 1, func(o *Options) { o.Auditor = audit.NewPlain(w, audit.Logfmt) }).members[0]
		w.set(c.err, c.gate)
		expectCode(t, name+": a change", m.call("PUT", "/acs/api/v1/users/u2", "alice", `{}`), 503, fault.Busy)
		expect(t, name+": reading", m.call("GET", "/acs/api/v1/users/alice", "alice", ""), 200)
		expectCode(t, name+": not done", m.call("GET", "/acs/api/v1/users/u2", "alice", ""), 400, fault.UnknownUser)
		w.set(nil, nil)
		if c.gate != nil {
			close(c.gate)
		}
		waitFor(t, func() bool { return m.call("PUT", "/acs/api/v1/users/u3", "alice", `{}`).status != 503 })
	}
}

func TestPartsOfAChangeThatCannotBeRecordedAreNotDone(t *testing.T) {
	w := new(brokenWriter)
	m := newBed(t, 1, func(o *Options) { o.Auditor = audit.NewPlain(w, audit.Logfmt) }).members[0]
	parts := []Record{{Action: "bulk", Object: "a", Stage: audit.Intent}, {Action: "bulk", Object: "b", Stage: audit.Intent}}
	r := &Request{server: m.server}
	for range 2 { // the funnel may run a handler again
		if err := Recorded(r.Intend(t.Context(), parts)); err != nil {
			t.Fatal(err)
		}
	}
	if text := w.buffer.String(); strings.Count(text, "stage=intent") != 2 {
		t.Errorf("%q, want both parts once", text)
	}
	w.set(errors.New("no space left"), nil)
	r = &Request{server: m.server}
	if err := Recorded(r.Intend(t.Context(), parts)); !fault.Is(err, fault.Busy) {
		t.Errorf("%v, want ERR_BUSY", err)
	}
}

func TestEveryDecisionIsRecordedOnceByWhoMadeIt(t *testing.T) {
	b := newBed(t, 2)
	leader, edge := b.members[0], b.members[1]
	for _, m := range b.members {
		expect(t, "read", m.call("GET", "/acs/api/v1/users/alice", "alice", ""), 200)
		expect(t, "no token", m.call("GET", "/acs/api/v1/users/alice", "", ""), 401)
		expect(t, "no permission", m.call("POST", "/gatehouse/v1/super", "alice", ""), 403)
		expect(t, "change", m.call("PUT", "/acs/api/v1/users/by-"+m.id, "alice", `{"password":"hunter2"}`), 201)
		expect(t, "refused change", m.call("DELETE", "/acs/api/v1/users/nobody", "alice", ""), 400)
	}
	var got []string
	for _, m := range []*testMaster{leader, edge} {
		for line := range strings.Lines(m.audits.String()) {
			_, line, _ = strings.Cut(line, "uid=")
			line, end, _ := strings.Cut(line, " request=")
			if _, stage, found := strings.Cut(end, " stage="); found {
				stage, _, _ = strings.Cut(strings.TrimSpace(stage), " ")
				line += " stage=" + stage
			}
			got = append(got, m.id+" "+line)
		}
	}
	put, deleted := `alice action=user.put object=/acs/api/v1/users/by-`, `alice action=user.delete object=/acs/api/v1/users/nobody result=allow reason=`
	denied := `alice action=super object=/gatehouse/v1/super result=deny reason="not granted"`
	want := []string{
		`m0 alice action=user.get object=/acs/api/v1/users/alice result=allow reason=authenticated`,
		`m0  action=user.get object=/acs/api/v1/users/alice result=deny reason="not authenticated"`,
		denied,
		put + `m0 result=allow reason=authenticated stage=intent`, put + `m0 result=allow reason=done stage=outcome`,
		deleted + `authenticated stage=intent`, deleted + `ERR_UNKNOWN_USER_ID stage=outcome`,
		denied,
		put + `m1 result=allow reason=authenticated stage=intent`, put + `m1 result=allow reason=done stage=outcome`,
		deleted + `authenticated stage=intent`, deleted + `ERR_UNKNOWN_USER_ID stage=outcome`,
		`m1 alice action=user.get object=/acs/api/v1/users/alice result=allow reason=authenticated`,
		`m1  action=user.get object=/acs/api/v1/users/alice result=deny reason="not authenticated"`,
	}
	for i := range want {
		if !strings.HasPrefix(want[i], "m") {
			want[i] = "m0 " + want[i]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, m := range b.members {
		if all := m.audits.String() + m.logs.String(); strings.Contains(all, "hunter2") || strings.Contains(all, tokenFor("alice")) {
			t.Errorf("%s: a secret is in the logs", m.id)
		}
	}
}
