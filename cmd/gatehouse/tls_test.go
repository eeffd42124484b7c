package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/httpapi"
	"gatehouse/keyring"
)

// served is an https listener with the given TLS; the log receives what is said about changes.
func served(t *testing.T, from certificates, clientCA string) (tlsOf *clientTLS, address string, log *lockedBuffer) {
	t.Helper()
	tlsOf, err := newClientTLS(from, clientCA)
	if err != nil {
		t.Fatal(err)
	}
	tlsOf.every = 5 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httpapi.NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }), nil)
	server.TLSConfig = tlsOf.serverConfig()
	log = new(lockedBuffer)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- tlsOf.keepFresh(ctx, slog.New(slog.NewTextHandler(log, nil))) }()
	go func() { done <- server.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		cancel()
		server.Close()
		<-done
		<-done
	})
	return tlsOf, l.Addr().String(), log
}

// metric is the value of a counter or gauge.
func metric(t *testing.T, c prometheus.Collector) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("gather: %v, %d families", err, len(families))
	}
	m := families[0].GetMetric()[0]
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

// handshake returns the name in the server's certificate. A server that wants a certificate says so only after the
// handshake of TLS 1.3, so a byte is asked for too.
func handshake(address string, config *tls.Config) (string, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, config)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && !strings.HasSuffix(string(answer), "hello") {
		err = fmt.Errorf("answer %q", answer)
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, err
}

func serves(t *testing.T, address string, ca *testCA, name string) {
	t.Helper()
	await(t, 10*time.Second, "the certificate "+name, func() error {
		got, err := handshake(address, &tls.Config{RootCAs: ca.pool()})
		if err == nil && got != name {
			err = fmt.Errorf("got %s", got)
		}
		return err
	})
}

func TestHostileH37AChangedCertificateIsServedWithoutARestart(t *testing.T) {
	ca := newTestCA(t)
	files := newTestPair(t)
	files.write(t)(ca.issue("one", -time.Hour, time.Hour))
	served, address, log := served(t, pairFiles{cert: files.cert, key: files.key}, "")
	serves(t, address, ca, "one")

	// What cannot be used changes nothing and is said once.
	cert, _ := ca.issue("two", -time.Hour, time.Hour)
	replace(t, files.cert, cert)
	complaints := func(least float64) {
		t.Helper()
		await(t, 10*time.Second, "a complaint", func() error {
			if n := metric(t, served.failures); n < least {
				return fmt.Errorf("%v so far", n)
			}
			return nil
		})
	}
	complaints(1)
	serves(t, address, ca, "one")
	if n := strings.Count(log.String(), "changed certificate not used"); n != 1 {
		t.Errorf("%d complaints about one pair that is none:\n%s", n, log)
	}
	if strings.Contains(log.String(), "PRIVATE KEY") {
		t.Error("the log has the key")
	}

	files.write(t)(ca.issue("four", -time.Hour, time.Hour))
	serves(t, address, ca, "four")
	if got := metric(t, served.reloads); got != 1 {
		t.Errorf("%v reloads, want 1", got)
	}
	leaf := served.config.Load().Certificates[0].Leaf
	if got := metric(t, served.collectors()[0]); got != float64(leaf.NotAfter.Unix()) {
		t.Errorf("expiry metric %v, want %v", got, leaf.NotAfter.Unix())
	}
	// A file that vanished and came back is a change like any other.
	before := metric(t, served.failures)
	remove(t, files.key)
	complaints(before + 1)
	serves(t, address, ca, "four")
	files.write(t)(ca.issue("five", -time.Hour, time.Hour))
	serves(t, address, ca, "five")
}

func TestHostileH37OldVersionsOfTLSAreRefused(t *testing.T) {
	ca := newTestCA(t)
	files := newTestPair(t)
	files.write(t)(ca.issue("server", -time.Hour, time.Hour))
	_, address, _ := served(t, pairFiles{cert: files.cert, key: files.key}, "")
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		_, err := handshake(address, &tls.Config{RootCAs: ca.pool(), MinVersion: version, MaxVersion: version})
		if (err == nil) != good {
			t.Errorf("%s: %v, want accepted: %v", tls.VersionName(version), err, good)
		}
	}
}

func TestHostileH37ClientsNeedACertificateOfTheirAuthority(t *testing.T) {
	ca, clients, strangers := newTestCA(t), newTestCA(t), newTestCA(t)
	files := newTestPair(t)
	files.write(t)(ca.issue("server", -time.Hour, time.Hour))
	clientCA := writeFile(t, "clients.pem", string(clients.pem()))
	_, address, _ := served(t, pairFiles{cert: files.cert, key: files.key}, clientCA)
	with := func(ca *testCA, from, to time.Duration) []tls.Certificate {
		pair, err := tls.X509KeyPair(ca.issue("client", from, to))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	for name, tt := range map[string]struct {
		certificates []tls.Certificate
		good         bool
	}{
		"theirs":          {with(clients, -time.Hour, time.Hour), true},
		"none":            {nil, false},
		"of a stranger":   {with(strangers, -time.Hour, time.Hour), false},
		"of the server's": {with(ca, -time.Hour, time.Hour), false},
		"expired":         {with(clients, -time.Hour, -time.Minute), false},
		"not yet valid":   {with(clients, time.Minute, time.Hour), false},
		"somebody else's key": {[]tls.Certificate{{Certificate: with(clients, -time.Hour, time.Hour)[0].Certificate,
			PrivateKey: newTestKey(t)}}, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			_, err := handshake(address, &tls.Config{RootCAs: ca.pool(), MinVersion: version, MaxVersion: version,
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if tt.certificates == nil {
						return &tls.Certificate{}, nil
					}
					return &tt.certificates[0], nil // whatever the server says it accepts
				}})
			if (err == nil) != tt.good {
				t.Errorf("a certificate %s, %s: %v, want accepted: %v", name, tls.VersionName(version), err, tt.good)
			}
		}
	}

	// The authorities of clients are read again too.
	pair := with(strangers, -time.Hour, time.Hour)
	replace(t, clientCA, strangers.pem())
	await(t, 10*time.Second, "the new authority", func() error {
		_, err := handshake(address, &tls.Config{RootCAs: ca.pool(), Certificates: pair})
		return err
	})
	if _, err := handshake(address, &tls.Config{RootCAs: ca.pool(), Certificates: with(clients, -time.Hour, time.Hour)}); err == nil {
		t.Error("the old authority still counts")
	}
}

func TestCertificatesThatNoClientWouldAcceptAreRefused(t *testing.T) {
	ca := newTestCA(t)
	good := newTestPair(t)
	good.write(t)(ca.issue("server", -time.Hour, time.Hour))
	expired, early := newTestPair(t), newTestPair(t)
	expired.write(t)(ca.issue("server", -time.Hour, -time.Minute))
	early.write(t)(ca.issue("server", time.Minute, time.Hour))
	open := newTestPair(t)
	open.write(t)(ca.issue("server", -time.Hour, time.Hour))
	chmod(t, open.key, 0o644)
	empty := writeFile(t, "empty.pem", "")
	for name, tt := range map[string]struct{ cert, key, clientCA, want string }{
		"good":               {good.cert, good.key, "", ""},
		"expired":            {expired.cert, expired.key, "", "has expired at"},
		"not yet valid":      {early.cert, early.key, "", "not valid before"},
		"others read it":     {open.cert, open.key, "", "chmod o="},
		"of different pairs": {good.cert, expired.key, "", "are no pair"},
		"no certificate":     {empty, good.key, "", "holds no certificate"},
		"no key":             {good.cert, empty, "", "are no pair"},
		"no file":            {"/nowhere/cert", "/nowhere/key", "/nowhere/ca", "/nowhere/cert"},
		"a directory":        {t.TempDir(), good.key, "", "is not a file"},
		"client authority":   {good.cert, good.key, empty, "--tls-client-ca"},
	} {
		_, err := newClientTLS(pairFiles{cert: tt.cert, key: tt.key}, tt.clientCA)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want one that says %q", name, err, tt.want)
		case name == "no file" && (!strings.Contains(err.Error(), "/nowhere/key") || !strings.Contains(err.Error(), "/nowhere/ca")):
			t.Errorf("%s: %v does not name all files", name, err)
		}
	}
}

func TestTheOwnAuthorityIssuesAnewBeforeACertificateExpires(t *testing.T) {
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	own := &ownAuthority{ring: ring, names: []string{"localhost"}}
	// Whenever a master starts, it changes its certificate while at least 30 days are left.
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for day := range 200 {
		issued := start.AddDate(0, 0, day)
		c, err := own.load(issued)
		if err != nil {
			t.Fatal(err)
		}
		if last := c.Leaf.NotAfter.AddDate(0, 0, -30); own.stamp(issued) == own.stamp(last) {
			t.Fatalf("a certificate of %v is not replaced by %v, and expires at %v", issued, last, c.Leaf.NotAfter)
		}
		if own.stamp(issued) != own.stamp(issued.Add(time.Second)) && day%60 != 59 {
			t.Fatalf("a certificate of %v is replaced after a second", issued)
		}
	}
	if roots := x509.NewCertPool(); !roots.AppendCertsFromPEM(own.authority()) {
		t.Errorf("the authority is %q", own.authority())
	}
}

func TestCertificatesNameEveryWayToAMaster(t *testing.T) {
	cfg := mustLoad(t, nil, "--expect=1", "--tls-auto", "--listen=https://0.0.0.0:8101", "--listen=http://10.0.0.7:80", "--advertise=10.0.0.1",
		"--name=m1.example", "--api-advertise=api.example:443", "--tls-names=lb.example,*.lb.example,10.9.9.9", "--dns-listen=10.0.0.1:53")
	names := strings.Join(cfg.certificateNames(), " ")
	for _, want := range []string{"localhost", "127.0.0.1", "::1", "10.0.0.1", "10.0.0.7", "m1.example", "api.example", "lb.example", "*.lb.example",
		"10.9.9.9", "master.mesos", "leader.mesos"} {
		if !strings.Contains(" "+names+" ", " "+want+" ") {
			t.Errorf("the certificate would not name %s, only %s", want, names)
		}
	}
	if strings.Contains(names, "0.0.0.0") {
		t.Errorf("the certificate would name an address that nobody has: %s", names)
	}
}
