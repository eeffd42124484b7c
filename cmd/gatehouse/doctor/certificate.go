package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// tlsFacts is what the certificate files hold.
type tlsFacts struct {
	configured bool
	pairErr    error       // the files cannot be used as a pair
	keyMode    fs.FileMode // others must not reach it; a group may, as for the agent
	keyUID     int
	chain      []*x509.Certificate
	roots      *x509.CertPool // of --tls-ca-file; nil without one
	rootsErr   error
	served     *x509.Certificate // by the running master; nil if that could not be seen
}

func lookAtTLS(in Input) tlsFacts {
	f := tlsFacts{configured: in.TLSCert != "" && in.TLSKey != ""}
	if !f.configured {
		return f
	}
	if info, err := os.Stat(in.TLSKey); err == nil {
		f.keyMode, f.keyUID = info.Mode().Perm(), owner(info)
	}
	pair, err := tls.LoadX509KeyPair(in.TLSCert, in.TLSKey)
	if err != nil {
		f.pairErr = err
		return f
	}
	for _, der := range pair.Certificate {
		if c, err := x509.ParseCertificate(der); err == nil {
			f.chain = append(f.chain, c)
		}
	}
	if in.TLSCAFile != "" {
		pem, err := os.ReadFile(in.TLSCAFile)
		f.roots, f.rootsErr = x509.NewCertPool(), err
		if err == nil && !f.roots.AppendCertsFromPEM(pem) {
			f.rootsErr = errors.New("no certificate in it")
		}
	}
	return f
}

// servedCertificate is what clients of this master are shown.
func servedCertificate(ctx context.Context, in Input) *x509.Certificate {
	for _, l := range in.API {
		if !l.TLS || l.Proxy {
			continue
		}
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // it is compared with the file
		conn, err := d.DialContext(ctx, "tcp", local(l.Address))
		if err != nil {
			continue
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	}
	return nil
}

const (
	expiresSoon = 30 * 24 * time.Hour
	renew       = "get a new certificate and put it in place of --tls-cert and --tls-key; the running master reads it by itself"
)

func checkCertificate(f *facts) []Finding {
	t := f.tls
	if f.in.TLSAuto {
		return ok("the master issues its own certificate (--tls-auto)")
	}
	if !t.configured && t.pairErr == nil {
		return ok("no certificate files are configured")
	}
	if t.pairErr != nil || len(t.chain) == 0 {
		found := fmt.Sprintf("--tls-cert and --tls-key cannot be used: %v", t.pairErr)
		if t.served != nil {
			found += fmt.Sprintf("; the running master goes on with its old certificate, valid until %s, and would not start again", t.served.NotAfter.UTC().Format(time.DateOnly))
		}
		return []Finding{problem(found, "give the certificate chain and the key that belongs to it, both PEM, readable by the master's user")}
	}
	found := slices.Concat(f.keyFileMode(), t.validity(f.now), t.names(f.clientNames()), t.trust(f.now), t.reloaded())
	leaf := t.chain[0]
	return otherwise(found, fmt.Sprintf("the certificate of %s is valid until %s", strings.Join(subjects(leaf), ", "), leaf.NotAfter.UTC().Format(time.DateOnly)))
}

func (f *facts) keyFileMode() []Finding {
	t, uid := f.tls, f.daemonUID()
	if t.keyMode&0o007 != 0 {
		return []Finding{problem(fmt.Sprintf("others may use the key of the certificate: %s has mode %04o; the master refuses it", f.in.TLSKey, t.keyMode), "chmod o= "+f.in.TLSKey)}
	}
	if uid > 0 && t.keyUID != uid && t.keyMode&0o040 == 0 {
		return []Finding{problem(fmt.Sprintf("%s belongs to user %d, and the master runs as %d, which cannot read it", f.in.TLSKey, t.keyUID, uid), fmt.Sprintf("chown %d %s", uid, f.in.TLSKey))}
	}
	return nil
}

func (t tlsFacts) validity(now time.Time) []Finding {
	for _, c := range t.chain {
		name := strings.Join(subjects(c), ", ")
		switch {
		case now.After(c.NotAfter):
			return []Finding{problem(fmt.Sprintf("the certificate of %s has expired on %s", name, c.NotAfter.UTC().Format(time.DateTime)), renew)}
		case now.Before(c.NotBefore):
			return []Finding{problem(fmt.Sprintf("the certificate of %s is not valid before %s", name, c.NotBefore.UTC().Format(time.DateTime)), "look at this host's clock, or "+renew)}
		case c.NotAfter.Sub(now) < expiresSoon:
			return []Finding{warning(fmt.Sprintf("the certificate of %s expires in %d days", name, int(c.NotAfter.Sub(now).Hours()/24)), renew)}
		}
	}
	return nil
}

// clientNames are the hosts by which clients know this master, as far as that is configured.
func (f *facts) clientNames() []string {
	var names []string
	for _, host := range []string{hostOf(f.in.APIAdvertise), f.in.Advertise} {
		if host != "" && !slices.Contains(names, host) {
			names = append(names, host)
		}
	}
	return names
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

func (t tlsFacts) names(wanted []string) (found []Finding) {
	for _, name := range wanted {
		if err := t.chain[0].VerifyHostname(name); err != nil {
			found = append(found, warning(fmt.Sprintf("the certificate is not for %s, but for %s", name, strings.Join(subjects(t.chain[0]), ", ")),
				"get one that names every host name and address by which clients call this master"))
		}
	}
	return found
}

// trust builds the chain to --tls-ca-file, if there is one.
func (t tlsFacts) trust(now time.Time) []Finding {
	switch {
	case t.rootsErr != nil:
		return []Finding{problem(fmt.Sprintf("--tls-ca-file cannot be used: %v", t.rootsErr), "give the PEM certificate of the authority")}
	case t.roots == nil:
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range t.chain[1:] {
		between.AddCert(c)
	}
	_, err := t.chain[0].Verify(x509.VerifyOptions{Roots: t.roots, Intermediates: between, CurrentTime: now})
	var expired x509.CertificateInvalidError
	if err == nil || errors.As(err, &expired) && expired.Reason == x509.Expired { // told above
		return nil
	}
	return []Finding{problem(fmt.Sprintf("the certificate does not lead to --tls-ca-file: %v", err), "put the certificates between it and the authority into --tls-cert after it, or mend --tls-ca-file, which clients are given to trust")}
}

// reloaded compares the file with what is served. The master reads the files again a moment after they change.
func (t tlsFacts) reloaded() []Finding {
	if t.served == nil || t.served.Equal(t.chain[0]) {
		return nil
	}
	return []Finding{warning(fmt.Sprintf("the running master serves another certificate, valid until %s, than --tls-cert holds", t.served.NotAfter.UTC().Format(time.DateOnly)),
		"look for the reason in its log; it goes on with the old pair while the new one cannot be used")}
}

// subjects are the names and addresses that a certificate is for.
func subjects(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{c.Subject.String()}
	}
	return names
}
