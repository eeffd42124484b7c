package client

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// loginTokenLife is how long the token lives that a service signs to log in: long enough for clocks that disagree, and below the
// ten minutes after which masters warn (contract 2.3).
const loginTokenLife = 5 * time.Minute

// Credentials are what a Client logs in with: Password, ServiceKey or FromSecret. They never show in logs.
type Credentials interface {
	slog.LogValuer
	// UID is who logs in.
	UID() string
	// check reports all that is wrong with them.
	check() error
	// body is the body of a login; lifetime is 0 or how long the token should live.
	body(now time.Time, lifetime time.Duration) (loginBody, error)
}

// loginBody is LoginObject of contract 1.10.
type loginBody struct {
	UID      string `json:"uid"`
	Password string `json:"password,omitempty"`
	Token    string `json:"token,omitempty"`
	// Exp is the end that a service account asks for, in seconds since 1970.
	Exp int64 `json:"exp,omitempty"`
}

// Password are the credentials of a person.
func Password(uid, password string) Credentials { return passwordCredentials{uid, password} }

type passwordCredentials struct{ uid, password string }

func (p passwordCredentials) UID() string          { return p.uid }
func (p passwordCredentials) String() string       { return "password of " + p.uid }
func (p passwordCredentials) GoString() string     { return p.String() }
func (p passwordCredentials) LogValue() slog.Value { return slog.StringValue(p.String()) }

func (p passwordCredentials) check() error {
	if p.uid == "" || p.password == "" {
		return errors.New("credentials: a uid and a password are needed")
	}
	return nil
}

func (p passwordCredentials) body(time.Time, time.Duration) (loginBody, error) {
	return loginBody{UID: p.uid, Password: p.password}, nil
}

// ServiceKey are the credentials of a service account.
func ServiceKey(uid string, key *rsa.PrivateKey) Credentials { return keyCredentials{uid, key} }

type keyCredentials struct {
	uid string
	key *rsa.PrivateKey
}

func (k keyCredentials) UID() string          { return k.uid }
func (k keyCredentials) String() string       { return "service key of " + k.uid }
func (k keyCredentials) GoString() string     { return k.String() }
func (k keyCredentials) LogValue() slog.Value { return slog.StringValue(k.String()) }

func (k keyCredentials) check() error {
	if k.uid == "" || k.key == nil {
		return errors.New("credentials: a uid and a key are needed")
	}
	return nil
}

func (k keyCredentials) body(now time.Time, lifetime time.Duration) (loginBody, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"uid": k.uid, "exp": now.Add(loginTokenLife).Unix()})
	signed, err := token.SignedString(k.key)
	if err != nil {
		return loginBody{}, fmt.Errorf("sign a service login token: %w", err)
	}
	body := loginBody{UID: k.uid, Token: signed}
	if lifetime > 0 {
		body.Exp = now.Add(lifetime).Unix()
	}
	return body, nil
}

// FromSecret are the credentials in a login secret. Its login endpoint is the address if Options have none.
func FromSecret(s LoginSecret) Credentials {
	key, errKey := s.Key()
	base, errBase := s.Base()
	return secretCredentials{keyCredentials{s.UID, key}, base, errors.Join(errKey, errBase)}
}

type secretCredentials struct {
	keyCredentials
	base string
	err  error
}

func (s secretCredentials) check() error {
	if s.err != nil {
		return fmt.Errorf("login secret: %w", s.err)
	}
	return s.keyCredentials.check()
}
