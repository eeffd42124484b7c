package rig

import (
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
	"time"
)

// ServiceKey is the key pair of a service account, as its owner holds it.
type ServiceKey struct {
	private *rsa.PrivateKey
	// PublicPEM is the SubjectPublicKeyInfo PEM to register.
	PublicPEM string
}

// NewServiceKey makes an RSA 2048 key pair.
func NewServiceKey() (*ServiceKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generate a service key: %w", err)
	}
	return newServiceKey(private)
}

// ParseServiceKey reads what PrivatePEM wrote.
func ParseServiceKey(privatePEM string) (*ServiceKey, error) {
	block, _ := pem.Decode([]byte(privatePEM))
	if block == nil {
		return nil, errors.New("parse a service key: no PEM block")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse a service key: %w", err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("parse a service key: a %T", parsed)
	}
	return newServiceKey(private)
}

func newServiceKey(private *rsa.PrivateKey) (*ServiceKey, error) {
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, fmt.Errorf("encode a service key: %w", err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return &ServiceKey{private: private, PublicPEM: string(public)}, nil
}

// PrivatePEM is the PKCS#8 PEM of the private half.
func (k *ServiceKey) PrivatePEM() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return "", fmt.Errorf("encode a service key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// Sign makes a service login token {uid, exp} (contract 2.3), with nothing but the standard library.
func (k *ServiceKey) Sign(uid string, expires time.Time) (string, error) {
	claims, err := json.Marshal(struct {
		UID string `json:"uid"`
		Exp int64  `json:"exp"`
	}{uid, expires.Unix()})
	if err != nil {
		return "", fmt.Errorf("encode a service login token: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.private, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign a service login token: %w", err)
	}
	return signed + "." + encode(signature), nil
}
