package loginapi

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
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

// credentials are those of one login, of exactly one kind. They are never printed.
type credentials struct {
	uid      string // "" with an ID token, which says it itself
	password *string
	token    *string
	exp      *time.Time // asked for, by a service account
}

// parseLogin checks the form of a login. Nothing here depends on who exists, so these refusals may be plain.
func parseLogin(r *httpapi.Request) (*credentials, error) {
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
		return &credentials{token: in.Token}, nil
	}
	c := &credentials{uid: *in.UID, password: in.Password, token: in.Token}
	if c.token == nil {
		return c, nil // exp acts on service accounts only; others send it in vain
	}
	var err error
	c.exp, err = parseExp(in.Exp, r.Time)
	return c, err
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
		return nil, login.ErrPastExp
	}
	return &exp, nil
}

func badLogin(sentence string) error { return fault.New(fault.BadRequest, "%s", sentence) }
