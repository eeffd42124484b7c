package rig

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"time"
)

// FetchCA downloads the certificate authority of a cluster as the dcos command line does it: before anything is trusted.
func FetchCA(ctx context.Context, api string) ([]byte, error) {
	c := NewTLSClient(5*time.Second, &tls.Config{InsecureSkipVerify: true})
	defer c.Close()
	answer, err := c.Expect(ctx, http.StatusOK, Request{Method: http.MethodGet, URL: api + "/ca/dcos-ca.crt"})
	return answer.Body, err
}

// Trusting is the side of a client that trusts the authorities in a PEM file and nobody else, and offers these protocols.
func Trusting(ca []byte, protocols ...string) (*tls.Config, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate authority in " + string(ca))
	}
	return &tls.Config{RootCAs: pool, NextProtos: protocols}, nil
}

// SelfSigned makes a certificate for loopback that is its own authority, good for servers and for clients, and its key: PEM.
func SelfSigned() (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}
