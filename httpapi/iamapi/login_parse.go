package iamapi

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// loginObject is LoginObject of contract 1.10. Clients send more members, which are ignored.
type loginObject struct {
	UID      *string         `json:"uid"`
	Password *string         `json:"password"`
	Token    *string         `json:"token"`
	Exp      json.RawMessage `json:"exp"`
}

var loginSchema = &httpapi.Schema{Members: []httpapi.Member{
	{Name: "uid", Type: httpapi.String, Nullable: true},
	{Name: "password", Type: httpapi.String, Nullable: true},
	{Name: "token", Type: httpapi.String, Nullable: true},
	{Name: "exp"},
}}

// attempt is a login with exactly one kind of credentials. It is never printed.
type attempt struct {
	uid      string
	password *string
	token    *string
	exp      *time.Time // asked for, by a service account
}

// parseLogin checks the form of a login. Nothing here depends on who exists, so these refusals may be plain.
func (a *api) parseLogin(r *httpapi.Request) (*attempt, error) {
	var in loginObject
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	switch {
	case (in.Password == nil) == (in.Token == nil):
		return nil, badLogin("Exactly one of `token` and `password` must be provided in the request body")
	case in.Password != nil && in.UID == nil:
		return nil, badLogin("`uid` missing in the request body")
	case in.UID != nil && *in.UID == "", in.Password != nil && *in.Password == "":
		return nil, badLogin("`uid` and `password` must not be empty strings")
	case in.UID == nil:
		return nil, badLogin("Login with an OpenID Connect ID token is not enabled")
	}
	at := &attempt{uid: *in.UID, password: in.Password, token: in.Token}
	if at.token == nil {
		return at, nil // exp acts on service accounts only; others send it in vain
	}
	var err error
	at.exp, err = parseExp(in.Exp, r.Time)
	return at, err
}

// parseExp reads the expiry that a service account asks for, in Unix seconds. Zero means a token that never expires in the reference;
// that is refused (contract 9, decision 13), like an instant that has passed. One beyond the longest life is cut down later.
func parseExp(raw json.RawMessage, now time.Time) (*time.Time, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(seconds, 0) {
		return nil, badLogin("`exp` must be a number of seconds since 1970")
	}
	if seconds == 0 {
		return nil, badLogin("`exp` must not be 0: tokens without expiry are not issued")
	}
	// The token's life is bounded elsewhere; here the number only has to stay one that a time.Time can hold.
	exp := time.Unix(int64(min(max(seconds, 0), 1<<40)), 0).UTC()
	if !exp.After(now) {
		return nil, errPastExp
	}
	return &exp, nil
}

var errPastExp = badLogin("`exp` must lie in the future")

func badLogin(sentence string) error { return fault.New(fault.BadRequest, "%s", sentence) }

// kind is the attempt's label in metrics.
func (at *attempt) kind() string {
	if at.token != nil {
		return "service"
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
func (at *attempt) shown() string {
	safe := strings.Map(func(c rune) rune {
		if !unicode.IsGraphic(c) || c == '`' || c == '"' {
			return '_'
		}
		return c
	}, at.uid)
	if len(safe) > iam.MaxUID {
		safe = strings.ToValidUTF8(safe[:iam.MaxUID], "") + "…"
	}
	return safe
}

// record counts and audits what became of the attempt, once: a refusal of a Backed login is not what the client is told.
func (at *attempt) record(r *httpapi.Request, allow bool, result, reason string) {
	if r.Backed && !allow {
		return
	}
	if r.Stale {
		reason += ", by stale data"
	}
	r.CountLogin(at.kind(), result)
	r.Audit(httpapi.Record{Component: component, UID: at.shown(), Action: at.kind() + "-login", Allow: allow, Reason: reason})
}
