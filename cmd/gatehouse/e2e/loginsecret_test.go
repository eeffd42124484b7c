//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
	"gatehouse/httpapi/client"
)

// sdk does with a login secret what the SDK for Go does (contract 2.3, 6.8), byte for byte on the wire: it logs in before the first
// request and after every 401, repeats the request once, and takes any login that is not 200 for a failure.
type sdk struct {
	uid, endpoint string
	key           *rsa.PrivateKey
	life          time.Duration
	http          *http.Transport
	token         string
	expires       time.Time
	logins        int
}

// newSDK reads the secret from its file, as services find it, by the three members that the SDK knows.
func newSDK(path string, life time.Duration) (*sdk, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var secret struct {
		UID      string `json:"uid"`
		Key      string `json:"private_key"`
		Endpoint string `json:"login_endpoint"`
	}
	if err := json.Unmarshal(file, &secret); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(secret.Key))
	if block == nil || secret.UID == "" || secret.Endpoint == "" {
		return nil, errors.New("the secret lacks something")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	s := &sdk{uid: secret.UID, endpoint: secret.Endpoint, key: key.(*rsa.PrivateKey), life: life, http: &http.Transport{}}
	return s, s.login()
}

// sign makes the login token as its JOSE library spells it: an empty kid in the header, the claims by name.
func (s *sdk) sign(expires time.Time) (string, error) {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","kid":"","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil, `{"exp":%d,"uid":%q}`, expires.Unix(), s.uid))
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
	return text + "." + encode(signature), err
}

func (s *sdk) login() error {
	expires := time.Now().Add(s.life)
	signed, err := s.sign(expires)
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"uid":%q,"token":%q,"exp":%d}`, s.uid, signed, expires.Unix())
	request, err := http.NewRequest(http.MethodPost, s.endpoint, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	request.Header.Add("Content-type", "application/json")
	response, err := s.http.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("login: got %d, want 200", response.StatusCode)
	}
	var answer struct{ Token string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	s.token, s.expires = answer.Token, time.Unix(expires.Unix(), 0)
	s.logins++
	return nil
}

// RoundTrip sends the request, and once more after a login when the answer is 401.
func (s *sdk) RoundTrip(request *http.Request) (*http.Response, error) {
	request.Header.Set("User-Agent", "dcos-go")
	request.Header.Set("Authorization", "token="+s.token)
	response, err := s.http.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	response.Body.Close()
	if err := s.login(); err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "token="+s.token)
	return s.http.RoundTrip(request)
}

// serviceWithSecret creates a service account, and a file with its login secret whose endpoint is that of at.
func serviceWithSecret(t *testing.T, c *rig.Cluster, uid string, at *rig.Master) (path string) {
	t.Helper()
	key, publicPEM, err := client.NewServiceKey()
	if err != nil {
		t.Fatal(err)
	}
	putUser(t, c, at, uid, map[string]string{"public_key": publicPEM})
	endpoint := must[string](t)(client.LoginURL(at.API))
	secret := must[client.LoginSecret](t)(client.NewLoginSecret(uid, key, endpoint))
	path = filepath.Join(t.TempDir(), "login-secret.json")
	if err := os.WriteFile(path, must[[]byte](t)(secret.JSON()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Services that live on tokens of two seconds, as the SDK's example does, log in at each of the masters and are served by another.
// None of them ever sees anything but 200.
func TestALoginSecretKeepsAnSDKLoggedIn(t *testing.T) {
	const renewals, atLeast = 3, 6 * time.Second
	c := shared(t)
	var services sync.WaitGroup
	for i, m := range c.Masters {
		uid, other := named(t, m.Name), c.Masters[(i+1)%len(c.Masters)]
		path := serviceWithSecret(t, c, uid, m)
		services.Go(func() {
			s, err := newSDK(path, 2*time.Second)
			if err != nil {
				t.Errorf("%s: %v", uid, err)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			answers := 0
			for began := time.Now(); time.Since(began) < atLeast || s.logins <= renewals; answers++ {
				if err := s.readOwn(ctx, other, uid); err != nil {
					t.Errorf("%s after %d answers and %d logins: %v", uid, answers, s.logins, err)
					return
				}
				_ = rig.Pause(ctx, 50*time.Millisecond)
			}
			t.Logf("%s: %d answers of %s with %d logins at %s", uid, answers, other.Name, s.logins, m.Name)
		})
	}
	services.Wait()
}

func (s *sdk) readOwn(ctx context.Context, m *rig.Master, uid string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, ownURL(m, uid), nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: s}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusUnauthorized && !time.Now().Before(s.expires):
		return nil // this machine was so slow that the new token has expired on its way
	case response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"array": []`)):
		return fmt.Errorf("got %d %s, want 200 and no groups", response.StatusCode, body)
	}
	return nil
}

// A login with anything wrong in it is 401, so that the SDK gives up and does not ask for ever.
func TestAnSDKWithAnotherKeyIsRefused(t *testing.T) {
	c := shared(t)
	uid := named(t, "service")
	path := serviceWithSecret(t, c, uid, c.Masters[0])
	s, err := newSDK(path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if s.key, _, err = client.NewServiceKey(); err != nil {
		t.Fatal(err)
	}
	if err := s.login(); err == nil || err.Error() != "login: got 401, want 200" {
		t.Errorf("got %v, want 401", err)
	}
}
