package ldap

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

func TestAProbeTellsWhatHappened(t *testing.T) {
	disabledUser := person("dora", "userAccountControl", "514")
	const (
		credentials = "Directory back-end reached, but user-given credentials are invalid: "
		wrongCode   = "Invalid credentials (49) response, DN `"
	)
	for name, c := range map[string]struct {
		change         func(*directory, *Config)
		user, password string
		want           Result
	}{
		"right": {nil, "alice", "password of alice", Result{TestPassed, "Directory back-end reached and all tests passed.", true}},
		"right, with lookup": {func(_ *directory, c *Config) { c.LookupDN, c.LookupPassword = lookup, "lookup password" }, "alice", "password of alice",
			Result{TestPassed, "Directory back-end reached and all tests passed.", true}},
		"right, by template": {func(_ *directory, c *Config) { c.UserSearch, c.DNTemplate = nil, "uid=%(username)s,"+people }, "alice", "password of alice",
			Result{TestPassed, "Directory back-end reached and all tests passed.", true}},
		"right, no groups": {func(_ *directory, c *Config) { c.GroupSearch = nil }, "alice", "password of alice",
			Result{TestPassed, "Directory back-end reached and all tests passed.", true}},
		"wrong":          {nil, "alice", "x", Result{InvalidCredentials, credentials + wrongCode + dnOf("alice") + "`.", true}},
		"empty password": {nil, "alice", "", Result{InvalidCredentials, credentials + "the directory refused the credentials: the password is empty.", true}},
		"wrong lookup": {func(_ *directory, c *Config) { c.LookupDN, c.LookupPassword = lookup, "x" }, "alice", "x",
			Result{InvalidCredentials, credentials + wrongCode + lookup + "`.", true}},
		"unknown": {nil, "u", "x", Result{InvalidCredentials, "Directory back-end reached, but search for username `u` did not yield match: search yielded 0 entries", true}},
		"two": {func(d *directory, _ *Config) {
			d.onSearch = func(search) answer { return answer{entries: []*ldap.Entry{person("alice"), person("alice")}} }
		}, "alice", "x",
			Result{InvalidCredentials, "Directory back-end reached, but search for username `alice` did not yield match: search yielded more than 1 entry", true}},
		"disabled": {nil, "dora", "password of dora",
			Result{InvalidCredentials, credentials + "the directory refused the credentials: the account is disabled (userAccountControl).", true}},
		"no group base": {func(_ *directory, c *Config) { c.GroupSearch.Base = "ou=gone" }, "alice", "password of alice",
			Result{SearchFailed, "Error during authentication process: search operation failed: search base `ou=gone`: No such object (32) response, what the directory says", false}},
		"no user base": {func(d *directory, c *Config) {
			d.onSearch = func(search) answer { return answer{code: ldap.LDAPResultNoSuchObject} }
		}, "alice", "password of alice",
			Result{SearchFailed, "Error during authentication process: search operation failed: search base `" + people + "`: No such object (32) response, what the directory says", false}},
		"busy": {func(d *directory, _ *Config) { d.onBind = func(string, string) uint16 { return ldap.LDAPResultBusy } }, "alice", "x",
			Result{SearchFailed, "Error during authentication process: bind operation failed: Busy (51) response, DN `" + dnOf("alice") + "`, data 52e", false}},
		"enforced": {func(_ *directory, c *Config) { c.EnforceStartTLS = true }, "alice", "x",
			Result{TLSFailed, "Error during authentication process: `enforce-starttls` is set and StartTLS operation failed: Protocol error (2) response, unsupported extended operation", false}},
	} {
		d := holding(person("alice"), disabledUser)
		cfg := d.serve(t).config()
		if c.change != nil {
			c.change(d, cfg)
		}
		var text log
		if got := newClient(t, &text).Probe(t.Context(), cfg, c.user, c.password); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
		await(t, "the end of the probe's connection", func() bool { open, _, _ := d.connections(); return open == 0 })
	}
}

func TestAProbeOfADirectoryThatIsNotThere(t *testing.T) {
	const begin = "Error during authentication process: Cannot open connection to directory back-end: "
	for want, err := range map[string]error{
		"timed out":          &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded},
		"connection refused": &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"no such host":       &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}},
		"odd text":           errors.New("odd\x00text\n"),
	} {
		var text log
		c := newClient(t, &text)
		c.opts.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, err }
		r := c.Probe(t.Context(), &Config{Host: "x", Port: 389, DNTemplate: "uid=%(username)s"}, "u", "x")
		if r != (Result{DirectoryUnreachable, begin + "socket connection error while opening: " + want, false}) {
			t.Errorf("%s: %+v", want, r)
		}
	}
}

func TestAProbeOfADirectoryWithAnotherCertificate(t *testing.T) {
	a := newAuthority(t)
	d := holding(person("alice"))
	d.implicit, d.tls = true, server(a.leaf(nil))
	cfg := d.serve(t).config()
	cfg.LDAPS, cfg.CACerts = true, newAuthority(t).pem()
	var text log
	c := newClient(t, &text)
	r := c.Probe(t.Context(), cfg, "alice", "x")
	if want := "Error during authentication process: Cannot open connection to directory back-end: socket ssl wrapping error: tls: failed to verify certificate: "; r.OK || r.Code != TLSFailed || !strings.HasPrefix(r.Description, want) {
		t.Errorf("%+v, want %s…", r, want)
	}
	cfg.CACerts = a.pem()
	if r := c.Probe(t.Context(), cfg, "alice", "password of alice"); r.Code != TestPassed {
		t.Errorf("with its authority: %+v", r)
	}
}
