package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
)

var auditedAt = time.Date(2026, 3, 1, 12, 30, 15, 123_000_000, time.FixedZone("", 3600))

func TestAuditRecordsHaveTheOriginalsKeysInItsOrder(t *testing.T) {
	client := netip.MustParseAddr("192.0.2.1")
	for want, rec := range map[string]Record{
		`type=audit timestamp=2026-03-01T11:30:15.123Z srcip=192.0.2.1 authorizer=bouncer uid=alice action=user.put object=/acs/api/v1/users/bob result=allow reason=done request=r1 index=7`: {
			UID: "alice", Action: "user.put", Object: "/acs/api/v1/users/bob", Allow: true, Reason: "done", Request: "r1", Index: 7},
		`type=audit timestamp=2026-03-01T11:30:15.123Z srcip=192.0.2.1 component=bouncer action=password-login result=deny reason="invalid password provided" uid=alice`: {
			Component: "bouncer", UID: "alice", Action: "password-login", Reason: "invalid password provided"},
	} {
		rec.Time, rec.Client = auditedAt, client
		if got := string(rec.appendTo(nil, AuditLogfmt)); got != want+"\n" {
			t.Errorf("got  %swant %s", got, want)
		}
	}
	rec := Record{Time: auditedAt, UID: "a\"\n", Action: "x"}
	want := `{"type":"audit","timestamp":"2026-03-01T11:30:15.123Z","srcip":"local","authorizer":"bouncer","uid":"a\"\n","action":"x","object":"","result":"deny","reason":""}` + "\n"
	if got := string(rec.appendTo(nil, AuditJSON)); got != want || !json.Valid([]byte(got)) {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestAuditValuesCannotForgeRecords(t *testing.T) {
	for _, value := range []string{
		"a\nb", "a\rb", "a b", `a"b`, `a\b`, "a=b", "a\x00b", "a\u2028b", "é", "\xff", "a\tb", "x result=allow", strings.Repeat("a", 10_000), "",
	} {
		rec := Record{Time: auditedAt, UID: value, Action: "act", Reason: "why"}
		line := string(rec.appendTo(nil, AuditLogfmt))
		if strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\r\x00\t") || len(line) > 5000 {
			t.Errorf("%q: %q", value, line)
		}
		if got := strings.Count(unquoted(line), "result="); got != 1 {
			t.Errorf("%q: result= stands %d times outside quotes: %s", value, got, line)
		}
	}
}

// unquoted drops what stands in double quotes.
func unquoted(s string) string {
	var b strings.Builder
	inside := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && inside:
			i++
		case s[i] == '"':
			inside = !inside
		case !inside:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func TestConcurrentRecordsAreWholeLines(t *testing.T) {
	var out lockedBuffer
	a := NewAuditor(&out, AuditLogfmt)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if err := a.Record(Record{Time: auditedAt, UID: "alice", Action: "x"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "type=audit ") || !strings.HasSuffix(line, "reason=\n") {
			t.Fatalf("broken line %q", line)
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 800 {
		t.Errorf("%d lines, want 800", n)
	}
}

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
		m := newBed(t, 1, func(o *Options) { o.Auditor = NewAuditor(w, AuditLogfmt) }).members[0]
		w.set(c.err, c.gate)
		expect(t, name+": the first, which finds out", m.call("PUT", "/acs/api/v1/users/u1", "alice", `{}`), 201)
		expectCode(t, name+": the next", m.call("PUT", "/acs/api/v1/users/u2", "alice", `{}`), 503, fault.Busy)
		expect(t, name+": reading", m.call("GET", "/acs/api/v1/users/u1", "alice", ""), 200)
		expectCode(t, name+": not done", m.call("GET", "/acs/api/v1/users/u2", "alice", ""), 400, fault.UnknownUser)
		w.set(nil, nil)
		if c.gate != nil {
			close(c.gate)
		}
		waitFor(t, func() bool { return m.call("PUT", "/acs/api/v1/users/u3", "alice", `{}`).status != 503 })
	}
}

func TestOneRecordForEveryChangeAndEveryRefusal(t *testing.T) {
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
			line, _, _ = strings.Cut(line, " request=")
			got = append(got, m.id+" "+line)
		}
	}
	want := []string{
		`m0 "" action=user.get object=/acs/api/v1/users/alice result=deny reason=ERR_UNAUTHENTICATED`,
		`m0 alice action=super object=/gatehouse/v1/super result=deny reason=ERR_FORBIDDEN`,
		`m0 alice action=user.put object=/acs/api/v1/users/by-m0 result=allow reason=done`,
		`m0 alice action=user.delete object=/acs/api/v1/users/nobody result=allow reason=ERR_UNKNOWN_USER_ID`,
		`m0 alice action=super object=/gatehouse/v1/super result=deny reason=ERR_FORBIDDEN`,
		`m0 alice action=user.put object=/acs/api/v1/users/by-m1 result=allow reason=done`,
		`m0 alice action=user.delete object=/acs/api/v1/users/nobody result=allow reason=ERR_UNKNOWN_USER_ID`,
		`m1 "" action=user.get object=/acs/api/v1/users/alice result=deny reason=ERR_UNAUTHENTICATED`,
	}
	for i := range want {
		want[i] = strings.Replace(want[i], `m0 ""`, "m0 ", 1)
		want[i] = strings.Replace(want[i], `m1 ""`, "m1 ", 1)
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
