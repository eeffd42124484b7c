package token

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAServiceLogsInWithItsKey(t *testing.T) {
	got, err := verifySvc(loginToken(goodLogin()), LoginOptions{RefuseLongLived: true, Keys: home().source()})
	if err != nil {
		t.Fatalf("VerifyServiceLogin: %v", err)
	}
	if want := time.Unix(now.Unix()+300, 0); got.UID != "svc" || got.LongLived || got.Expires == nil || !got.Expires.Equal(want) {
		t.Errorf("claims = %+v, want svc until %v", got, want)
	}
}

// What clients of the original send and the original accepts (contract 2.3).
func TestLoginTokensOfKnownClientsAreAccepted(t *testing.T) {
	at := now.Unix()
	for name, c := range map[string]struct{ header, claims string }{
		"no typ":              {`{"alg":"RS256"}`, fmt.Sprintf(`{"exp":%d,"uid":"svc"}`, at+120)},
		"own kid":             {`{"typ":"JWT","alg":"RS256","kid":"key-1"}`, fmt.Sprintf(`{"uid":"svc","exp":%d}`, at+120)},
		"iat and nbf":         {loginHeader, fmt.Sprintf(`{"uid":"svc","exp":%d,"iat":%d,"nbf":%d}`, at+120, at, at)},
		"iat a little ahead":  {loginHeader, fmt.Sprintf(`{"uid":"svc","exp":%d,"iat":%d}`, at+120, at+5)},
		"fractional seconds":  {loginHeader, fmt.Sprintf(`{"uid":"svc","exp":%d.25,"iat":%d.75}`, at+120, at-1)},
		"spaces":              {`{ "alg": "RS256", "typ": "JWT" }`, fmt.Sprintf("{\n  \"uid\": \"svc\",\n  \"exp\": %d\n}", at+120)},
		"claims of others":    {loginHeader, fmt.Sprintf(`{"uid":"svc","exp":%d,"iss":"x","sub":7,"aud":["a"],"jti":null,"x":{"uid":"root"}}`, at+120)},
		"exp of the last sec": {loginHeader, fmt.Sprintf(`{"uid":"svc","exp":%d}`, at+1)},
	} {
		if _, err := verifySvc(sign(service(), c.header, c.claims), LoginOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLongLivedLoginTokensAreFlaggedOrRefused(t *testing.T) {
	at := now.Unix()
	for _, c := range []struct {
		claims string
		want   bool
	}{
		{fmt.Sprintf(`{"uid":"svc","exp":%d}`, at+600), false},
		{fmt.Sprintf(`{"uid":"svc","exp":%d}`, at+601), true},
		{fmt.Sprintf(`{"uid":"svc","exp":%d}`, at+5*86400), true}, // dcos-go
		{`{"uid":"svc"}`, true},
	} {
		raw := loginToken(c.claims)
		got, err := verifySvc(raw, LoginOptions{})
		if err != nil || got.LongLived != c.want {
			t.Errorf("%s: long-lived %v, %v, want %v", c.claims, got.LongLived, err, c.want)
		}
		if _, err := verifySvc(raw, LoginOptions{RefuseLongLived: true}); errors.Is(err, ErrInvalid) != c.want {
			t.Errorf("%s, refusing long-lived ones: %v, want refused %v", c.claims, err, c.want)
		}
	}
}

func TestALoginNeedsAUsableStoredKey(t *testing.T) {
	raw := loginToken(goodLogin())
	for _, stored := range []string{"", "garbage", publicPEM(&abroad().private.PublicKey)} {
		claims, err := VerifyServiceLogin(stored, raw, "svc", now, LoginOptions{})
		if !errors.Is(err, ErrInvalid) || claims != (LoginClaims{}) {
			t.Errorf("stored key %.20q: %+v, %v, want ErrInvalid", stored, claims, err)
		}
	}
	_, err := verifySvc(raw, LoginOptions{MinKeyBits: 3072})
	refused(t, "login with a stored key below the minimum", err, "has 2048 bits, at least 3072", raw)
}

func TestARememberedLoginIsCheckedAgain(t *testing.T) {
	v := NewVerifier(0)
	raw, pub := loginToken(goodLogin()), publicPEM(&service().PublicKey)
	own := keys{{KID: KID(&service().PublicKey)}}
	for range 2 { // the second round finds it remembered
		for _, c := range []struct {
			name, pub, uid string
			at             time.Time
			opts           LoginOptions
			good           bool
		}{
			{"as it should be", pub, "svc", now, LoginOptions{RefuseLongLived: true, Keys: home().source()}, true},
			{"expired", pub, "svc", now.Add(5 * time.Minute), LoginOptions{}, false},
			{"another account", pub, "other", now, LoginOptions{}, false},
			{"replaced key", publicPEM(&abroad().private.PublicKey), "svc", now, LoginOptions{}, false},
			{"long-lived by an earlier clock", pub, "svc", now.Add(-time.Hour), LoginOptions{RefuseLongLived: true}, false},
			{"key of the cluster", pub, "svc", now, LoginOptions{Keys: own}, false},
		} {
			claims, err := v.VerifyServiceLogin(c.pub, raw, c.uid, c.at, c.opts)
			if (err == nil) != c.good || err != nil && (claims != (LoginClaims{}) || !errors.Is(err, ErrInvalid)) {
				t.Errorf("%s: %+v, %v, want accepted %v", c.name, claims, err, c.good)
			}
		}
		if got := v.logins.Len(); got != 1 {
			t.Errorf("%d logins are remembered, want the good one", got)
		}
	}
	if _, err := v.VerifyServiceLogin(pub, raw+strings.Repeat("A", maxSize), "svc", now, LoginOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("oversized: %v, want ErrInvalid", err)
	}
}
