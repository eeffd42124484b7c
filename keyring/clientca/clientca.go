package clientca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Lifetime is that of an issued certificate; one that has less than RenewBefore left is to be replaced. Browsers accept no
// certificate that lives longer than 398 days.
const (
	Lifetime    = 90 * 24 * time.Hour
	RenewBefore = 30 * 24 * time.Hour
)

// An authority is the same whenever and wherever it is made from a key, to the byte, so nothing in it follows a clock.
var (
	caFrom = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	caTo   = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)
)

// Ring is what the authority needs of the cluster's keys; *keyring.Ring is one.
type Ring interface {
	KeyIDs() []string
	PrimaryID() string
	Derive(label string, n int) [][]byte
}

// Authority issues certificates under the primary key, and knows the authorities of the other keys. It is immutable.
type Authority struct {
	keyID   string
	signer  *ecdsa.PrivateKey
	primary *x509.Certificate
	others  []*x509.Certificate // of the keys that are not primary now
}

// New makes the authority of a ring as it is now.
func New(ring Ring) (*Authority, error) {
	a := &Authority{keyID: ring.PrimaryID()}
	for i, id := range ring.KeyIDs() {
		signer, err := deriveKey(ring, i)
		if err != nil {
			return nil, err
		}
		certificate, err := selfSign(signer, id)
		if err != nil {
			return nil, fmt.Errorf("build the certificate authority: %w", err)
		}
		if id == a.keyID {
			a.signer, a.primary = signer, certificate
		} else {
			a.others = append(a.others, certificate)
		}
	}
	if a.signer == nil {
		return nil, fmt.Errorf("build the certificate authority: the key file lacks the primary key %s", a.keyID)
	}
	return a, nil
}

// KeyID is the id of the cluster key that the authority follows from.
func (a *Authority) KeyID() string { return a.keyID }

// PEM are the certificates for clients to trust: first the one that signs, then those of the other keys, so that a change of
// the cluster key need not be noticed.
func (a *Authority) PEM() []byte {
	var out bytes.Buffer
	for _, c := range a.certificates() {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes everything
	}
	return out.Bytes()
}

func (a *Authority) certificates() []*x509.Certificate {
	return append([]*x509.Certificate{a.primary}, a.others...)
}

// Issue makes a key pair and a certificate for a server of these DNS names and IP addresses.
func (a *Authority) Issue(names []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make a certificate number: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "gatehouse master"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(Lifetime), // clocks of clients differ
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	addNames(t, names)
	der, err := x509.CreateCertificate(rand.Reader, t, a.primary, key.Public(), a.signer)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// addNames puts every name where clients look for it, once.
func addNames(t *x509.Certificate, names []string) {
	for _, name := range names {
		addr, err := netip.ParseAddr(name)
		if err != nil {
			if !slices.Contains(t.DNSNames, name) {
				t.DNSNames = append(t.DNSNames, name)
			}
			continue
		}
		ip := addr.Unmap().WithZone("").AsSlice()
		if !slices.ContainsFunc(t.IPAddresses, func(have net.IP) bool { return have.Equal(ip) }) {
			t.IPAddresses = append(t.IPAddresses, ip)
		}
	}
}

// deriveKey derives the P-256 key of the i-th cluster key. One in 2^32 strings of 32 bytes is no such key: the next is taken.
func deriveKey(ring Ring, i int) (*ecdsa.PrivateKey, error) {
	for try := range 8 {
		seed := ring.Derive("client-ca/"+strconv.Itoa(try), 32)[i]
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("no certificate authority follows from the cluster key") // once in 2^256
}

// selfSign makes the authority's own certificate. Without randomness ECDSA signs by RFC 6979, so it is always the same.
func selfSign(key *ecdsa.PrivateKey, keyID string) (*x509.Certificate, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(point)
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(id[:16]),
		Subject:      pkix.Name{Organization: []string{"Gatehouse"}, CommonName: "gatehouse cluster key " + keyID},
		NotBefore:    caFrom, NotAfter: caTo, SubjectKeyId: id[:20],
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(nil, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
