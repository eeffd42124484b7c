package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"gatehouse/fsm/fault"
)

// AuditFormat is how audit records are written.
type AuditFormat int

const (
	// AuditLogfmt is the original's format: key=value, values quoted where needed.
	AuditLogfmt AuditFormat = iota
	// AuditJSON is one JSON object a line with the same keys in the same order.
	AuditJSON
)

// Record is one audit record. The keys and their order are the original's (contract 7.6).
type Record struct {
	Time   time.Time
	Client netip.Addr
	// Component is set for security events, such as logins; a record without it is a decision of an authorizer.
	Component string
	UID       string
	Action    string
	Object    string
	Allow     bool
	Reason    string
	// Request and Index follow at the end: the request id and, for a change, its log index.
	Request string
	Index   uint64
}

// auditComponent is the name that the IAM has in audit records. It stays the original's: people search for it.
const auditComponent = "bouncer"

// auditTime is ISO 8601 in UTC.
const auditTime = "2006-01-02T15:04:05.000Z"

// pair is one key and value of a record.
type pair struct{ key, value string }

// pairs returns the record in the original's order, which differs between decisions and security events.
func (r *Record) pairs() []pair {
	result := "deny"
	if r.Allow {
		result = "allow"
	}
	srcip := "local"
	if r.Client.IsValid() {
		srcip = r.Client.String()
	}
	p := append(make([]pair, 0, 12), pair{"type", "audit"}, pair{"timestamp", r.Time.UTC().Format(auditTime)}, pair{"srcip", srcip})
	if r.Component != "" {
		p = append(p, pair{"component", r.Component}, pair{"action", r.Action}, pair{"result", result},
			pair{"reason", r.Reason}, pair{"uid", r.UID})
		if r.Object != "" {
			p = append(p, pair{"object", r.Object})
		}
	} else {
		p = append(p, pair{"authorizer", auditComponent}, pair{"uid", r.UID}, pair{"action", r.Action},
			pair{"object", r.Object}, pair{"result", result}, pair{"reason", r.Reason})
	}
	if r.Request != "" {
		p = append(p, pair{"request", r.Request})
	}
	if r.Index > 0 {
		p = append(p, pair{"index", strconv.FormatUint(r.Index, 10)})
	}
	return p
}

// appendTo appends the record as one line. Whatever a client chose is escaped: a value can neither end the line nor look
// like another key (hostile H24).
func (r *Record) appendTo(b []byte, format AuditFormat) []byte {
	for i, p := range r.pairs() {
		if format == AuditJSON {
			b = append(b, ",{"[btoi(i == 0)])
			value, _ := json.Marshal(p.value)
			b = append(append(append(b, '"'), p.key...), '"', ':')
			b = append(b, value...)
			continue
		}
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendLogfmt(append(append(b, p.key...), '='), p.value)
	}
	if format == AuditJSON {
		b = append(b, '}')
	}
	return append(b, '\n')
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// appendLogfmt appends a value, quoted unless every byte of it is harmless.
func appendLogfmt(b []byte, value string) []byte {
	if len(value) > maxAuditValue {
		value = value[:maxAuditValue]
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\' {
			return strconv.AppendQuoteToASCII(b, value)
		}
	}
	return append(b, value...)
}

// maxAuditValue bounds one value, in bytes.
const maxAuditValue = 2 << 10

// Auditor writes audit records to one writer, one Write a record. It is safe for concurrent use. A writer that blocks or
// fails turns changes away until it works again (hostile Q6): what cannot be recorded is not done.
type Auditor struct {
	w      io.Writer
	format AuditFormat
	turn   chan struct{} // holds one token; whoever has it may write
	failed atomic.Bool
}

// How long a record waits for the writer, and for one that failed the last time.
const (
	auditPatience = time.Second
	auditRetry    = 10 * time.Millisecond
)

var errAuditBlocked = errors.New("the audit log is blocked")

// NewAuditor returns an Auditor that writes one line a record to w.
func NewAuditor(w io.Writer, format AuditFormat) *Auditor {
	a := &Auditor{w: w, format: format, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	return a
}

// Record writes one record. An error means that it may not be written.
func (a *Auditor) Record(rec Record) error {
	err := a.write(rec.appendTo(nil, a.format))
	a.failed.Store(err != nil)
	return err
}

func (a *Auditor) patience() time.Duration {
	if a.failed.Load() {
		return auditRetry
	}
	return auditPatience
}

// write writes one line in its turn. The write itself runs beside the caller, so that a blocked writer costs the caller its
// patience and no more.
func (a *Auditor) write(line []byte) error {
	patience := time.NewTimer(a.patience())
	defer patience.Stop()
	select {
	case <-a.turn:
	case <-patience.C:
		return errAuditBlocked
	}
	done := make(chan error, 1)
	go func() {
		_, err := a.w.Write(line)
		a.turn <- struct{}{}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-patience.C:
		return errAuditBlocked
	}
}

// ready refuses a request that must be recorded while records cannot be written. The attempt to write is itself a record.
func (a *Auditor) ready(r *Request) error {
	if !a.failed.Load() {
		return nil
	}
	probe := Record{Time: time.Now(), Client: r.Client, Component: auditComponent, Action: "audit-resume", Allow: true, Request: r.ID}
	if err := a.Record(probe); err != nil {
		return fault.New(fault.Busy, "The audit log cannot be written. Nothing was changed.").After(retryAfter)
	}
	return nil
}

// Audit writes a record about this request; Time, Client, UID and Request are filled in where they are empty.
func (r *Request) Audit(rec Record) {
	if r.server == nil {
		return
	}
	if rec.Time.IsZero() {
		rec.Time = r.server.opts.Now()
	}
	rec.Client, rec.Request = r.Client, r.ID
	rec.UID = cmp.Or(rec.UID, r.Caller.UID)
	if err := r.server.opts.Auditor.Record(rec); err != nil {
		r.server.log.Error("audit record lost", "error", err, "request", r.ID, "action", rec.Action, "uid", rec.UID)
	}
}

// audited reports whether every answer of the row is recorded. Public rows record what is worth it themselves: logins.
func (x *exchange) audited() bool {
	return x.row.Audited || x.row.changes() && x.row.Access != Public
}

// audit records what this master has decided: a refused caller on every row, and every outcome on an audited row.
func (x *exchange) audit(resp *Response) {
	if x.row == nil || resp.relayed {
		return
	}
	refused := resp.fault == fault.Unauthenticated || resp.fault == fault.Forbidden || resp.fault == fault.CrossOrigin
	if !refused && !(x.runs > 0 && x.audited()) {
		return
	}
	x.req.Audit(Record{
		Action: x.row.ID, Object: canonicalPath(&x.row.Route, x.req.Params), Allow: !refused, Index: resp.Index,
		Reason: cmp.Or(string(resp.fault), "done"),
	})
}
