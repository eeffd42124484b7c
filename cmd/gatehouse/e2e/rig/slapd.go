package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// The places and accounts of every directory of the rig.
const (
	LDAPSuffix     = "dc=example,dc=org"
	LDAPPeople     = "ou=people," + LDAPSuffix
	LDAPGroups     = "ou=groups," + LDAPSuffix
	LookupDN       = "cn=lookup," + LDAPSuffix
	LookupPassword = "the-lookup-accounts-passphrase"
	ldapRootDN     = "cn=root," + LDAPSuffix
	ldapRootSecret = "the-root-of-the-directory"
)

// SlapdOptions describe a directory. The zero value is an empty one that anybody may read.
type SlapdOptions struct {
	Users  []LDAPUser
	Groups []LDAPGroup
	// Hidden shows entries to those who have bound only.
	Hidden bool
	// RequireTLS refuses every operation on a connection without TLS.
	RequireTLS bool
	// DemandCertificate refuses TLS connections without a certificate of the authority.
	DemandCertificate bool
	// Certificate is the server's; the zero value names loopback.
	Certificate Leaf
	// SizeLimit is how many entries a search answers with; 0 means 500.
	SizeLimit int
}

// Slapd is the real OpenLDAP server with a data base of its own. It listens on loopback, in plaintext (and StartTLS) on
// Port, and with TLS from the first byte on TLSPort.
type Slapd struct {
	Authority     *Authority // has signed the server's certificate, and checks those of clients
	Port, TLSPort int

	dir     string
	options SlapdOptions
	process *process
}

// StartSlapd starts a directory with these users and groups.
func StartSlapd(ctx context.Context, o SlapdOptions) (*Slapd, error) {
	authority, err := NewAuthority("the directory's authority")
	if err != nil {
		return nil, err
	}
	// Not below a test's directory: the path of a socket has 107 bytes at most.
	dir, err := os.MkdirTemp("", "gh-slapd-")
	if err != nil {
		return nil, err
	}
	s := &Slapd{Authority: authority, dir: dir, options: o}
	if err := errors.Join(s.configure(), s.load(ctx)); err != nil {
		s.Close()
		return nil, err
	}
	for range 5 {
		if err = s.startAnywhere(ctx); err == nil {
			return s, nil
		}
	}
	s.Close()
	return nil, err
}

// startAnywhere starts the server on ports that are free now: somebody may take them before it does.
func (s *Slapd) startAnywhere(ctx context.Context) error {
	port, err := FreePorts(2)
	if err != nil {
		return err
	}
	s.Port, s.TLSPort = port, port+1
	return s.Start(ctx)
}

// Start starts the server, at the ports that it had, and waits until it answers.
func (s *Slapd) Start(ctx context.Context) error {
	binary, err := installed("slapd")
	if err != nil {
		return err
	}
	listen := fmt.Sprintf("ldap://%s ldaps://%s %s", loopback(s.Port), loopback(s.TLSPort), s.ldapi())
	if s.process, err = startProcess([]string{binary, "-d", "0", "-f", s.path("slapd.conf"), "-h", listen}, nil, s.path("log")); err != nil {
		return err
	}
	err = Await(ctx, 20*time.Second, "the directory", func(context.Context) error {
		select {
		case <-s.process.done:
			return fmt.Errorf("it has ended (%v): %w", s.process.err, ErrFinal)
		default:
		}
		return s.admin(func(*ldap.Conn) error { return nil })
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%w\n%s", err, s.Log()), s.Kill())
	}
	return nil
}

// Close kills the server and removes its files.
func (s *Slapd) Close() {
	_ = s.Kill()
	_ = os.RemoveAll(s.dir)
}

// Kill ends the server with SIGKILL. Its ports refuse connections until Start.
func (s *Slapd) Kill() error {
	if s.process == nil {
		return nil
	}
	return s.process.kill()
}

// Freeze stops the server with SIGSTOP: connections are still made, by the kernel, and nothing is answered.
func (s *Slapd) Freeze() error { return s.process.freeze() }

// Thaw lets a frozen server go on.
func (s *Slapd) Thaw() error { return s.process.signal(syscall.SIGCONT) }

// Log is what the server has written.
func (s *Slapd) Log() string {
	log, err := os.ReadFile(s.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// Connections is how many connections to the server's TCP ports are open now, seen from its side.
func (s *Slapd) Connections() (int, error) {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	const established = "01"
	n := 0
	for line := range strings.Lines(string(table)) {
		// sl local_address rem_address st …
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != established {
			continue
		}
		_, port, _ := strings.Cut(fields[1], ":")
		if port == fmt.Sprintf("%04X", s.Port) || port == fmt.Sprintf("%04X", s.TLSPort) {
			n++
		}
	}
	return n, nil
}

func (s *Slapd) path(name string) string { return filepath.Join(s.dir, name) }

// ldapi is the URL of the server's UNIX socket, through which the tests change the directory.
func (s *Slapd) ldapi() string { return "ldapi://" + strings.ReplaceAll(s.path("ldapi"), "/", "%2F") }

// configure writes the server's configuration and certificates.
func (s *Slapd) configure() error {
	cert, key, err := s.Authority.Issue(s.options.Certificate)
	if err != nil {
		return err
	}
	files := map[string][]byte{"ca.pem": s.Authority.PEM, "cert.pem": cert, "key.pem": key, "slapd.conf": []byte(s.config())}
	for name, content := range files {
		if err := os.WriteFile(s.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return os.Mkdir(s.path("data"), 0o700)
}

const slapdConfig = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/pid
argsfile DIR/args
loglevel none
threads 4
localSSF 256
TLSCACertificateFile DIR/ca.pem
TLSCertificateFile DIR/cert.pem
TLSCertificateKeyFile DIR/key.pem
`

const slapdDatabase = `
database mdb
maxsize 67108864
suffix "dc=example,dc=org"
rootdn "cn=root,dc=example,dc=org"
rootpw the-root-of-the-directory
directory DIR/data
dbnosync
index objectClass,uid,cn,member,memberUid eq
access to attrs=userPassword by anonymous auth by * none
`

// config is the text of slapd.conf. What belongs to the whole server comes before the data base.
func (s *Slapd) config() string {
	text := slapdConfig
	if s.options.SizeLimit > 0 {
		text += fmt.Sprintf("sizelimit %d\n", s.options.SizeLimit)
	}
	if s.options.RequireTLS {
		text += "security ssf=128\n"
	}
	if s.options.DemandCertificate {
		text += "TLSVerifyClient demand\n"
	}
	text += slapdDatabase
	if s.options.Hidden {
		text += "access to * by users read by anonymous auth\n"
	} else {
		text += "access to * by * read\n"
	}
	return strings.ReplaceAll(text, "DIR", s.dir)
}

// load fills the data base before the server runs, which is much faster than asking it to.
func (s *Slapd) load(ctx context.Context) error {
	binary, err := installed("slapadd")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, "-q", "-f", s.path("slapd.conf"))
	cmd.Stdin = strings.NewReader(s.options.ldif())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("slapadd: %w\n%s", err, out)
	}
	return nil
}

// admin does something with a connection that may change everything.
func (s *Slapd) admin(do func(*ldap.Conn) error) error {
	conn, err := ldap.DialURL("ldapi://" + s.path("ldapi"))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetTimeout(10 * time.Second)
	if err := conn.Bind(ldapRootDN, ldapRootSecret); err != nil {
		return err
	}
	return do(conn)
}
