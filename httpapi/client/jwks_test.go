package client_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/httpapi/client"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func jwkOf(kid string, key *rsa.PublicKey) client.JWK {
	encode := base64.RawURLEncoding.EncodeToString
	return client.JWK{KID: kid, KTY: "RSA", N: encode(key.N.Bytes()), E: encode(big.NewInt(int64(key.E)).Bytes()), Alg: "RS256", Use: "sig"}
}

// sign makes a token with that header and payload, whatever they are.
func sign(t testing.TB, key *rsa.PrivateKey, header, payload string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(payload))
	signature, err := jwt.SigningMethodRS256.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

func payload(expires time.Time) string {
	return fmt.Sprintf(`{"uid":"alice","exp":%d,"iat":%d}`, expires.Unix(), noon.Add(-time.Hour).Unix())
}

const header = `{"alg":"RS256","kid":"one","typ":"JWT"}`

func TestGoodTokensAreVerifiedOffline(t *testing.T) {
	key := serviceKey(t)
	other, _, err := client.NewServiceKey()
	if err != nil {
		t.Fatal(err)
	}
	keys := client.JWKS{Keys: []client.JWK{jwkOf("two", &other.PublicKey), jwkOf("one", &key.PublicKey)}}
	for name, h := range map[string]string{"with a key id": header, "without": `{"alg":"RS256","typ":"JWT"}`} {
		claims, err := client.VerifyToken(keys, sign(t, key, h, payload(noon.Add(time.Second))), noon)
		if err != nil || claims.UID != "alice" || !claims.Expires.Equal(noon.Add(time.Second)) || !claims.IssuedAt.Equal(noon.Add(-time.Hour)) {
			t.Errorf("%s: got %+v, %v", name, claims, err)
		}
	}
}

func TestATokenWithoutAKeyIDIsRefusedInWords(t *testing.T) {
	key := serviceKey(t)
	raw, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"uid": "alice", "exp": noon.Add(time.Hour).Unix()}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	other := jwkOf("one", &key.PublicKey)
	other.Use = "enc"
	_, err = client.VerifyToken(client.JWKS{Keys: []client.JWK{other}}, raw, noon)
	if err == nil || !strings.Contains(err.Error(), "names no key, and none of the 1 of the JWKS is for tokens") {
		t.Errorf("got %v", err)
	}
}

func TestOtherTokensAreNot(t *testing.T) {
	key := serviceKey(t)
	keys := client.JWKS{Keys: []client.JWK{jwkOf("one", &key.PublicKey)}}
	good := payload(noon.Add(time.Hour))
	hmac := func(secret []byte) string {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"uid": "alice", "exp": noon.Add(time.Hour).Unix()})
		token.Header["kid"] = "one"
		raw, err := token.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	by := func(method jwt.SigningMethod) string {
		token := jwt.NewWithClaims(method, jwt.MapClaims{"uid": "alice", "exp": noon.Add(time.Hour).Unix()})
		raw, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	signed := sign(t, key, header, good)
	for name, raw := range map[string]string{
		"empty":                  "",
		"no token":               "a-token",
		"expired":                sign(t, key, header, payload(noon)),
		"without an end":         sign(t, key, header, `{"uid":"alice"}`),
		"end that is text":       sign(t, key, header, `{"uid":"alice","exp":"never"}`),
		"without a uid":          sign(t, key, header, fmt.Sprintf(`{"exp":%d}`, noon.Add(time.Hour).Unix())),
		"uid that is a list":     sign(t, key, header, fmt.Sprintf(`{"uid":["alice"],"exp":%d}`, noon.Add(time.Hour).Unix())),
		"not yet":                sign(t, key, header, fmt.Sprintf(`{"uid":"alice","exp":%d,"nbf":%d}`, noon.Add(time.Hour).Unix(), noon.Add(time.Minute).Unix())),
		"of another key id":      sign(t, key, `{"alg":"RS256","kid":"two"}`, good),
		"key id that is null":    sign(t, key, `{"alg":"RS256","kid":null}`, good),
		"with crit":              sign(t, key, `{"alg":"RS256","kid":"one","crit":["exp"]}`, good),
		"RS512":                  by(jwt.SigningMethodRS512),
		"PS256":                  by(jwt.SigningMethodPS256),
		"none":                   sign(t, key, `{"alg":"none","kid":"one"}`, good),
		"HMAC by the public key": hmac([]byte(keys.Keys[0].N)),
		"without signature":      signed[:strings.LastIndex(signed, ".")+1],
		"padded":                 signed + "=",
		"longer than allowed":    sign(t, key, header, `{"uid":"`+strings.Repeat("a", 16<<10)+`"}`),
	} {
		if claims, err := client.VerifyToken(keys, raw, noon); !errors.Is(err, client.ErrInvalidToken) || claims != (client.Claims{}) {
			t.Errorf("%s: got %+v, %v", name, claims, err)
		}
	}
}

func TestUnfitKeysVerifyNothing(t *testing.T) {
	key := serviceKey(t)
	raw := sign(t, key, header, payload(noon.Add(time.Hour)))
	for name, change := range map[string]func(*client.JWK){
		"for encryption":  func(k *client.JWK) { k.Use = "enc" },
		"of another type": func(k *client.JWK) { k.KTY = "oct" },
		"for RS512":       func(k *client.JWK) { k.Alg = "RS512" },
		"even exponent":   func(k *client.JWK) { k.E = "AA4" },
		"exponent 1":      func(k *client.JWK) { k.E = "AQ" },
		"huge exponent":   func(k *client.JWK) { k.E = k.N },
		"padded":          func(k *client.JWK) { k.E = "AQAB=" },
		"of another id":   func(k *client.JWK) { k.KID = "three" },
	} {
		k := jwkOf("one", &key.PublicKey)
		change(&k)
		if _, err := client.VerifyToken(client.JWKS{Keys: []client.JWK{k}}, raw, noon); !errors.Is(err, client.ErrInvalidToken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAShortKeyVerifiesNothing(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	keys := client.JWKS{Keys: []client.JWK{jwkOf("one", &key.PublicKey)}}
	if _, err := client.VerifyToken(keys, sign(t, key, header, payload(noon.Add(time.Hour))), noon); !errors.Is(err, client.ErrInvalidToken) {
		t.Errorf("got %v", err)
	}
}

func TestAJWKSIsRead(t *testing.T) {
	want := jwkOf("one", &serviceKey(t).PublicKey)
	text, err := json.Marshal(client.JWKS{Keys: []client.JWK{want}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client.ParseJWKS(text); err != nil || len(got.Keys) != 1 || got.Keys[0] != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{"", "{}", "null", `{"keys":[]}`, `{"keys":7}`, "<html>"} {
		if _, err := client.ParseJWKS([]byte(text)); err == nil {
			t.Errorf("%q is taken for a JWKS", text)
		}
	}
}

// No input makes a verifier panic or accept what the key has not signed.
func FuzzVerifyToken(f *testing.F) {
	key := serviceKey(f)
	good := sign(f, key, header, payload(noon.Add(time.Hour)))
	jwks := jsonOf(f, client.JWKS{Keys: []client.JWK{jwkOf("one", &key.PublicKey)}})
	f.Add(good, jwks)
	f.Add(sign(f, key, `{"alg":"none"}`, payload(noon.Add(time.Hour))), jwks)
	f.Add("a.b.c", `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`)
	f.Fuzz(func(t *testing.T, raw, jwks string) {
		if keys, err := client.ParseJWKS([]byte(jwks)); err == nil {
			_, _ = client.VerifyToken(keys, raw, noon)
		}
		keys := client.JWKS{Keys: []client.JWK{jwkOf("one", &key.PublicKey)}}
		if _, err := client.VerifyToken(keys, raw, noon); err == nil && !signedByUs(key, raw) {
			t.Errorf("%q is accepted", raw)
		}
	})
}

// signedByUs repeats the signature, which is deterministic.
func signedByUs(key *rsa.PrivateKey, raw string) bool {
	text := raw[:strings.LastIndex(raw, ".")]
	again, err := jwt.SigningMethodRS256.Sign(text, key)
	return err == nil && raw == text+"."+base64.RawURLEncoding.EncodeToString(again)
}
