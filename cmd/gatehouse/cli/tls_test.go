package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// clientPair is a certificate that is its own authority, and its key: PEM.
func clientPair(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", keyDER)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// A master over TLS that wants to see a certificate: what the login was told is enough from then on.
func TestLoginsRememberCertificates(t *testing.T) {
	certificate, key := clientPair(t)
	m := full(t)
	m.answer(loginRow, map[string]string{"token": tokenOf("admin", noon.Add(time.Hour))})
	front := httptest.NewUnstartedServer(m)
	front.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
	front.TLS.ClientCAs.AppendCertsFromPEM([]byte(certificate))
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // it refuses what is refused here on purpose
	front.StartTLS()
	defer front.Close()

	p := newPerson(t)
	ca, pair := p.file("ca.pem", pemOf("CERTIFICATE", front.Certificate().Raw)), p.file("pair.pem", certificate+key)
	login := []string{"login", "--name", "tls", "--url", front.URL, "--uid", "admin", "--password-file", p.file("password", "secret")}
	p.bad(StatusUnavailable, "--ca-cert FILE", "health", "--url", front.URL)
	p.bad(StatusUnavailable, "--client-cert FILE", "health", "--url", front.URL, "--ca-cert", ca)
	p.good(append(login, "--ca-cert", ca, "--client-cert", p.file("cert.pem", certificate), "--client-key", p.file("key.pem", key))...)
	for _, verb := range []string{"user list", "health", "token show --raw", "masters --url " + front.URL} {
		p.good(strings.Fields(verb)...)
	}
	p.good(append(login, "--name", "other")...) // another login at the same addresses
	p.env["GATEHOUSE_CA_CERT"], p.env["GATEHOUSE_CLIENT_CERT"] = ca, pair
	p.good("cluster", "remove", "tls")
	p.good("cluster", "remove", "other")
	p.good("health", "--url", front.URL)
}

// The names in a certificate are the words of whoever answers.
func TestCertificatesDoNotSteerTheTerminal(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"a\x1b[2Jb\r\ngatehouse: done"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(full(t))
	front.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // it refuses what is refused here on purpose
	front.StartTLS()
	defer front.Close()
	named := strings.Replace(front.URL, "127.0.0.1", "localhost", 1)
	newPerson(t).bad(StatusUnavailable, `valid for a\x1b[2Jb\x0d\ngatehouse: done, not localhost`+"\n  ", "health", "--url", named)
}
