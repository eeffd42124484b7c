package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
	"gatehouse/cluster/disk"
	"gatehouse/keyring"
)

// keyFile writes a new key file.
func keyFile(t *testing.T) (string, *keyring.Ring) {
	t.Helper()
	ring, err := keyring.Generate()
	path := filepath.Join(t.TempDir(), "cluster.key")
	if err := errors.Join(err, ring.Create(path)); err != nil {
		t.Fatal(err)
	}
	return path, ring
}

func statuses(r Report) map[string]Status {
	out := map[string]Status{}
	for _, f := range r.Findings {
		out[f.Check] = f.Status
	}
	return out
}

// curt is an address where something that is no master hangs up on everybody.
func curt(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// A whole run against a real master with a clock that is ahead, from a host whose own master is down.
func TestRunAsksRealMastersAndMeasuresTheirClocks(t *testing.T) {
	path, ring := keyFile(t)
	c := clustertest.New(t, 1, clustertest.Options{TCP: true, Configure: func(_ int, cfg *cluster.Config) {
		cfg.Keys, cfg.KeyIDs, cfg.PrimaryKey = ring, ring.KeyIDs(), ring.PrimaryID
		cfg.Now = func() time.Time { return time.Now().Add(time.Minute) }
	}})
	_, foreign := keyFile(t)
	other := clustertest.New(t, 1, clustertest.Options{TCP: true, Configure: func(_ int, cfg *cluster.Config) { cfg.Keys = foreign }})
	dir := t.TempDir()
	id := disk.NewIdentity("here")
	id.ClusterID = c.Members[0].Node.ClusterID()
	if err := errors.Join(os.Chmod(dir, 0o700), id.Save(dir)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r := Run(t.Context(), Input{
		KeyFile: path, DataDir: dir, AdminSocket: filepath.Join(dir, "admin.sock"), AuditLog: "-", LowWater: 1, LookupHost: lookup,
		PeerListen: "127.0.0.1:1", GossipListen: "127.0.0.1:2", Peers: []string{c.Members[0].Addr, other.Members[0].Addr, curt(t)}, Join: []string{"no.such.name:2"}, MaxLevel: 1,
	})
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the run took %v", took)
	}
	for check, want := range map[string]Status{"config": OK, "key-file": OK, "data-dir": OK, "data-damage": OK, "disk-room": OK, "daemon": Problem,
		"masters": Problem, "keys": Problem, "names": Problem, "clock-skew": Problem, "own-address": NotChecked, "cluster-id": Problem} {
		if got := statuses(r)[check]; got != want {
			t.Errorf("%s: %s, want %s", check, got, want)
		}
	}
	for _, want := range []string{"1m0s ahead of", other.Members[0].Addr + " (it calls itself " + other.Members[0].Node.ID(), "something else than a master"} {
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.Contains(f.Found, want) }) {
			t.Errorf("no finding says %q: %+v", want, r.Findings)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("the run left %v in the data directory (%v), want node.json alone", left, err)
	}
}

// lookup knows no name but addresses.
func lookup(_ context.Context, host string) ([]string, error) {
	if net.ParseIP(host) != nil {
		return []string{host}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func TestModesOfFilesAreSeen(t *testing.T) {
	path, _ := keyFile(t)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	f := sound(t)
	f.key = lookAtKey(path)
	if got := statuses(judge(f))["key-file"]; got != Problem {
		t.Errorf("a key file that others can read: %s", got)
	}
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o700), os.WriteFile(filepath.Join(dir, "node.json"), []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	f.dir = lookAtDir(Input{DataDir: dir})
	if got := statuses(judge(f))["data-dir"]; got != Problem {
		t.Errorf("a damaged node.json: %s", got)
	}
	log := filepath.Join(dir, "var", "audit")
	if a := lookAtAudit(log); a.err != nil || !a.writable(os.Getuid()) || a.writable(os.Getuid()+1) {
		t.Errorf("an audit directory to be made in one's own directory: %+v", a)
	}
	if _, err := os.Stat(log); !errors.Is(err, fs.ErrNotExist) {
		t.Error("looking made the audit directory")
	}
	if a := lookAtAudit(dir); a.err != nil || a.mode != 0o700 || a.free <= 0 {
		t.Errorf("an audit directory: %+v", a)
	}
	if a := lookAtAudit(filepath.Join(dir, "node.json")); a.err == nil {
		t.Error("a file is taken for an audit directory")
	}
}

func TestTheDiskIsMeasuredAndLeftAsItWas(t *testing.T) {
	dir := t.TempDir()
	took, err := measureSync(dir)
	if err != nil || len(took) == 0 || !slices.IsSorted(took) {
		t.Errorf("got %v, %v", took, err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if _, err := measureSync(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing directory is measured")
	}
	if err := hang(t); !isTimeout(err) {
		t.Errorf("a step that hangs: %v, want a time-out", err)
	}
}

// hang is a look at a disk that does not answer.
func hang(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	_, err := within(ctx, localLimit, func() (int, error) { <-forever; return 0, nil })
	return err
}

func TestEveryCheckIsExplained(t *testing.T) {
	text, err := os.ReadFile("../../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if !strings.Contains(string(text), "\n| `"+c.name+"` | ") {
			t.Errorf("docs/operating.md has no row for the check %s", c.name)
		}
	}
}

func TestTheDaemonIsAskedWhateverItAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gatehouse/v1/health", "/gatehouse/v1/health/strict":
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"healthy":false,"reasons":["draining"],"id":"id1","state":"follower","leader":"","term":3}`)
		case "/metrics":
			fmt.Fprint(w, "# HELP x y\nprocess_max_fds 1024\nx{a=\"b c\"} 3\ngo_gc_gomemlimit_bytes 9.223372036854776e+18\n")
		}
	}))
	defer server.Close()
	f := lookAtDaemon(t.Context(), Input{AdminSocket: filepath.Join(t.TempDir(), "none.sock"), API: []Listener{{Address: strings.TrimPrefix(server.URL, "http://")}}})
	if f.health.Healthy || f.health.Term != 3 || !slices.Equal(f.health.Reasons, []string{"draining"}) || !f.strict || f.via != server.URL {
		t.Errorf("got %+v", f)
	}
	if len(f.metrics) != 2 || f.metrics["process_max_fds"] != 1024 {
		t.Errorf("metrics %v", f.metrics)
	}
}

func TestLimitsOfTheProcessAreRead(t *testing.T) {
	const text = "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max core file size        0                    unlimited            bytes     \n" +
		"Max open files            20000                20000                files     \n"
	got := parseLimits(text)
	if got["Max core file size"] != "0" || got["Max open files"] != "20000" {
		t.Errorf("limits %v", got)
	}
	root := t.TempDir()
	for name, content := range map[string]string{"system.slice/memory.max": "max\n", "system.slice/gatehouse.service/memory.max": "1073741824\n", "cgroup": "1:name=x:/y\n0::/system.slice/gatehouse.service\n"} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if got := memoryLimit(root, filepath.Join(root, "cgroup")); got != 1<<30 {
		t.Errorf("memory limit %d, want 1 GiB", got)
	}
}

func TestPeerPortsAreGuessedFromJoinAddresses(t *testing.T) {
	f := &facts{in: Input{PeerListen: "10.0.0.1:8102", GossipListen: "10.0.0.1:8103"}, names: []nameFact{{"master.mesos", []string{"10.0.0.1", "fd00::2"}, nil}}}
	if got := f.peersOf("master.mesos:9103"); !slices.Equal(got, []string{"10.0.0.1:9102", "[fd00::2]:9102"}) {
		t.Errorf("got %v", got)
	}
	for address, want := range map[string]string{"0.0.0.0:1": "localhost:1", "[::]:1": "localhost:1", ":1": "localhost:1", "10.0.0.1:1": "10.0.0.1:1"} {
		if got := local(address); got != want {
			t.Errorf("local(%s) = %s, want %s", address, got, want)
		}
	}
}

// pair writes a certificate of its own authority, and the authority.
func pair(t *testing.T, name string, from, to time.Time) (in Input) {
	t.Helper()
	dir := t.TempDir()
	caKey, key := newKey(t), newKey(t)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: from.Add(-time.Hour), NotAfter: to.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: from, NotAfter: to}
	in = Input{TLSCert: filepath.Join(dir, "cert"), TLSKey: filepath.Join(dir, "key"), TLSCAFile: filepath.Join(dir, "ca")}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, in.TLSKey, "PRIVATE KEY", der)
	writePEM(t, in.TLSCAFile, "CERTIFICATE", sign(t, ca, ca, caKey, caKey))
	writePEM(t, in.TLSCert, "CERTIFICATE", sign(t, leaf, ca, key, caKey))
	return in
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, c, by *x509.Certificate, key, byKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), byKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheServedCertificateIsComparedWithTheFile(t *testing.T) {
	in := pair(t, "master.mesos", noon.Add(-time.Hour), noon.Add(365*24*time.Hour))
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	in.API = []Listener{{Address: "127.0.0.1:1", TLS: true, Proxy: true}, {Address: strings.TrimPrefix(server.URL, "https://"), TLS: true}}
	f := &facts{in: in, now: noon, tls: lookAtTLS(in), dir: dirFacts{uid: os.Getuid()}}
	f.tls.served = servedCertificate(t.Context(), in)
	if found := checkCertificate(f); len(found) != 1 || found[0].Status != Warning || !strings.Contains(found[0].Found, "serves another certificate") {
		t.Errorf("got %+v", found)
	}
	f.tls.served = f.tls.chain[0]
	if found := checkCertificate(f); found[0].Status != OK {
		t.Errorf("the same certificate: %+v", found)
	}
}

func TestCertificatesAreExamined(t *testing.T) {
	long := noon.Add(365 * 24 * time.Hour)
	sane := pair(t, "master.mesos", noon.Add(-time.Hour), long)
	for _, c := range []struct {
		name   string
		in     func() Input
		status Status
		text   string
	}{
		{"sound", func() Input { return sane }, OK, "master.mesos is valid until 2027"},
		{"none", func() Input { return Input{} }, OK, "no certificate"},
		{"expired", func() Input { return pair(t, "master.mesos", noon.Add(-2*time.Hour), noon.Add(-time.Hour)) }, Problem, "has expired"},
		{"expiring", func() Input { return pair(t, "master.mesos", noon.Add(-time.Hour), noon.Add(10*24*time.Hour)) }, Warning, "expires in 10 days"},
		{"not yet", func() Input { return pair(t, "master.mesos", noon.Add(time.Hour), long) }, Problem, "not valid before"},
		{"another name", func() Input { in := sane; in.Advertise = "10.0.0.1"; return in }, Warning, "not for 10.0.0.1"},
		{"another pair", func() Input {
			in := sane
			in.TLSKey = pair(t, "x", noon, long).TLSKey
			return in
		}, Problem, "cannot be used"},
		{"another authority", func() Input {
			in := sane
			in.TLSCAFile = pair(t, "x", noon, long).TLSCAFile
			return in
		}, Problem, "does not lead to"},
		{"no authority", func() Input { in := sane; in.TLSCAFile = in.TLSKey; return in }, Problem, "no certificate in it"},
		{"open key", func() Input {
			in := pair(t, "master.mesos", noon.Add(-time.Hour), long)
			if err := os.Chmod(in.TLSKey, 0o644); err != nil {
				t.Fatal(err)
			}
			return in
		}, Problem, "chmod o="},
		{"key for a group", func() Input {
			in := pair(t, "master.mesos", noon.Add(-time.Hour), long)
			if err := os.Chmod(in.TLSKey, 0o640); err != nil {
				t.Fatal(err)
			}
			return in
		}, OK, "is valid until"},
	} {
		in := c.in()
		f := &facts{in: in, now: noon, tls: lookAtTLS(in), dir: dirFacts{uid: os.Getuid()}}
		found := checkCertificate(f)
		if len(found) != 1 || found[0].Status != c.status || !strings.Contains(found[0].Found+found[0].Do, c.text) {
			t.Errorf("%s: %+v, want %s with %q", c.name, found, c.status, c.text)
		}
	}
}

func TestMetricsOfStoresAreRead(t *testing.T) {
	text := "# HELP gatehouse_store_sealed x\ngatehouse_store_sealed{store=\"default\"} 1\ngatehouse_store_open{store=\"a-b_c\"} 0\n" +
		"other{store=\"default\"} 3\nplain 4\n"
	want := map[string]float64{"gatehouse_store_sealed default": 1, "gatehouse_store_open a-b_c": 0}
	if got := parseStores([]byte(text)); !maps.Equal(got, want) {
		t.Errorf("metrics of stores: %v, want %v", got, want)
	}
	if plain := parseMetrics([]byte(text)); len(plain) != 1 || plain["plain"] != 4 {
		t.Errorf("metrics without labels: %v", plain)
	}
}
