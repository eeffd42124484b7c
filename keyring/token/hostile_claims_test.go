package token

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func testNoExpiry(t *testing.T) {
	auth, login := fill(headerTemplate, `{"uid":UID,"iat":IAT}`)
	refuseAuth(t, auth, "claims are not uid, exp and iat")
	auth, _ = fill(headerTemplate, `{"uid":UID,"iat":IAT,"sub":"x"}`)
	refuseAuth(t, auth, "exp is not")
	got, err := verifySvc(login, LoginOptions{}) // decided: accepted, and flagged for a warning
	if err != nil || !got.LongLived || got.Expires != nil {
		t.Errorf("login token without exp: %+v, %v, want it flagged", got, err)
	}
	_, err = verifySvc(login, LoginOptions{RefuseLongLived: true})
	refused(t, "login token without exp, refusing those", err, "longer than 10m", login)
	// iat and uid cannot be left out either, nor can anything be added.
	for _, claims := range []string{`{"uid":UID,"exp":EXP}`, `{"exp":EXP,"iat":IAT}`, `{}`, `{"uid":UID,"exp":EXP,"iat":IAT,"nbf":IAT}`, `{"uid":UID,"exp":EXP,"iat":IAT,"x":1}`} {
		auth, _ := fill(headerTemplate, claims)
		refuseAuth(t, auth, "claims are not uid, exp and iat")
	}
}

func testExpiryOfAnotherType(t *testing.T) {
	for _, exp := range []string{`0`, `-0`, `null`, `""`, fmt.Sprintf(`"%d"`, now.Unix()+300), `"never"`, `[EXP]`, `{}`, `{"$date":EXP}`, `true`, `false`} {
		refuseBoth(t, headerTemplate, `{"uid":UID,"exp":`+exp+`,"iat":IAT}`, "exp is not")
	}
	for _, exp := range []string{`EXP.0`, `EXP.5`, `1e12`, `1E10`} { // a number of seconds, but not as we write it
		auth, _ := fill(headerTemplate, `{"uid":UID,"exp":`+exp+`,"iat":IAT}`)
		refuseAuth(t, auth, "exp is not")
	}
}

func testExpiryOutOfRange(t *testing.T) {
	for _, exp := range []string{`-1`, `1e19`, `1e300`, `1e400`, `1e-400`, `9223372036854775807`, `9223372036854775808`, `18446744073709551616`, `253402300800`, `-9223372036854775809`, strings.Repeat("9", 400)} {
		refuseBoth(t, headerTemplate, `{"uid":UID,"exp":`+exp+`,"iat":IAT}`, "exp is not")
		auth, login := fill(headerTemplate, `{"uid":UID,"exp":EXP,"iat":`+exp+`}`)
		refuseAuth(t, auth, "iat is not")
		refuseLogin(t, login, "iat is not")
	}
	for _, exp := range []string{`NaN`, `Infinity`, `-Infinity`, `0x7fffffff`, `+1`, `01`, `1_000`, `.5`, `5.`} {
		refuseBoth(t, headerTemplate, `{"uid":UID,"exp":`+exp+`,"iat":IAT}`, "not JSON")
	}
}

func testFarExpiry(t *testing.T) {
	century := fmt.Sprint(now.AddDate(100, 0, 0).Unix())
	_, login := fill(headerTemplate, `{"uid":UID,"exp":`+century+`}`)
	if got, err := verifySvc(login, LoginOptions{}); err != nil || !got.LongLived { // decided: flagged, refused on request
		t.Errorf("login token for 100 years: %+v, %v, want it flagged", got, err)
	}
	_, err := verifySvc(login, LoginOptions{RefuseLongLived: true})
	refused(t, "login token for 100 years", err, "longer than 10m", login)
}

func testExpiryEdges(t *testing.T) {
	auth, login := fill(headerTemplate, claimsTemplate)
	exp := time.Unix(now.Unix()+300, 0)
	for _, c := range []struct {
		at   time.Time
		good bool
	}{{exp.Add(-time.Nanosecond), true}, {exp, false}, {exp.Add(time.Second), false}, {exp.AddDate(100, 0, 0), false}} {
		_, authErr := NewVerifier(0).Verify(home().source(), auth, c.at)
		_, loginErr := VerifyServiceLogin(publicPEM(&service().PublicKey), login, "svc", c.at, LoginOptions{})
		if (authErr == nil) != c.good || (loginErr == nil) != c.good {
			t.Errorf("%v from exp: auth %v, login %v, want accepted %v", c.at.Sub(exp), authErr, loginErr, c.good)
		}
		if !c.good {
			refused(t, "auth token", authErr, "expired", auth)
			refused(t, "login token", loginErr, "expired", login)
		}
	}
}

func testIssuedInTheFuture(t *testing.T) {
	refuseBoth(t, headerTemplate, fmt.Sprintf(`{"uid":UID,"exp":%d,"iat":%d}`, now.Unix()+7200, now.Unix()+3600), "in the future")
	for _, name := range []string{"nbf", "iat"} {
		_, login := fill(headerTemplate, fmt.Sprintf(`{"uid":UID,"exp":EXP,"%s":%d}`, name, now.Unix()+60))
		refuseLogin(t, login, "iat or nbf lies in the future")
		for _, value := range []string{`"IAT"`, `null`, `[]`, `0`, `-5`} {
			_, login := fill(headerTemplate, `{"uid":UID,"exp":EXP,"`+name+`":`+value+`}`)
			refuseLogin(t, login, name+" is not")
		}
	}
	// Both edges of the leeway, for whole seconds.
	auth, login := fill(headerTemplate, claimsTemplate)
	iat := time.Unix(now.Unix(), 0)
	for _, c := range []struct {
		at   time.Time
		good bool
	}{{iat.Add(-Leeway), true}, {iat.Add(-Leeway - time.Nanosecond), false}, {iat, true}} {
		_, authErr := NewVerifier(0).Verify(home().source(), auth, c.at)
		_, loginErr := VerifyServiceLogin(publicPEM(&service().PublicKey), login, "svc", c.at, LoginOptions{})
		if (authErr == nil) != c.good || (loginErr == nil) != c.good {
			t.Errorf("%v from iat: auth %v, login %v, want accepted %v", c.at.Sub(iat), authErr, loginErr, c.good)
		}
	}
}

func testUIDOfAnotherType(t *testing.T) {
	for _, uid := range []string{`7`, `true`, `["alice"]`, `{"uid":"alice"}`, `null`, `""`} {
		refuseBoth(t, headerTemplate, `{"uid":`+uid+`,"exp":EXP,"iat":IAT}`, "uid is not a user id")
	}
}

func testUIDThatIsNone(t *testing.T) {
	for _, uid := range []string{`alice\u0000`, `\u0000`, `alice `, ` alice`, `alice%2e`, `alice\n`, `a/b`, `a\\b`, `\ud800`, `alice\ud800`, `аlice`, `ａlice`, `alice\u200b`, `anonymous`, `.`, `..`, strings.Repeat("a", 97), strings.Repeat("a", 5_000)} {
		refuseBoth(t, headerTemplate, `{"uid":"`+uid+`","exp":EXP,"iat":IAT}`, "uid is not a user id")
	}
	refuseBoth(t, headerTemplate, `{"uid":"`+strings.Repeat("a", 10<<10)+`","exp":EXP,"iat":IAT}`, "longer than")
	refuseBoth(t, headerTemplate, "{\"uid\":\"alice\xff\",\"exp\":EXP,\"iat\":IAT}", "not UTF-8")
	refuseBoth(t, headerTemplate, "{\"uid\":\"alice\xed\xa0\x80\",\"exp\":EXP,\"iat\":IAT}", "not UTF-8")
	refuseBoth(t, headerTemplate, "{\"uid\":\"alice\x00\",\"exp\":EXP,\"iat\":IAT}", "not JSON")
}

func testDuplicateClaims(t *testing.T) {
	for _, claims := range []string{
		`{"uid":"root","uid":UID,"exp":EXP}`, `{"uid":UID,"uid":"root","exp":EXP}`, `{"uid":UID,"uid":UID,"exp":EXP,"iat":IAT}`, `{"uid":UID,"\u0075id":"root","exp":EXP}`,
		`{"uid":UID,"exp":EXP,"exp":1}`, `{"uid":UID,"exp":1,"exp":EXP}`, `{"uid":UID,"exp":EXP,"iat":IAT,"iat":1}`, `{"uid":UID,"exp":EXP,"x":1,"x":1}`,
	} {
		refuseBoth(t, headerTemplate, claims, "duplicate member")
	}
}

func testClaimsInAnotherCase(t *testing.T) {
	for _, claims := range []string{`{"Uid":UID,"exp":EXP,"iat":IAT}`, `{"uid":UID,"\u0045XP":EXP,"iat":IAT}`, `{"uid":UID,"exp":EXP,"Iat":IAT}`, `{"uid":UID,"Uid":"root","exp":EXP}`, `{"uid":UID,"Exp":EXP,"exp":EXP}`} {
		auth, login := fill(headerTemplate, claims)
		refuseAuth(t, auth, "is not a") // user id, or whole number
		refuseLogin(t, login, "spelled in another case")
	}
	_, login := fill(headerTemplate, `{"uid":UID,"exp":EXP,"Nbf":1}`)
	refuseLogin(t, login, "nbf is spelled in another case")
}

func testPayloadThatIsNoObject(t *testing.T) {
	for _, claims := range []string{
		`[]`, `null`, `"alice"`, `7`, `true`, `{`, `}`, `{}x`, "x" + claimsTemplate, claimsTemplate + "x", claimsTemplate + "{}", claimsTemplate + " ", " " + claimsTemplate, claimsTemplate + "\n",
		claimsTemplate + "\x00", "\ufeff" + claimsTemplate, "[" + claimsTemplate + "]", `{"uid":UID,"exp":EXP,"iat":IAT,}`, `{"uid":UID "exp":EXP,"iat":IAT}`, `{"uid":UID,,"exp":EXP,"iat":IAT}`, `{'uid':UID,"exp":EXP,"iat":IAT}`,
		`{"uid":UID,"exp":EXP,"iat":IAT}//}`, `{"uid":UID,"exp":EXP,"iat":IAT}}`, `{"uid":UID,"exp":EXP,"iat":IAT],"x":{}}`,
	} {
		refuseBoth(t, headerTemplate, claims, "claims: ")
	}
	refuseBoth(t, headerTemplate, "", "segment 2 is empty")
	refuseBoth(t, headerTemplate, `{"uid":UID,"exp":EXP,"x":[[[[[[[{}]]]]]]],"iat":IAT}`, "nested too deeply")
	if _, login := fill(headerTemplate, `{"uid":UID,"exp":EXP,"x":[[[[[[{}]]]]]],"y":"\"[[[[[[[[["}`); func() error { _, err := verifySvc(login, LoginOptions{}); return err }() != nil {
		t.Error("a claim nested 8 deep, or brackets in a string, are refused")
	}
	refuseBoth(t, headerTemplate, `{}`, "")
}

func testAnotherClustersToken(t *testing.T) {
	raw := abroad().authToken(goodClaims())
	if err := verifyAuth(raw); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("another cluster's token: %v, want ErrUnknownKey", err)
	}
	refuseAuth(t, sign(abroad().private, home().header(), goodClaims()), "signature is invalid") // under our kid
}

func testAnotherAccountsLogin(t *testing.T) {
	raw := loginToken(goodLogin())
	for _, uid := range []string{"other", "SVC", "svc ", "", "sv"} {
		_, err := VerifyServiceLogin(publicPEM(&service().PublicKey), raw, uid, now, LoginOptions{})
		refused(t, "login as "+uid, err, "another account", raw)
	}
}

func testTokensOfTheOtherKind(t *testing.T) {
	auth := home().authToken(goodClaims())
	refuseLogin(t, loginToken(`{"uid":"alice"}`), "another account")
	_, err := VerifyServiceLogin(publicPEM(&service().PublicKey), auth, "alice", now, LoginOptions{})
	refused(t, "auth token as login token", err, "signature is invalid", auth)
	// An account that was given the cluster's own public key must not turn auth tokens into logins.
	stolen := publicPEM(&home().private.PublicKey)
	_, err = VerifyServiceLogin(stolen, auth, "alice", now, LoginOptions{Keys: home().source()})
	refused(t, "auth token as login token of an account with the cluster's key", err, "an auth token", auth)
	bare := sign(home().private, loginHeader, goodClaims()) // the same without kid
	_, err = VerifyServiceLogin(stolen, bare, "alice", now, LoginOptions{Keys: home().source()})
	refused(t, "token without kid of an account with the cluster's key", err, "an auth token", bare)
	// And the reverse: a service's token, even in the exact shape of an auth token.
	refuseAuth(t, loginToken(goodLogin()), "claims are not")
	refuseAuth(t, loginToken(goodClaims()), "kid is not one of ours")
	refuseAuth(t, sign(service(), home().header(), goodClaims()), "signature is invalid")
	raw := sign(service(), strings.Replace(home().header(), home().key.KID, KID(&service().PublicKey), 1), goodClaims())
	if err := verifyAuth(raw); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("service token under its own kid: %v, want ErrUnknownKey", err)
	}
}

func testReplacedServiceKey(t *testing.T) {
	raw := loginToken(goodLogin())
	if _, err := verifySvc(raw, LoginOptions{}); err != nil {
		t.Fatalf("before: %v", err)
	}
	_, err := VerifyServiceLogin(publicPEM(&abroad().private.PublicKey), raw, "svc", now, LoginOptions{})
	refused(t, "after the account's key was replaced", err, "signature is invalid", raw)
}
