package clientca

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"testing"
	"time"

	"gatehouse/keyring"
)

func generate(t *testing.T) *keyring.Ring {
	t.Helper()
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func authorityOf(t *testing.T, ring Ring) *Authority {
	t.Helper()
	a, err := New(ring)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func poolOf(t *testing.T, text []byte) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("no certificate in %q", text)
	}
	return pool
}

func TestTheAuthorityOfAKeyIsTheSameOnEveryMaster(t *testing.T) {
	ring := generate(t)
	if one, two := authorityOf(t, ring).PEM(), authorityOf(t, ring).PEM(); !bytes.Equal(one, two) {
		t.Errorf("two authorities of one key:\n%s%s", one, two)
	}
	if one, two := authorityOf(t, ring).PEM(), authorityOf(t, generate(t)).PEM(); bytes.Equal(one, two) {
		t.Error("two keys have the same authority")
	}
}

func TestIssuedCertificatesAreGoodForTheirNamesOnly(t *testing.T) {
	a := authorityOf(t, generate(t))
	now := time.Now()
	c, err := a.Issue([]string{"m1.example", "localhost", "127.0.0.1", "::1", "fe80::1%eth0", "localhost", "10.0.0.1", "::ffff:10.0.0.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Leaf.DNSNames) != 2 || len(c.Leaf.IPAddresses) != 4 {
		t.Errorf("names %q and addresses %v: want each once", c.Leaf.DNSNames, c.Leaf.IPAddresses)
	}
	roots := poolOf(t, a.PEM())
	for name, good := range map[string]bool{"m1.example": true, "localhost": true, "127.0.0.1": true, "[::1]": true, "10.0.0.1": true,
		"m2.example": false, "10.0.0.2": false} {
		_, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now})
		if (err == nil) != good {
			t.Errorf("%s: %v, want good: %v", name, err, good)
		}
	}
	if left := c.Leaf.NotAfter.Sub(now); left < RenewBefore || left > 398*24*time.Hour {
		t.Errorf("the certificate lives %v: want longer than %v, and no longer than browsers allow", left, RenewBefore)
	}
	if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: poolOf(t, authorityOf(t, generate(t)).PEM()), CurrentTime: now}); err == nil {
		t.Error("another cluster's authority vouches for the certificate")
	}
}

func TestClientsSurviveAChangeOfTheClusterKey(t *testing.T) {
	old := generate(t)
	both, added, err := old.AddKey()
	if err != nil {
		t.Fatal(err)
	}
	next, err := both.WithPrimary(added)
	if err != nil {
		t.Fatal(err)
	}
	for name, ring := range map[string]*keyring.Ring{"before the activation": both, "after it": next} {
		a := authorityOf(t, ring)
		if a.KeyID() != ring.PrimaryID() {
			t.Errorf("%s: the authority is that of key %s, want %s", name, a.KeyID(), ring.PrimaryID())
		}
		c, err := a.Issue([]string{"localhost"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: poolOf(t, authorityOf(t, both).PEM()), DNSName: "localhost"}); err != nil {
			t.Errorf("%s: a client that fetched the authority while both keys were there: %v", name, err)
		}
		// Programs that read one certificate of the file must find the one that signs.
		first, _ := pem.Decode(a.PEM())
		if c.Leaf.CheckSignatureFrom(a.primary) != nil || !bytes.Equal(first.Bytes, a.primary.Raw) {
			t.Errorf("%s: the authority that signs does not come first", name)
		}
	}
}

func TestAHandshakeWorksWithBothVersionsOfTLS(t *testing.T) {
	a := authorityOf(t, generate(t))
	c, err := a.Issue([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server, client := net.Pipe()
		go func() {
			_ = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{*c}}).Handshake()
			server.Close()
		}()
		conn := tls.Client(client, &tls.Config{RootCAs: poolOf(t, a.PEM()), ServerName: "localhost", MinVersion: version, MaxVersion: version})
		if err := conn.Handshake(); err != nil {
			t.Errorf("TLS %x: %v", version, err)
		}
		client.Close()
	}
}
