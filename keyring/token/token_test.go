package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/keyring"
)

// now is the clock of these tests; a fraction shows where seconds are cut.
var now = time.Date(2026, 3, 4, 5, 6, 7, 500_000_000, time.UTC)

// keys is a Source.
type keys []*iam.SigningKey

func (k keys) SigningKeys() []*iam.SigningKey { return k }

// cluster is a key ring with one active signing key, and that key in clear so that tests can sign whatever they like.
type cluster struct {
	ring    *keyring.Ring
	key     *iam.SigningKey
	private *rsa.PrivateKey
}

// Making RSA keys is slow, so tests share these.
var (
	home    = sync.OnceValue(newCluster)
	abroad  = sync.OnceValue(newCluster)
	service = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func newCluster() *cluster {
	ring := must(keyring.Generate())
	key := must(GenerateSigningKey(ring, now))
	private := must(openSigningKey(ring, key))
	key.Status = iam.Active
	return &cluster{ring, key, private}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (c *cluster) source() Source { return keys{c.key} }

// header is the JSON of the header that this cluster's tokens have.
func (c *cluster) header() string {
	return fmt.Sprintf(`{"alg":"RS256","kid":"%s","typ":"JWT"}`, c.key.KID)
}

// authToken signs any text as an auth token of this cluster.
func (c *cluster) authToken(claims string) string { return sign(c.private, c.header(), claims) }

// goodClaims are those of an auth token of alice that lives for an hour.
func goodClaims() string {
	return fmt.Sprintf(`{"uid":"alice","exp":%d,"iat":%d}`, now.Unix()+3600, now.Unix())
}

// sign makes a compact JWS with a correct RS256 signature over any header and any payload.
func sign(private *rsa.PrivateKey, header, payload string) string {
	return signText(private, b64(header)+"."+b64(payload))
}

// signText appends a correct RS256 signature to any text.
func signText(private *rsa.PrivateKey, text string) string {
	sum := sha256.Sum256([]byte(text))
	signature := must(rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:]))
	return text + "." + b64(string(signature))
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func publicPEM(pub any) string {
	der := must(x509.MarshalPKIXPublicKey(pub))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// loginHeader is what common clients send.
const loginHeader = `{"alg":"RS256","typ":"JWT"}`

// loginToken signs claims with the test service's key.
func loginToken(claims string) string { return sign(service(), loginHeader, claims) }

// goodLogin are claims of the service account svc that live for five minutes.
func goodLogin() string { return fmt.Sprintf(`{"uid":"svc","exp":%d}`, now.Unix()+300) }

// verifyLogin verifies as the service account svc.
func verifySvc(raw string, opts LoginOptions) (LoginClaims, error) {
	return VerifyServiceLogin(publicPEM(&service().PublicKey), raw, "svc", now, opts)
}

// noLeak fails when an error quotes a part of the token.
func noLeak(t *testing.T, err error, raw string) {
	t.Helper()
	for part := range strings.SplitSeq(raw, ".") {
		if len(part) > 16 && strings.Contains(err.Error(), part[:16]) {
			t.Errorf("the error quotes the token: %v", err)
		}
	}
}
