package token

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestHostile holds the cases about tokens and keys that are decided here, by their ids.
func TestHostile(t *testing.T) {
	for _, c := range []struct {
		id  string
		run func(*testing.T)
	}{
		{"J1", testNoAlgorithm}, {"J2", testSymmetricAlgorithms}, {"J3", testOtherAlgorithms}, {"J4", testDuplicateAlg}, {"J5", testAlgOfAnotherType},
		{"J6", testKidIsNeverAPath}, {"J7", testRetiredKey}, {"J8", testKeysInTheHeader}, {"J9", testCriticalHeaders},
		{"J10", testNoExpiry}, {"J11", testExpiryOfAnotherType}, {"J12", testExpiryOutOfRange}, {"J13", testFarExpiry}, {"J14", testExpiryEdges},
		{"J15", testIssuedInTheFuture}, {"J16", testUIDOfAnotherType}, {"J17", testUIDThatIsNone}, {"J18", testDuplicateClaims}, {"J19", testClaimsInAnotherCase},
		{"J20", testPayloadThatIsNoObject}, {"J21", testSpaceAround}, {"J22", testOtherBase64}, {"J23", testOtherSegments}, {"J24", testHugeTokens},
		{"J25", testAnotherClustersToken}, {"J26", testAnotherAccountsLogin}, {"J27", testTokensOfTheOtherKind}, {"J28", testReplacedServiceKey},
		{"J29", testPublicKeysAreHeldToAMinimum}, {"J34", testJWKSEncoding},
	} {
		t.Run(c.id, c.run)
	}
}

// The templates of the cases below: KID is replaced by a kid member that fits, UID, EXP and IAT by values that do. Filled in
// and signed they make a good auth token of home and a good login token of svc, so that what a case changes is all that is
// wrong with it.
const (
	headerTemplate = `{"alg":"RS256",KID,"typ":"JWT"}`
	claimsTemplate = `{"uid":UID,"exp":EXP,"iat":IAT}`
)

func TestTheTemplatesOfTheHostileCasesAreGood(t *testing.T) {
	auth, login := fill(headerTemplate, claimsTemplate)
	if err := verifyAuth(auth); err != nil {
		t.Errorf("auth token: %v", err)
	}
	if _, err := verifySvc(login, LoginOptions{RefuseLongLived: true, Keys: home().source()}); err != nil {
		t.Errorf("login token: %v", err)
	}
}

// fill signs a header and claims as an auth token and as a login token.
func fill(header, claims string) (auth, login string) {
	times := strings.NewReplacer("EXP", fmt.Sprint(now.Unix()+300), "IAT", fmt.Sprint(now.Unix()))
	claims = times.Replace(claims)
	auth = sign(home().private, strings.ReplaceAll(header, "KID", `"kid":"`+home().key.KID+`"`), strings.ReplaceAll(claims, "UID", `"alice"`))
	login = sign(service(), strings.ReplaceAll(header, "KID", `"kid":"svc-1"`), strings.ReplaceAll(claims, "UID", `"svc"`))
	return auth, login
}

func verifyAuth(raw string) error {
	claims, err := NewVerifier(0).Verify(home().source(), raw, now)
	if err != nil && claims != (Claims{}) {
		return errors.New("claims of a refused token were returned")
	}
	return err
}

// refused checks that an error is ErrInvalid, for the reason that the case is about, and quotes nothing of the token.
func refused(t *testing.T, what string, err error, why, raw string) {
	t.Helper()
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v, want ErrInvalid saying %q", what, err, why)
		return
	}
	noLeak(t, err, raw)
}

// refuseAuth and refuseLogin check one raw token.
func refuseAuth(t *testing.T, raw, why string) {
	t.Helper()
	refused(t, fmt.Sprintf("auth token %.60q", raw), verifyAuth(raw), why, raw)
}

func refuseLogin(t *testing.T, raw, why string) {
	t.Helper()
	claims, err := verifySvc(raw, LoginOptions{})
	refused(t, fmt.Sprintf("login token %.60q", raw), err, why, raw)
	if claims != (LoginClaims{}) {
		t.Error("claims of a refused login token were returned")
	}
}

// refuseBoth signs header and claims, correctly, both ways and checks that neither is accepted.
func refuseBoth(t *testing.T, header, claims, why string) {
	t.Helper()
	auth, login := fill(header, claims)
	refused(t, "auth token "+header+claims, verifyAuth(auth), why, auth)
	_, err := verifySvc(login, LoginOptions{})
	refused(t, "login token "+header+claims, err, why, login)
}

// reshapeBoth changes the text of a good token of each kind and checks that neither is accepted.
func reshapeBoth(t *testing.T, change func(string) string, why string) {
	t.Helper()
	auth, login := fill(headerTemplate, claimsTemplate)
	refuseAuth(t, change(auth), why)
	refuseLogin(t, change(login), why)
}
