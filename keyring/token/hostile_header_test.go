package token

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func testNoAlgorithm(t *testing.T) {
	for _, alg := range []string{"none", "None", "nOnE", "NONE", ""} {
		header := strings.Replace(headerTemplate, "RS256", alg, 1)
		refuseBoth(t, header, claimsTemplate, "alg is not RS256")
		auth, login := fill(header, claimsTemplate)
		for _, end := range []string{".", ""} {
			unsigned := func(raw string) string { return raw[:strings.LastIndex(raw, ".")] + end }
			refuseAuth(t, unsigned(auth), "segment")
			refuseLogin(t, unsigned(login), "segment")
		}
	}
	reshapeBoth(t, func(raw string) string { return raw[:strings.LastIndex(raw, ".")+1] }, "segment 3 is empty")
}

func testSymmetricAlgorithms(t *testing.T) {
	pub := &home().private.PublicKey
	der := home().key.PublicKey
	for _, secret := range []string{publicPEM(pub), strings.TrimSpace(publicPEM(pub)), string(der), jwk("", pub).N, string(pub.N.Bytes()), ""} {
		for _, alg := range []string{"HS256", "RS256"} {
			text := b64(strings.Replace(home().header(), "RS256", alg, 1)) + "." + b64(goodClaims())
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(text))
			raw := text + "." + b64(string(mac.Sum(nil)))
			why := map[string]string{"HS256": "alg is not RS256", "RS256": "signature is invalid"}[alg]
			refuseAuth(t, raw, why)
			_, err := VerifyServiceLogin(publicPEM(pub), raw, "alice", now, LoginOptions{})
			refused(t, "login token signed with HMAC", err, why, raw)
		}
	}
}

func testOtherAlgorithms(t *testing.T) {
	for _, alg := range []string{"RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA", "rs256", "RS256 ", "RS256\\u0000"} {
		refuseBoth(t, strings.Replace(headerTemplate, "RS256", alg, 1), claimsTemplate, "alg is not RS256")
	}
	// The same with signatures that are right for what the header says.
	text := func(alg string) string {
		return b64(strings.Replace(home().header(), "RS256", alg, 1)) + "." + b64(goodClaims())
	}
	long := sha512.Sum512([]byte(text("RS512")))
	refuseAuth(t, text("RS512")+"."+b64(string(must(rsa.SignPKCS1v15(nil, home().private, crypto.SHA512, long[:])))), "alg is not RS256")
	for _, alg := range []string{"PS256", "RS256"} { // PSS under an RS256 header too
		short := sha256.Sum256([]byte(text(alg)))
		raw := text(alg) + "." + b64(string(must(rsa.SignPSS(rand.Reader, home().private, crypto.SHA256, short[:], nil))))
		refuseAuth(t, raw, map[string]string{"PS256": "alg is not RS256", "RS256": "signature is invalid"}[alg])
	}
	refuseBoth(t, `{"alg":"RS256",KID,"typ":"JWE"}`, claimsTemplate, "typ is not JWT")
	refuseBoth(t, `{"alg":"RS256",KID,"typ":null}`, claimsTemplate, "typ is not JWT")
}

func testDuplicateAlg(t *testing.T) {
	for _, header := range []string{
		`{"alg":"none","alg":"RS256",KID,"typ":"JWT"}`,
		`{"alg":"RS256","alg":"none",KID,"typ":"JWT"}`,
		`{"alg":"RS256","alg":"RS256",KID}`,
		`{"alg":"RS256","\u0061lg":"none",KID}`,
		`{"alg":"RS256",KID,KID}`,
		`{"alg":"RS256",KID,"typ":"JWT","typ":"JWT"}`,
	} {
		refuseBoth(t, header, claimsTemplate, "duplicate member")
	}
	for _, header := range []string{`{"ALG":"none","alg":"RS256",KID}`, `{"alg":"RS256","Alg":"RS256",KID}`, `{"alg":"RS256",KID,"TYP":"JWT"}`, `{"alg ":"RS256","alg":"RS256",KID}`} {
		refuseBoth(t, header, claimsTemplate, "a member other than")
	}
	refuseBoth(t, `{"ALG":"RS256",KID}`, claimsTemplate, "a member other than")
}

func testAlgOfAnotherType(t *testing.T) {
	for _, alg := range []string{`["RS256"]`, `256`, `null`, `true`, `{"RS256":1}`, `""`} {
		refuseBoth(t, `{"alg":`+alg+`,KID,"typ":"JWT"}`, claimsTemplate, "alg is not RS256")
	}
	refuseBoth(t, `{KID,"typ":"JWT"}`, claimsTemplate, "alg is not RS256")
	for _, header := range []string{`[]`, `null`, `"RS256"`, `{"alg":"RS256",KID`, `{"alg":"RS256",KID}{}`, "\ufeff" + `{"alg":"RS256",KID}`, "{\"alg\":\"RS256\",KID,\"typ\":\"\xff\"}"} {
		refuseBoth(t, header, claimsTemplate, "header")
	}
}

func testKidIsNeverAPath(t *testing.T) {
	for _, kid := range []string{`"../../etc/passwd"`, `"' OR 1=1 --"`, `"x\u0000y"`, `"` + strings.ToUpper(home().key.KID) + `0"`, `"` + home().key.KID[:63] + `"`, `""`} {
		auth, login := fill(`{"alg":"RS256","kid":`+kid+`,"typ":"JWT"}`, claimsTemplate)
		refuseAuth(t, auth, "kid is not one of ours")
		if _, err := verifySvc(login, LoginOptions{Keys: home().source()}); err != nil { // a service names its keys as it likes
			t.Errorf("login token with kid %s: %v, want it ignored", kid, err)
		}
	}
	for _, kid := range []string{`7`, `null`, `[]`, `"` + strings.Repeat("k", 257) + `"`} {
		refuseBoth(t, `{"alg":"RS256","kid":`+kid+`,"typ":"JWT"}`, claimsTemplate, "kid is not a string")
	}
	refuseBoth(t, `{"alg":"RS256","kid":"`+strings.Repeat("k", 1<<20)+`"}`, claimsTemplate, "longer than")
	auth, _ := fill(`{"alg":"RS256","typ":"JWT"}`, claimsTemplate)
	refuseAuth(t, auth, "kid is not one of ours")
	for _, kid := range []string{strings.ToUpper(home().key.KID), strings.Repeat("0", 64), strings.Repeat("../", 21) + "x"} {
		raw, _ := fill(`{"alg":"RS256","kid":"`+kid+`"}`, claimsTemplate)
		if err := verifyAuth(raw); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("kid %s: %v, want ErrUnknownKey", kid, err)
		}
	}
}

func testRetiredKey(t *testing.T) {
	v := NewVerifier(0)
	raw := home().authToken(goodClaims())
	if _, err := v.Verify(home().source(), raw, now); err != nil {
		t.Fatalf("before: %v", err)
	}
	for _, src := range []Source{keys{abroad().key}, keys{}} { // although its signature is remembered
		if claims, err := v.Verify(src, raw, now); !errors.Is(err, ErrUnknownKey) || claims != (Claims{}) {
			t.Errorf("after the key was removed: %+v, %v, want ErrUnknownKey", claims, err)
		}
	}
}

func testKeysInTheHeader(t *testing.T) {
	mine := jwk("", &service().PublicKey)
	embedded := fmt.Sprintf(`{"kty":"RSA","n":"%s","e":"%s"}`, mine.N, mine.E)
	for name, value := range map[string]string{
		"jwk": embedded, "jku": `"http://127.0.0.1:1/jwks"`, "x5u": `"http://127.0.0.1:1/cert"`, "x5c": `["MIIB"]`, "x5t": `"x"`, "x5t#S256": `"x"`,
		"cty": `"JWT"`, "zip": `"DEF"`, "enc": `"A128GCM"`, "url": `"x"`, "nonce": `"x"`, "": `1`,
	} {
		header := `{"alg":"RS256",KID,"` + name + `":` + value + `}`
		refuseBoth(t, header, claimsTemplate, "a member other than")
		// and signed by the key that it brings along
		refuseAuth(t, sign(service(), strings.ReplaceAll(header, "KID", `"kid":"`+home().key.KID+`"`), goodClaims()), "a member other than")
	}
	refuseAuth(t, sign(service(), home().header(), goodClaims()), "signature is invalid")
}

func testCriticalHeaders(t *testing.T) {
	for _, members := range []string{`"crit":["x"]`, `"crit":["x"],"x":1`, `"crit":["b64"],"b64":false`, `"b64":false`, `"b64":true`, `"crit":[]`, `"crit":null`, `"crit":["exp"]`} {
		refuseBoth(t, `{"alg":"RS256",KID,`+members+`}`, claimsTemplate, "a member other than")
	}
}

func testSpaceAround(t *testing.T) {
	for _, space := range []string{"\n", "\r", "\r\n", " ", "\t", "\v", "\x00", "\u00a0", "\u200b", "\ufeff", "\""} {
		reshapeBoth(t, func(raw string) string { return raw + space }, "")
		reshapeBoth(t, func(raw string) string { return space + raw }, "")
		reshapeBoth(t, func(raw string) string { return strings.Replace(raw, ".", "."+space, 1) }, "")
		reshapeBoth(t, func(raw string) string { return strings.Replace(raw, ".", space+".", 1) }, "")
		reshapeBoth(t, func(raw string) string { return raw[:len(raw)/2] + space + raw[len(raw)/2:] }, "")
		reshapeBoth(t, func(raw string) string { return raw[:10] + space + raw[10:] }, "")
	}
}

func testOtherBase64(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	reshapeBoth(t, func(raw string) string { return raw + "==" }, "segment 3")
	reshapeBoth(t, func(raw string) string { return strings.Replace(raw, ".", "=.", 1) }, "segment 1")
	reshapeBoth(t, func(raw string) string { return strings.NewReplacer("-", "+", "_", "/").Replace(raw + "-") }, "segment 3")
	// 256 bytes of signature leave four unused bits in the last character: 15 other spellings of the same signature.
	for flip := 1; flip < 16; flip++ {
		reshapeBoth(t, func(raw string) string {
			last := strings.IndexByte(alphabet, raw[len(raw)-1])
			return raw[:len(raw)-1] + string(alphabet[last^flip])
		}, "segment 3")
	}
	// The same in the header and in the claims, signed as spelled.
	header, claims := b64(home().header()+" "), b64(goodClaims())
	for name, text := range map[string]string{"padded": header + "=." + claims, "malleable": header[:len(header)-1] + "B." + claims} {
		raw := signText(home().private, text)
		t.Run(name, func(t *testing.T) { refuseAuth(t, raw, "segment 1") })
	}
}

func testOtherSegments(t *testing.T) {
	reshapeBoth(t, func(raw string) string { return raw[:strings.LastIndex(raw, ".")] }, "not three segments")
	reshapeBoth(t, func(raw string) string { return raw + ".x" }, "not three segments")
	reshapeBoth(t, func(raw string) string { return raw + "." }, "not three segments")
	reshapeBoth(t, func(raw string) string { return "." + raw }, "not three segments")
	reshapeBoth(t, func(raw string) string { return raw + ".x.y" }, "not three segments")
	reshapeBoth(t, func(raw string) string { parts := strings.Split(raw, "."); return parts[0] + ".." + parts[2] }, "segment 2 is empty")
	reshapeBoth(t, func(string) string { return "" }, "not three segments")
	reshapeBoth(t, func(string) string { return ".." }, "segment 1 is empty")
	reshapeBoth(t, func(string) string { return "null" }, "not three segments")
}

func testHugeTokens(t *testing.T) {
	nested := `{"uid":"alice","x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
	small := `{"uid":UID,"exp":EXP,"iat":IAT,"x":` + strings.Repeat("[", 2_500) + strings.Repeat("]", 2_500) + `}`
	many := `{"uid":UID,"exp":EXP`
	for i := range 400 {
		many += fmt.Sprintf(`,"a%d":1`, i)
	}
	nestedAuth, nestedLogin := fill(headerTemplate, small)
	manyAuth, manyLogin := fill(headerTemplate, many+"}")
	for name, raw := range map[string]string{
		"dots": strings.Repeat(".", 1<<20), "dots that fit": strings.Repeat(".", maxSize), "header": b64(`{"alg":"RS256","x":"`+strings.Repeat("x", 1<<20)+`"}`) + ".e30.AA",
		"nested": b64(home().header()) + "." + b64(nested) + ".AA", "nested auth": nestedAuth, "nested login": nestedLogin, "many auth": manyAuth, "many login": manyLogin,
	} {
		cost(t, name, func() {
			_, err := verifySvc(raw, LoginOptions{})
			if authErr := verifyAuth(raw); !errors.Is(authErr, ErrInvalid) || !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: auth %v, login %v", name, authErr, err)
			}
		})
	}
}

// cost checks that f needs less than 25 ms, at best of five, and less than 1 MiB.
func cost(t *testing.T, name string, f func()) {
	t.Helper()
	best, least := time.Hour, uint64(1<<62)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		f()
		best = min(best, time.Since(start))
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	if best > 25*time.Millisecond || least > 1<<20 {
		t.Errorf("%s: %v and %d bytes, want under 25 ms and 1 MiB", name, best, least)
	}
}
