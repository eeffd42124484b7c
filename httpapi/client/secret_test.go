package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/client"
)

// sharedKey is made once: a key of RSA takes its time.
var sharedKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func serviceKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := sharedKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const endpoint = "https://master.mesos/acs/api/v1/auth/login"

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func pkcs1(key *rsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEverySpellingOfALoginSecretIsRead(t *testing.T) {
	key := serviceKey(t)
	want := client.LoginSecret{UID: "a-service", PrivateKey: pkcs8(t, key), LoginEndpoint: endpoint, Scheme: "RS256"}
	with := func(privatePEM string, more map[string]any) string {
		members := map[string]any{"uid": "a-service", "private_key": privatePEM, "login_endpoint": endpoint}
		for name, value := range more {
			members[name] = value
		}
		return jsonOf(t, members)
	}
	for name, text := range map[string]string{
		"as documented":             with(pkcs8(t, key), map[string]any{"scheme": "RS256"}),
		"as the user interface":     with(pkcs8(t, key), map[string]any{"schema": "RS256"}),
		"without a scheme":          with(pkcs8(t, key), nil),
		"with further members":      with(pkcs8(t, key), map[string]any{"scheme": "RS256", "comment": []int{1}}),
		"PKCS#1":                    with(pkcs1(key), map[string]any{"scheme": "RS256"}),
		"without newline after PEM": with(strings.TrimSpace(pkcs8(t, key)), nil),
		"inside a string":           jsonOf(t, with(pkcs8(t, key), nil)),
	} {
		got, err := client.ParseLoginSecret([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		type plain client.LoginSecret // whose fields cmp may see
		if diff := cmp.Diff(plain(want), plain(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestEverythingThatIsWrongWithALoginSecretIsSaid(t *testing.T) {
	_, err := client.ParseLoginSecret([]byte(`{"scheme":"HS256","private_key":"nothing","login_endpoint":"master.mesos"}`))
	for _, want := range []string{"uid is missing", `"HS256"`, "private_key is no PEM", "login_endpoint is no URL"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestBrokenLoginSecretsAreRefused(t *testing.T) {
	key := serviceKey(t)
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := client.PublicKeyPEM(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	secret := func(privatePEM, endpoint string) string {
		return jsonOf(t, map[string]string{"uid": "a", "private_key": privatePEM, "login_endpoint": endpoint})
	}
	for name, text := range map[string]string{
		"no JSON":             "uid=a",
		"empty":               "",
		"null":                "null",
		"a list":              "[]",
		"number as uid":       `{"uid":7}`,
		"a public key":        secret(public, endpoint),
		"an elliptic key":     secret(pkcs8(t, elliptic), endpoint),
		"half a key":          secret(pkcs8(t, key)[:300]+"\n-----END PRIVATE KEY-----\n", endpoint),
		"an encrypted key":    secret(strings.ReplaceAll(pkcs8(t, key), "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), endpoint),
		"file endpoint":       secret(pkcs8(t, key), "file:///etc/passwd"),
		"endpoint with user":  secret(pkcs8(t, key), "https://u:p@master.mesos/"),
		"endpoint, no host":   secret(pkcs8(t, key), "https:///acs"),
		"longer than allowed": `{"uid":"` + strings.Repeat("a", 65<<10) + `"}`,
	} {
		if got, err := client.ParseLoginSecret([]byte(text)); err == nil || got != (client.LoginSecret{}) {
			t.Errorf("%s: got %v, want an error", name, err)
		} else if strings.Contains(err.Error(), "MII") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestALoginSecretIsWrittenAsSDKsReadIt(t *testing.T) {
	key, publicPEM, err := client.NewServiceKey()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := client.NewLoginSecret("a-service", key, endpoint)
	if err != nil {
		t.Fatal(err)
	}
	text, err := secret.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]string
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"uid": "a-service", "private_key": pkcs8(t, key), "login_endpoint": endpoint, "scheme": "RS256"}
	if diff := cmp.Diff(want, members); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	block, _ := pem.Decode([]byte(publicPEM))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || !key.PublicKey.Equal(parsed) || key.N.BitLen() != 2048 {
		t.Errorf("the public PEM is not that of the key of %d bits: %v", key.N.BitLen(), err)
	}
	if back, err := client.ParseLoginSecret(text); err != nil || back != secret {
		t.Errorf("read back: %v", err)
	}
	if base, err := secret.Base(); err != nil || base != "https://master.mesos" {
		t.Errorf("got the base %q, %v", base, err)
	}
}

// What LoginURL makes of a base URL, Base takes apart again, wherever a balancer keeps the API.
func TestTheBaseOfALoginEndpointIsWhatItWasMadeOf(t *testing.T) {
	key := serviceKey(t)
	for _, base := range []string{"https://master.mesos", "http://[::1]:8101", "https://balancer/iam", "https://balancer/a%2Fb/c"} {
		endpoint, err := client.LoginURL(base + "/")
		if err != nil {
			t.Fatal(err)
		}
		secret, err := client.NewLoginSecret("a-service", key, endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := secret.Base(); got != base || err != nil {
			t.Errorf("%s: got %q, %v", base, got, err)
		}
	}
	for endpoint, want := range map[string]string{
		"https://h/p/acs/api/v1/auth/login/?target=x": "https://h/p", "https://h/elsewhere": "https://h", "https://h": "https://h",
	} {
		if got, err := (client.LoginSecret{LoginEndpoint: endpoint}).Base(); got != want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", endpoint, got, err, want)
		}
	}
}

// Whatever is read is canonical: writing and reading it again changes nothing.
func FuzzLoginSecret(f *testing.F) {
	key := serviceKey(f)
	f.Add([]byte(jsonOf(f, map[string]string{"uid": "a", "private_key": pkcs8(f, key), "login_endpoint": endpoint, "schema": "RS256"})))
	f.Add([]byte(jsonOf(f, map[string]string{"uid": "a", "private_key": pkcs1(key), "login_endpoint": "http://[::1]:8101/x?y#z"})))
	f.Add([]byte(`"{}"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		secret, err := client.ParseLoginSecret(data)
		if err != nil {
			return
		}
		text, err := secret.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := client.ParseLoginSecret(text); err != nil || again != secret {
			t.Errorf("read back: %v", err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, secret), "PRIVATE KEY") {
			t.Error("the key is printed")
		}
	})
}
