package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestHostileTLS is about a network that means harm.
func TestHostileTLS(t *testing.T) {
	a := newAuthority(t)
	good := a.leaf(nil)
	t.Run("D7", func(t *testing.T) {
		spoiled := map[string]*tls.Config{
			"no StartTLS": nil,
			"wrong name":  server(a.leaf(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 2)} })),
			"expired": server(a.leaf(func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
			})),
			"not for servers":   server(a.leaf(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })),
			"another authority": server(newAuthority(t).leaf(nil)),
			"self-signed":       server(selfSigned(t)),
			"TLS 1.1":           {Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10},
			"wants a certificate": {Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert,
				MaxVersion: tls.VersionTLS12}, // with 1.3 a client learns of it only later
		}
		for name, config := range spoiled {
			for _, ldaps := range []bool{true, false} {
				if ldaps && config == nil {
					continue
				}
				d := holding(person("alice"))
				d.implicit, d.tls = ldaps, config
				cfg := d.serve(t).config()
				cfg.LDAPS, cfg.EnforceStartTLS, cfg.CACerts = ldaps, !ldaps, a.pem()
				cfg.LookupDN, cfg.LookupPassword = lookup, "lookup password"
				_, err := newClient(t, io.Discard).Authenticate(t.Context(), cfg, "alice", "password of alice")
				var u *UnreachableError
				if !errors.As(err, &u) || u.Stage != map[bool]Stage{true: StageTLS, false: StageStartTLS}[ldaps] {
					t.Errorf("%s, LDAPS %v: %v", name, ldaps, err)
				}
				if binds, searches := d.asked(); len(binds)+len(searches) != 0 {
					t.Errorf("%s, LDAPS %v: the directory was told %v %v", name, ldaps, binds, searches)
				}
			}
		}
	})
	t.Run("D7 injected plaintext", func(t *testing.T) {
		for name, injected := range map[string]string{
			"an answer": string(message(2, result(1, 0, "")).Bytes()), "a byte": "x", "an alert": "\x15\x03\x01\x00\x02\x01\x00garbage",
		} {
			for _, enforce := range []bool{true, false} {
				d := holding(person("alice"))
				d.tls, d.injected = server(good), injected
				cfg := d.serve(t).config()
				cfg.EnforceStartTLS, cfg.CACerts = enforce, a.pem()
				_, err := newClient(t, io.Discard).Authenticate(t.Context(), cfg, "alice", "password of alice")
				if enforce && !unreachable(err) || name == "an answer" && !errors.Is(err, errInjected) {
					t.Errorf("%s, enforced %v: %v", name, enforce, err)
				}
				if binds, _ := d.asked(); enforce && len(binds) != 0 {
					t.Errorf("%s: the directory was told %v", name, binds)
				}
			}
		}
	})
}

func TestConnectionsAreSecuredAsConfigured(t *testing.T) {
	a := newAuthority(t)
	for name, c := range map[string]struct {
		implicit bool
		config   *tls.Config
		change   func(*Config)
		secure   bool
		warns    string
	}{
		"LDAPS":               {true, server(a.leaf(nil)), func(c *Config) { c.LDAPS, c.CACerts = true, a.pem() }, true, ""},
		"enforced":            {false, server(a.leaf(nil)), func(c *Config) { c.EnforceStartTLS, c.CACerts = true, a.pem() }, true, ""},
		"LDAPS and enforced":  {true, server(a.leaf(nil)), func(c *Config) { c.LDAPS, c.EnforceStartTLS, c.CACerts = true, true, a.pem() }, true, ""},
		"opportunistic":       {false, server(a.leaf(nil)), func(c *Config) { c.CACerts = a.pem() }, true, ""},
		"in clear":            {false, nil, func(*Config) {}, false, "in clear"},
		"in clear, bad TLS":   {false, server(newAuthority(t).leaf(nil)), func(c *Config) { c.CACerts = a.pem() }, false, "in clear"},
		"not verified":        {true, server(newAuthority(t).leaf(nil)), func(c *Config) { c.LDAPS = true }, true, "not verified"},
		"opportunistic, same": {false, server(newAuthority(t).leaf(nil)), func(*Config) {}, true, "not verified"},
		"client certificate": {true, &tls.Config{Certificates: []tls.Certificate{a.leaf(nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool509(a)},
			func(c *Config) { c.LDAPS, c.CACerts, c.ClientCert = true, a.pem(), a.clientCert() }, true, ""},
	} {
		d := holding(person("alice"), person("bob"))
		d.implicit, d.tls = c.implicit, c.config
		cfg := d.serve(t).config()
		c.change(cfg)
		if err := cfg.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var text log
		client := newClient(t, &text)
		for _, uid := range []string{"alice", "bob", "alice"} {
			if _, err := client.Authenticate(t.Context(), cfg, uid, "password of "+uid); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		binds, _ := d.asked()
		for _, b := range binds {
			if b.secure != c.secure {
				t.Errorf("%s: bound with TLS %v, want %v", name, b.secure, c.secure)
			}
		}
		if warnings := strings.Count(text.String(), "level=WARN"); (warnings == 1) != (c.warns != "") || warnings > 1 || !strings.Contains(text.String(), c.warns) {
			t.Errorf("%s: want one warning %q, logged:\n%s", name, c.warns, text.String())
		}
	}
}

func pool509(a *authority) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}
