package login

import (
	"cmp"
	"strings"
	"time"
	"unicode"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// Component names this service in audit records of logins as the original does, because operators search for it (contract 7.6).
const Component = "bouncer"

// attempt is a login with exactly one kind of credentials. It is never printed.
type attempt struct {
	uid      string
	password *string
	token    *string
	exp      *time.Time // asked for, by a service account

	key       string // by which the throttle counts it
	directory bool   // the directory was asked
	canonical string // what the directory calls whoever it has let in
}

// kind is the attempt's label in metrics.
func (at *attempt) kind() string {
	switch {
	case at.token != nil:
		return "service"
	case at.directory:
		return "ldap"
	}
	return "password"
}

// credential names what was presented, in the words of the original's audit records.
func (at *attempt) credential() string {
	if at.token != nil {
		return "service login token"
	}
	return "password"
}

// shown is the uid as it may appear in logs and audit records: it is whatever a stranger typed.
func (at *attempt) shown() string { return Shown(at.uid) }

// Shown is a uid that a stranger typed, or that another server said, as it may appear in logs and audit records.
func Shown(uid string) string {
	safe := strings.Map(func(c rune) rune {
		if !unicode.IsGraphic(c) || c == '`' || c == '"' {
			return '_'
		}
		return c
	}, uid)
	if len(safe) > iam.MaxUID {
		safe = strings.ToValidUTF8(safe[:iam.MaxUID], "") + "…"
	}
	return safe
}

// record counts and audits what became of the attempt, once, under the uid of the user where it is known: what was typed may be spelt
// otherwise, and may be the uid of somebody else one day. A refusal of a Backed login is not what the client is told.
func (at *attempt) record(r *httpapi.Request, allow bool, result, reason string) {
	if !r.Backed || allow {
		record(r, at.kind(), cmp.Or(at.canonical, at.shown()), allow, result, reason)
	}
}

// record counts and audits a login of that kind.
func record(r *httpapi.Request, kind, uid string, allow bool, result, reason string) {
	if r.Stale {
		reason += ", by stale data"
	}
	r.CountLogin(kind, result)
	r.Audit(httpapi.Record{Component: Component, UID: uid, Action: kind + "-login", Allow: allow, Reason: reason})
}
