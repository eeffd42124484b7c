package httpapi

import (
	"io"
	"net/netip"
	"time"
)

// AuditFormat is how audit records are written.
type AuditFormat int

const (
	// AuditLogfmt is the original's format: key=value, values quoted where needed.
	AuditLogfmt AuditFormat = iota
	// AuditJSON is one JSON object a line with the same keys in the same order.
	AuditJSON
)

// Record is one audit record. The keys and their order are the original's (contract 7.6): type, timestamp, srcip,
// authorizer or component, uid, action, object, result, reason.
type Record struct {
	Time   time.Time
	Client netip.Addr
	// Component is set for security events (logins); otherwise the record names the authorizer.
	Component string
	UID       string
	Action    string
	Object    string
	Allow     bool
	Reason    string
	// Request and Index are added at the end: the request id and, for a change, its log index.
	Request string
	Index   uint64
}

// Auditor writes audit records to one writer. It is safe for concurrent use.
type Auditor struct {
	w      io.Writer
	format AuditFormat
}

// NewAuditor returns an Auditor that writes one line a record to w.
func NewAuditor(w io.Writer, format AuditFormat) *Auditor {
	return &Auditor{w: w, format: format}
}

// Record writes one record. An error means that it is not written.
func (a *Auditor) Record(rec Record) error { return nil }

// Audit writes a record about this request; Time, Client and Request are filled in.
func (r *Request) Audit(rec Record) {}

// CountLogin counts one login attempt: kind is password, service or another small fixed set; result is ok or why not, again
// from a small fixed set. Both are metric labels, so neither may hold anything that a client chose.
func (r *Request) CountLogin(kind, result string) {}
