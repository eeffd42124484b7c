package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxPEM bounds certificate and key files in bytes.
const maxPEM = 1 << 20

// pairFiles are --tls-cert and --tls-key, with --tls-ca-file beside them.
type pairFiles struct{ cert, key, ca string }

func (p pairFiles) stamp(time.Time) string { return stampFiles(p.cert, p.key) }

// load reads the pair and refuses one that no client would accept, or whose key others can read.
func (p pairFiles) load(now time.Time) (*tls.Certificate, error) {
	certPEM, err := readBounded(p.cert)
	keyPEM, keyErr := readKey(p.key)
	if err := errors.Join(prefixed("--tls-cert", err), prefixed("--tls-key", keyErr)); err != nil {
		return nil, err
	}
	if _, err := parseCertificates(certPEM); err != nil {
		return nil, fmt.Errorf("--tls-cert: %s: %w", p.cert, err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %s and %s are no pair: %w", p.cert, p.key, err)
	}
	switch leaf := pair.Leaf; {
	case now.After(leaf.NotAfter):
		return nil, fmt.Errorf("--tls-cert: %s has expired at %v: renew it", p.cert, leaf.NotAfter)
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("--tls-cert: %s is not valid before %v: is the clock of this host right?", p.cert, leaf.NotBefore)
	}
	return &pair, nil
}

// authority is read each time it is asked for, so that an edit needs no restart.
func (p pairFiles) authority() []byte { return readAuthority(p.ca) }

// readAuthority returns the certificates in a file and nothing else that may be in it; nil if there are none.
func readAuthority(path string) []byte {
	if path == "" {
		return nil
	}
	data, err := readBounded(path)
	if err != nil {
		return nil
	}
	certificates, err := parseCertificates(data)
	if err != nil {
		return nil
	}
	var out []byte
	for _, c := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// parseCertificates reads every certificate of a PEM file; at least one is wanted.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("holds no certificate (want PEM, -----BEGIN CERTIFICATE-----)")
	}
	return all, nil
}

// readKey reads a private key that the world cannot. A group may: certificates are often handed to a group of services.
func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s: mode is %04o; others must not reach it: run `chmod o= %s`", path, info.Mode().Perm(), path)
	}
	return readBounded(path)
}

// readBounded reads a small regular file.
func readBounded(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	if err := regularFile(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(data) > maxPEM {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxPEM)
	}
	return data, err
}
