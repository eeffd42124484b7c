package ldap

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strconv"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// tlsConfig is how the directory proves who it is, and how we do. Without certificates of an authority nothing is verified
// (contract 4.1).
func (c *Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.Host, InsecureSkipVerify: c.CACerts == ""}
	if c.CACerts != "" {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM([]byte(c.CACerts)) {
			return nil, errors.New("`ca-certs` holds no certificate")
		}
	}
	if c.ClientCert != "" {
		pair, err := tls.X509KeyPair([]byte(c.ClientCert), []byte(c.ClientCert))
		if err != nil {
			return nil, errors.New("`client-cert` cannot be read")
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// errInjected means that something other than TLS followed the agreement on TLS. An honest directory sends nothing there.
var errInjected = errors.New("bytes in clear followed the agreement on TLS")

// dial connects to the directory, with TLS as configured, and binds nobody.
func (c *Client) dial(ctx context.Context, t *target) (*conn, error) {
	raw, err := c.open(ctx, t)
	if err != nil {
		return nil, err
	}
	if t.cfg.LDAPS {
		return c.secured(ctx, raw, t, StageTLS)
	}
	err = exchange(ctx, raw, func() error { return startTLS(raw) })
	if err == nil {
		var k *conn
		if k, err = c.secured(ctx, raw, t, StageStartTLS); err == nil {
			return k, nil
		}
	} else {
		_ = raw.Close()
		err = &UnreachableError{StageStartTLS, searchError(err)}
	}
	if t.cfg.EnforceStartTLS || errors.Is(err, errInjected) || timedOut(err) || ctx.Err() != nil {
		return nil, err
	}
	t.plain.Do(func() {
		c.opts.Logger.Warn("directory is asked in clear, because StartTLS failed; passwords cross the network readable: set `enforce-starttls` or `use-ldaps`",
			"directory", t.cfg.Host, "error", err)
	})
	if raw, err = c.open(ctx, t); err != nil {
		return nil, err
	}
	return c.newConn(raw, raw), nil
}

// open opens a TCP connection.
func (c *Client) open(ctx context.Context, t *target) (net.Conn, error) {
	raw, err := c.opts.Dial(ctx, "tcp", net.JoinHostPort(t.cfg.Host, strconv.Itoa(t.cfg.Port)))
	if err != nil {
		return nil, &UnreachableError{StageConnect, err}
	}
	return raw, nil
}

// secured puts TLS on a connection, or closes it.
func (c *Client) secured(ctx context.Context, raw net.Conn, t *target, stage Stage) (*conn, error) {
	t.unverified.Do(func() {
		if t.cfg.CACerts == "" {
			c.opts.Logger.Warn("the directory's certificate is not verified; configure `ca-certs`", "directory", t.cfg.Host)
		}
	})
	secure := tls.Client(raw, t.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		var record tls.RecordHeaderError
		if stage == StageStartTLS && errors.As(err, &record) {
			err = errInjected
		}
		return nil, &UnreachableError{stage, err}
	}
	return c.newConn(secure, raw), nil
}

// startTLSRequest is an LDAP message with the extended request of RFC 4511 section 4.14.1.
const startTLSRequest = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"

// startTLS agrees on TLS. It reads not one byte more than the answer: what an attacker put behind it ends up in the handshake,
// which fails. The library would drop it silently.
func startTLS(raw net.Conn) error {
	if _, err := raw.Write([]byte(startTLSRequest)); err != nil {
		return err
	}
	answer, err := (&guard{Conn: raw, in: bufio.NewReaderSize(oneByOne{raw}, 16), left: smallAnswer}).next()
	if err != nil {
		return err
	}
	packet, err := ber.DecodePacketErr(answer)
	if err != nil {
		return errMalformed
	}
	if len(packet.Children) < 2 || packet.Children[1].Tag != ldap.ApplicationExtendedResponse {
		return errMalformed
	}
	return ldap.GetLDAPError(packet)
}

// oneByOne keeps a buffered reader from reading ahead.
type oneByOne struct{ net.Conn }

func (o oneByOne) Read(p []byte) (int, error) {
	if len(p) > 1 {
		p = p[:1]
	}
	return o.Conn.Read(p)
}
