package client_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/httpapi/client"
)

// listenByNumber listens on a port that was asked for by its number: the kernel leaves it to the socket also after deafen.
func listenByNumber(t *testing.T) *net.TCPListener {
	t.Helper()
	for {
		found, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		found.Close()
		listener, err := net.ListenTCP("tcp", found.Addr().(*net.TCPAddr))
		if err == nil {
			t.Cleanup(func() { listener.Close() })
			return listener
		}
	}
}

// deafen ends the listening, but keeps the port, so that nobody else can listen there.
func deafen(t *testing.T, listener *net.TCPListener) {
	raw, err := listener.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	if err := raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }); err != nil {
		t.Error(err)
	}
}

// dyingMaster answers one request. When the second comes on the kept connection, it stops listening and then closes the connection: what
// net/http does about that by itself ends in "connection refused", although the request has arrived.
func dyingMaster(t *testing.T) (address string, second <-chan string) {
	t.Helper()
	listener := listenByNumber(t)
	arrived := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		deafen(t, listener)
		arrived <- r.Method + " " + r.Header.Get("Idempotency-Key")
	}()
	return "http://" + listener.Addr().String(), arrived
}

func TestARequestOnADyingConnectionMayHaveHappened(t *testing.T) {
	for name, r := range map[string]client.Request{"with a body": put, "without": remove} {
		t.Run(name, func(t *testing.T) {
			address, second := dyingMaster(t)
			c := newClient(t, client.Options{Addresses: []string{address}, Patience: -1})
			if _, err := c.Do(t.Context(), get); err != nil {
				t.Fatal(err)
			}
			_, err := c.Do(t.Context(), r)
			if !client.OutcomeUnknown(err) {
				t.Errorf("got %v, want an unknown outcome", err)
			}
			if got := <-second; !strings.HasPrefix(got, r.Method+" ") || len(got) < 20 {
				t.Errorf("got %q, want the change with its key", got)
			}
		})
	}
}

// A change that may not be repeated never goes on a kept connection, which may be dead without anybody having noticed.
func TestAChangeWithoutAKeyGetsAConnectionOfItsOwn(t *testing.T) {
	var connections atomic.Int32
	m := &master{steps: []step{fine}}
	m.Server = httptest.NewUnstartedServer(m)
	m.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	m.Start()
	t.Cleanup(m.Close)
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	for i, r := range []client.Request{get, put, get, prepare, prepare} {
		if _, err := c.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got, want := connections.Load(), []int32{1, 1, 1, 2, 3}[i]; got != want {
			t.Errorf("after request %d: got %d connections, want %d", i, got, want)
		}
	}
}

func TestTokensGoToNamedAddressesOnly(t *testing.T) {
	other := startMaster(t, fine)
	for _, status := range []int{301, 302, 303, 307, 308} {
		m := startMaster(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+r.URL.Path, status) })
		for _, r := range []client.Request{get, put, prepare} {
			_, err := newClient(t, client.Options{Addresses: []string{m.URL}}).Do(t.Context(), r)
			if err == nil || !strings.Contains(err.Error(), other.URL) {
				t.Errorf("%d %s: got %v, want an error that names %s", status, r.Method, err, other.URL)
			}
		}
	}
	if seen := other.seen(); len(seen) != 0 {
		t.Errorf("got %+v", seen)
	}
}

// The environment is read once for a whole process, so a test cannot set a proxy there; but what does not ask does not find.
func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	for i, transport := range client.Transports(newClient(t, client.Options{Addresses: []string{"http://localhost"}})) {
		if transport.Proxy != nil || !transport.DisableCompression {
			t.Errorf("transport %d has a proxy or unpacks answers", i)
		}
	}
}

func TestCookiesAreNotKept(t *testing.T) {
	var cookies atomic.Int32
	m := startMaster(t, func(w http.ResponseWriter, r *http.Request) {
		cookies.Add(int32(len(r.Cookies())))
		http.SetCookie(w, &http.Cookie{Name: "dcos-acs-auth-cookie", Value: "another's"})
		fine(w, r)
	})
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	for range 2 {
		if _, err := c.Do(t.Context(), get); err != nil {
			t.Fatal(err)
		}
	}
	if n := cookies.Load(); n != 0 {
		t.Errorf("got %d cookies, want none", n)
	}
}

func startTLS(t *testing.T, http2 bool) (m *master, roots *x509.CertPool) {
	t.Helper()
	m = &master{steps: []step{fine}}
	m.Server = httptest.NewUnstartedServer(m)
	m.EnableHTTP2 = http2
	m.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	m.StartTLS()
	t.Cleanup(m.Close)
	roots = x509.NewCertPool()
	roots.AddCert(m.Certificate())
	return m, roots
}

func TestTheCertificateOfAMasterIsVerified(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		m, roots := startTLS(t, http2)
		trusting := newClient(t, client.Options{Addresses: []string{m.URL}, TLS: &tls.Config{RootCAs: roots}})
		for _, r := range []client.Request{get, put, prepare} {
			if _, err := trusting.Do(t.Context(), r); err != nil {
				t.Errorf("HTTP/2 %v, %s: %v", http2, r.Method, err)
			}
		}
		before := len(m.seen())
		_, err := newClient(t, client.Options{Addresses: []string{m.URL}}).Do(t.Context(), put)
		if err == nil || client.OutcomeUnknown(err) || !strings.Contains(err.Error(), "certificate") || len(m.seen()) != before {
			t.Errorf("HTTP/2 %v, an unknown authority: got %v", http2, err)
		}
	}
}

// What will not mend by itself is not waited for.
func TestWrongCertificatesAreReportedAtOnce(t *testing.T) {
	m, roots := startTLS(t, true)
	plain := startMaster(t, fine)
	for name, address := range map[string]string{"unknown authority": m.URL, "no TLS there": strings.Replace(plain.URL, "http:", "https:", 1)} {
		o := client.Options{Addresses: []string{address}, Patience: time.Hour}
		if _, err := newClient(t, o).Do(t.Context(), get); !client.Unavailable(err) || client.OutcomeUnknown(err) {
			t.Errorf("%s: got %v, want unavailable", name, err)
		}
		o = client.Options{Addresses: []string{address, m.URL}, TLS: &tls.Config{RootCAs: roots}}
		if answer, err := newClient(t, o).Do(t.Context(), get); err != nil || answer.Address != m.URL {
			t.Errorf("%s, and a second address that is right: got %v", name, err)
		}
	}
}

func TestAMasterMayWantACertificate(t *testing.T) {
	strict := &master{steps: []step{fine}}
	strict.Server = httptest.NewUnstartedServer(strict)
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	strict.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	strict.StartTLS()
	t.Cleanup(strict.Close)
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(strict.Certificate())
	o := client.Options{Addresses: []string{strict.URL}, TLS: config, Patience: -1}
	if _, err := newClient(t, o).Do(t.Context(), get); !client.Unavailable(err) {
		t.Errorf("without one: got %v, want unavailable", err)
	}
	o.TLS.Certificates = strict.Server.TLS.Certificates
	if _, err := newClient(t, o).Do(t.Context(), get); err != nil {
		t.Errorf("with one: %v", err)
	}
}

// Nothing secret shows, however anything is printed or logged, and whatever fails.
func TestNothingSecretIsLogged(t *testing.T) {
	var log bytes.Buffer
	key := serviceKey(t)
	cluster := startCluster(t, time.Hour)
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secret, err := client.NewLoginSecret("a-service", key, endpoint)
	if err != nil {
		t.Fatal(err)
	}
	text := "p4ss-in-an-update"
	o := client.Options{Addresses: []string{cluster.URL}, Credentials: client.Password("alice", "p4ss-of-alice"), Token: "t0ken-from-before", Logger: logger}
	c := newClient(t, o)
	if err := c.CreateUser(t.Context(), client.NewUser{UID: "bob", Password: "p4ss-of-bob"}); err != nil {
		t.Fatal(err)
	}
	token, err := c.Login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cluster.refuse = says(401, "ERR_INVALID_CREDENTIALS")
	cluster.revoked.Store(1 << 30)
	failed := read(t.Context(), c)
	for _, v := range []any{c, o, token, secret, &secret, client.FromSecret(secret), client.ServiceKey("a-service", key), o.Credentials,
		client.NewUser{UID: "bob", Password: "p4ss-of-bob"}, client.UserUpdate{Password: &text}, failed} {
		logger.Info("printed", slog.Any("value", v), slog.String("formats", fmt.Sprintf("%v %+v %#v %s", v, v, v, v)))
	}
	for _, planted := range []string{"p4ss", "t0ken", "PRIVATE", token.Raw, key.D.String(), text} {
		if strings.Contains(log.String(), planted) {
			t.Errorf("the log shows %q:\n%s", planted[:5], log.String())
		}
	}
	if !strings.Contains(log.String(), `"msg":"logged in"`) {
		t.Errorf("the log shows no login:\n%s", log.String())
	}
}
