package client

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// serviceKeyBits is what masters ask for at least (contract 9, decision 32), and what every SDK copes with.
const serviceKeyBits = 2048

// maxSecret bounds what ParseLoginSecret reads: a key of 16384 bits fits.
const maxSecret = 64 << 10

// RS256 is the scheme of login secrets.
const RS256 = "RS256"

// LoginSecret is what a service needs to log in, in the form that the SDKs of DC/OS read (contract 6.8).
type LoginSecret struct {
	UID string `json:"uid"`
	// PrivateKey is a PKCS#8 PEM. ParseLoginSecret also reads PKCS#1 and turns it into PKCS#8.
	PrivateKey string `json:"private_key"`
	// LoginEndpoint is the full URL of the login, for example https://master.mesos/acs/api/v1/auth/login.
	LoginEndpoint string `json:"login_endpoint"`
	// Scheme is RS256.
	Scheme string `json:"scheme"`
}

// String leaves the key out.
func (s LoginSecret) String() string { return "login secret of " + s.UID }

// GoString is String.
func (s LoginSecret) GoString() string { return s.String() }

// LogValue leaves the key out.
func (s LoginSecret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// NewLoginSecret describes how uid logs in with key. endpoint is the full URL of the login.
func NewLoginSecret(uid string, key *rsa.PrivateKey, endpoint string) (LoginSecret, error) {
	privatePEM, err := encodeKey(key)
	if err != nil {
		return LoginSecret{}, err
	}
	s := LoginSecret{UID: uid, PrivateKey: privatePEM, LoginEndpoint: endpoint, Scheme: RS256}
	return s, s.check()
}

// LoginURL is the login endpoint below a base URL, as a login secret names it.
func LoginURL(base string) (string, error) {
	u, err := parseBase(base)
	if err != nil {
		return "", err
	}
	return u + loginPath, nil
}

// ParseLoginSecret reads a login secret. It is tolerant of what user interfaces and tools write: "schema" for "scheme" or neither,
// further members, PKCS#1 keys, and the whole object inside a JSON string. What it returns is canonical. All that is wrong is
// reported at once, and never with the key.
func ParseLoginSecret(data []byte) (LoginSecret, error) {
	if len(data) > maxSecret {
		return LoginSecret{}, fmt.Errorf("parse a login secret: longer than %d bytes", maxSecret)
	}
	var quoted string
	if json.Unmarshal(data, &quoted) == nil {
		data = []byte(quoted)
	}
	var raw struct {
		LoginSecret
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return LoginSecret{}, fmt.Errorf("parse a login secret: %w", err)
	}
	s := raw.LoginSecret
	if s.Scheme == "" {
		s.Scheme = raw.Schema
	}
	if s.Scheme == "" {
		s.Scheme = RS256
	}
	if err := s.check(); err != nil {
		return LoginSecret{}, fmt.Errorf("parse a login secret: %w", err)
	}
	return s.canonical()
}

// check reports everything that is wrong.
func (s LoginSecret) check() error {
	var problems []error
	if s.UID == "" {
		problems = append(problems, errors.New("uid is missing"))
	}
	if s.Scheme != RS256 {
		problems = append(problems, fmt.Errorf("scheme is %q, not %s", s.Scheme, RS256))
	}
	if _, err := s.Key(); err != nil {
		problems = append(problems, err)
	}
	if _, err := s.Base(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func (s LoginSecret) canonical() (LoginSecret, error) {
	key, err := s.Key()
	if err != nil {
		return LoginSecret{}, err
	}
	s.PrivateKey, err = encodeKey(key)
	return s, err
}

// JSON is the secret as SDKs read it, indented, with a newline at its end. Whoever writes it to a file makes it private.
func (s LoginSecret) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), err
}

// Key is the private key.
func (s LoginSecret) Key() (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(s.PrivateKey))
	if block == nil {
		return nil, errors.New("private_key is no PEM")
	}
	key, err := parseKey(block)
	if err != nil {
		return nil, fmt.Errorf("private_key: %w", err)
	}
	return key, nil
}

func parseKey(block *pem.Block) (*rsa.PrivateKey, error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		if key, ok := parsed.(*rsa.PrivateKey); ok {
			return key, nil
		}
		return nil, fmt.Errorf("a key of RSA is needed, not %T", parsed)
	}
	return nil, fmt.Errorf("a PEM block PRIVATE KEY is needed, not %q", block.Type)
}

func encodeKey(key *rsa.PrivateKey) (string, error) {
	if key == nil {
		return "", errors.New("encode a service key: there is none")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encode a service key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// Base is the base URL of the login endpoint, for Options.Addresses: what comes before the path of the login. An endpoint with another path
// leaves only its host.
func (s LoginSecret) Base() (string, error) {
	u, err := url.Parse(s.LoginEndpoint)
	if err != nil || !webURL(u) || u.User != nil {
		return "", errors.New("login_endpoint is no URL like https://master.mesos" + loginPath)
	}
	prefix, found := strings.CutSuffix(strings.TrimRight(u.EscapedPath(), "/"), loginPath)
	if !found {
		prefix = ""
	}
	return parseBase((&url.URL{Scheme: u.Scheme, Host: u.Host}).String() + prefix)
}

// NewServiceKey makes a key pair of RSA 2048 for a service account. The PEM is for NewUser.PublicKey.
func NewServiceKey() (*rsa.PrivateKey, string, error) {
	key, err := rsa.GenerateKey(rand.Reader, serviceKeyBits)
	if err != nil {
		return nil, "", fmt.Errorf("generate a service key: %w", err)
	}
	publicPEM, err := PublicKeyPEM(&key.PublicKey)
	return key, publicPEM, err
}

// PublicKeyPEM is the SubjectPublicKeyInfo PEM of a key, the form that masters store.
func PublicKeyPEM(key *rsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encode a public key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}
