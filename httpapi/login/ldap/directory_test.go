package ldap

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// directory is a directory server that does what a test tells it to. It counts what it is asked.
type directory struct {
	listener net.Listener
	tls      *tls.Config // nil refuses StartTLS
	implicit bool        // TLS from the first byte
	// injected is sent in clear right behind the agreement on TLS.
	injected string
	// onBind answers a bind with a result code; everybody is let in when nil.
	onBind func(dn, password string) uint16
	// onSearch answers a search.
	onSearch func(search) answer

	mu         sync.Mutex
	open, most int
	total      int
	binds      []bind
	searches   []search
}

// bind is a bind request.
type bind struct {
	dn, password string
	secure       bool
}

// search is a search request.
type search struct {
	as           string // who was bound
	base, filter string
	scope        int64
	attributes   []string
}

// answer is what is answered to a search: entries and references, then a result code; or raw bytes in their place.
type answer struct {
	entries    []*ldap.Entry
	references []string
	code       uint16
	raw        func(c net.Conn, id int64)
}

// serve starts the directory, which ends with the test.
func (d *directory) serve(t *testing.T) *directory {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.listener = l
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = c.Close() })
				defer stop()
				d.connection(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		cancel()
		serving.Wait()
	})
	return d
}

// connection speaks with one client until it leaves.
func (d *directory) connection(c net.Conn) {
	d.count(1)
	defer d.count(-1)
	defer func() { _ = c.Close() }()
	secure := d.implicit
	if secure {
		c = tls.Server(c, d.tls)
	}
	as := ""
	for {
		request, err := ber.ReadPacket(c)
		if err != nil || len(request.Children) < 2 {
			return
		}
		id, _ := request.Children[0].Value.(int64)
		op := request.Children[1]
		switch op.Tag {
		case ldap.ApplicationBindRequest:
			b := bind{op.Children[1].Data.String(), op.Children[2].Data.String(), secure}
			code := d.bind(b)
			if as = b.dn; code != 0 {
				as = ""
			}
			write(c, id, result(ldap.ApplicationBindResponse, code, "data 52e, "+b.password))
		case ldap.ApplicationSearchRequest:
			if !d.search(c, id, as, op) {
				return
			}
		case ldap.ApplicationExtendedRequest:
			if d.tls == nil {
				write(c, id, result(ldap.ApplicationExtendedResponse, ldap.LDAPResultProtocolError, "unsupported extended operation"))
				continue
			}
			agreed := message(id, result(ldap.ApplicationExtendedResponse, 0, "")).Bytes()
			_, _ = c.Write(append(agreed, d.injected...))
			c, secure = tls.Server(c, d.tls), true
		default:
			return
		}
	}
}

func (d *directory) count(by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open += by
	d.most = max(d.most, d.open)
	d.total += max(by, 0)
}

func (d *directory) bind(b bind) uint16 {
	d.mu.Lock()
	d.binds = append(d.binds, b)
	d.mu.Unlock()
	if d.onBind == nil {
		return 0
	}
	return d.onBind(b.dn, b.password)
}

// search answers a search, and reports whether the connection goes on.
func (d *directory) search(c net.Conn, id int64, as string, op *ber.Packet) bool {
	filter, _ := ldap.DecompileFilter(op.Children[6])
	scope, _ := op.Children[1].Value.(int64)
	s := search{as: as, base: op.Children[0].Data.String(), filter: filter, scope: scope}
	for _, a := range op.Children[7].Children {
		s.attributes = append(s.attributes, a.Data.String())
	}
	d.mu.Lock()
	d.searches = append(d.searches, s)
	d.mu.Unlock()
	reply := d.onSearch(s)
	if reply.raw != nil {
		reply.raw(c, id)
		return false
	}
	for _, e := range reply.entries {
		write(c, id, entryPacket(e))
	}
	for _, url := range reply.references {
		reference := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
		reference.AppendChild(octets(url))
		write(c, id, reference)
	}
	write(c, id, result(ldap.ApplicationSearchResultDone, reply.code, "what the directory says"))
	return true
}

// asked returns what was asked so far.
func (d *directory) asked() (binds []bind, searches []search) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.binds), slices.Clone(d.searches)
}

// connections returns how many are open, how many were at most, and how many there were.
func (d *directory) connections() (open, most, total int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open, d.most, d.total
}

func write(c net.Conn, id int64, op *ber.Packet) { _, _ = c.Write(message(id, op).Bytes()) }

func message(id int64, op *ber.Packet) *ber.Packet {
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	return m
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func result(op ber.Tag, code uint16, diagnostic string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, op, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	p.AppendChild(octets(""))
	p.AppendChild(octets(diagnostic))
	return p
}

func entryPacket(e *ldap.Entry) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(e.DN))
	attributes := ber.NewSequence("")
	for _, a := range e.Attributes {
		attribute := ber.NewSequence("")
		attribute.AppendChild(octets(a.Name))
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a.Values {
			values.AppendChild(octets(v))
		}
		attribute.AppendChild(values)
		attributes.AppendChild(attribute)
	}
	p.AppendChild(attributes)
	return p
}

// The names in the directories of the tests.
const (
	people = "ou=people,dc=example,dc=org"
	groups = "ou=groups,dc=example,dc=org"
	lookup = "cn=lookup,dc=example,dc=org"
)

func dnOf(uid string) string { return "uid=" + uid + "," + people }

// person is the entry of a user; more are names and values of further attributes.
func person(uid string, more ...string) *ldap.Entry {
	e := ldap.NewEntry(dnOf(uid), map[string][]string{"uid": {uid}, "cn": {"Name of " + uid}})
	for i := 0; i < len(more); i += 2 {
		e.Attributes = append(e.Attributes, ldap.NewEntryAttribute(more[i], []string{more[i+1]}))
	}
	return e
}

// holding is a directory with these entries. It finds one by the value of any attribute that the filter compares, or by DN, and lets
// in who has the password "password of " and the first value of uid.
func holding(entries ...*ldap.Entry) *directory {
	entries = append(entries, ldap.NewEntry(people, nil), ldap.NewEntry(groups, nil))
	return &directory{
		onSearch: func(s search) answer {
			var found []*ldap.Entry
			for _, e := range entries {
				if s.scope == ldap.ScopeBaseObject && strings.EqualFold(e.DN, s.base) || s.scope != ldap.ScopeBaseObject && matches(e, s.filter) {
					found = append(found, e)
				}
			}
			if s.scope == ldap.ScopeBaseObject && len(found) == 0 {
				return answer{code: ldap.LDAPResultNoSuchObject}
			}
			return answer{entries: found}
		},
		onBind: func(dn, password string) uint16 {
			for _, e := range entries {
				if strings.EqualFold(e.DN, dn) && password == "password of "+e.GetAttributeValue("uid") {
					return 0
				}
			}
			if dn == lookup && password == "lookup password" {
				return 0
			}
			return ldap.LDAPResultInvalidCredentials
		},
	}
}

func matches(e *ldap.Entry, filter string) bool {
	for _, a := range e.Attributes {
		for _, v := range a.Values {
			if strings.Contains(strings.ToLower(filter), strings.ToLower("("+a.Name+"="+ldap.EscapeFilter(v)+")")) {
				return true
			}
		}
	}
	return false
}

// config searches the directory, in clear where it has no StartTLS.
func (d *directory) config() *Config {
	return &Config{
		Host: "127.0.0.1", Port: d.listener.Addr().(*net.TCPAddr).Port,
		UserSearch:  &Search{people, "(&(objectClass=person)(uid=%(username)s))"},
		GroupSearch: &GroupSearch{Search{groups, "(cn=%(groupname)s)"}, []string{"member", "uniquemember", "memberuid"}},
	}
}

// template is a configuration that makes DNs out of names.
func (d *directory) template() *Config {
	cfg := d.config()
	cfg.UserSearch, cfg.DNTemplate = nil, "uid=%(username)s,"+people
	return cfg
}

// log is a logger's text.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newClient returns a client that ends with the test, and waits longer than others. Its log goes to w.
func newClient(t testing.TB, w io.Writer) *Client {
	t.Helper()
	c := New(Options{Logger: slog.New(slog.NewTextHandler(w, nil))})
	c.loginTime, c.groupTime, c.maxWait = 9*patience, 9*patience, 9*patience
	t.Cleanup(c.Close)
	return c
}

// patience is how long a test waits for what must happen; it is never reached where all is well.
const patience = 20 * time.Second

// await polls until done is true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}
