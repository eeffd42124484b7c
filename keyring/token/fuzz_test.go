package token

import (
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// FuzzParse feeds arbitrary text to the strict reading. What it accepts must have one spelling only, and golang-jwt must
// read the same from it.
func FuzzParse(f *testing.F) {
	auth, login := fill(headerTemplate, claimsTemplate)
	for _, seed := range []string{auth, login, "", "..", auth + "\n", b64(`{"alg":"RS256","alg":"none"}`) + ".e30.AA", b64(loginHeader) + "." + b64(`{"uid":"a","uid":"b"}`) + ".AA"} {
		f.Add(seed)
	}
	f.Fuzz(checkParse)
}

// FuzzParseJSON does the same with the texts inside, which random base64 hardly reaches.
func FuzzParseJSON(f *testing.F) {
	f.Add(home().header(), goodClaims())
	f.Add(loginHeader, goodLogin())
	f.Add(`{"alg":"RS256","crit":[]}`, `{"uid":"a","x":{"y":[1,{"z":null}]},"exp":1e9}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		checkParse(t, b64(header)+"."+b64(claims)+".AA")
	})
}

func checkParse(t *testing.T, raw string) {
	p, err := parse(raw)
	if err != nil {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("parse(%q) = %v, not ErrInvalid", raw, err)
		}
		return
	}
	header, claims, err := segments(raw)
	if err != nil || !strings.HasPrefix(raw, b64(string(header))+"."+b64(string(claims))+".") {
		t.Errorf("parse accepts %q, which has another spelling", raw)
	}
	library := jwt.MapClaims{}
	token, _, err := jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(raw, library)
	if err != nil || token.Method != jwt.SigningMethodRS256 {
		t.Fatalf("parse accepts %q, golang-jwt does not: %v", raw, err)
	}
	if kid, _ := token.Header["kid"].(string); kid != p.kid {
		t.Errorf("kid %q, golang-jwt reads %q", p.kid, kid)
	}
	if uid, err := uidClaim(p.claims); err == nil && uid != library["uid"] {
		t.Errorf("uid %q, golang-jwt reads %q", uid, library["uid"])
	}
	exp, err := numericDate(p.claims, "exp")
	if theirs, theirErr := library.GetExpirationTime(); err == nil && (theirErr != nil || exp.IsZero() != (theirs == nil) || theirs != nil && theirs.Unix() != exp.Unix()) {
		t.Errorf("exp %v, golang-jwt reads %v, %v", exp, theirs, theirErr)
	}
	if c, err := authClaims(p); err == nil && len(library) != 3 {
		t.Errorf("claims %+v, golang-jwt reads %v", c, library)
	}
}
