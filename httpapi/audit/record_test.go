package audit

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
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
		if got := string(rec.appendTo(nil, Logfmt, link{})); got != want+"\n" {
			t.Errorf("got  %swant %s", got, want)
		}
	}
	rec := Record{Time: auditedAt, UID: "a\"\n", Action: "x"}
	want := `{"type":"audit","timestamp":"2026-03-01T11:30:15.123Z","srcip":"local","authorizer":"bouncer","uid":"a\"\n","action":"x","object":"","result":"deny","reason":""}` + "\n"
	if got := string(rec.appendTo(nil, JSON, link{})); got != want || !json.Valid([]byte(got)) {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestAuditValuesCannotForgeRecords(t *testing.T) {
	for _, value := range []string{
		"a\nb", "a\rb", "a b", `a"b`, `a\b`, "a=b", "a\x00b", "a\u2028b", "é", "\xff", "a\tb", "x result=allow", strings.Repeat("a", 10_000), "",
	} {
		rec := Record{Time: auditedAt, UID: value, Action: "act", Reason: "why"}
		line := string(rec.appendTo(nil, Logfmt, link{}))
		if strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\r\x00\t") || len(line) > 5000 {
			t.Errorf("%q: %q", value, line)
		}
		if got := strings.Count(unquoted(line), "result="); got != 1 {
			t.Errorf("%q: result= stands %d times outside quotes: %s", value, got, line)
		}
	}
}

// Whatever a client sends, and however much longer it is with its escapes, a record stays small.
func TestNoRecordIsLongerThanAFewKiB(t *testing.T) {
	for _, part := range []string{"a", "é", "\x00", "\"", "\\", "😀", "\xff", "\x80", "<", "\u2028", "a é", " =\"\n"} {
		for _, length := range []int{maxValue / 6, maxValue - 1, maxValue, maxValue + 1, 100_000} {
			value := strings.Repeat(part, length/len(part)+1)[:length]
			for _, format := range []Format{Logfmt, JSON} {
				checkBounded(t, value, format)
			}
		}
	}
}

func checkBounded(t *testing.T, value string, format Format) {
	t.Helper()
	r := Record{Time: auditedAt, UID: value, Action: value, Object: value, Reason: value}
	line := string(r.appendTo(nil, format, link{"m1", 5, Hash{1}}))
	read, err := Parse(line)
	if err != nil || len(line) > 4*(maxValue+2)+500 {
		t.Fatalf("%.20q of %d bytes: a line of %d bytes, %v", value, len(value), len(line), err)
	}
	got := read.Get("object")
	shown, mark, cut := strings.Cut(got, "... (cut, "+strconv.Itoa(len(value))+" bytes, sha256 ")
	if !cut && got != strings.ToValidUTF8(value, "") && utf8.ValidString(value) || cut && (len(mark) != 17 || !strings.HasPrefix(value, shown) && utf8.ValidString(value)) {
		t.Errorf("%.20q of %d bytes is recorded as %q", value, len(value), got)
	}
	if long := len(value) > maxValue; long && !cut {
		t.Errorf("%.20q of %d bytes is not marked as cut", value, len(value))
	}
}

// Two values that differ behind the cut are told apart.
func TestValuesThatAreCutAreToldApart(t *testing.T) {
	a, b := strings.Repeat("a", 2000)+"1", strings.Repeat("a", 2000)+"2"
	if clip(a, appendLogfmt) == clip(b, appendLogfmt) {
		t.Errorf("both are recorded as %s", clip(a, appendLogfmt))
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
	a := NewPlain(&out, Logfmt)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				a.Append(Record{Time: auditedAt, UID: "alice", Action: "x"})
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

// lockedBuffer is a buffer that many may write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
