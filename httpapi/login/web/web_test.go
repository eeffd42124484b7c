package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// server is a provider on loopback, and a client that may reach it.
func server(t *testing.T, o Options, h http.HandlerFunc) (*httptest.Server, *http.Client) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	o.AllowInsecure = true
	return s, client(t, o, authority(s), false)
}

func authority(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func client(t *testing.T, o Options, ca string, insecure bool) *http.Client {
	t.Helper()
	c, err := New(o).Client(ca, insecure)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// fetch answers the body.
func fetch(c *http.Client, target string) (string, error) {
	response, err := c.Get(target)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestAServerOfTheConfiguredAuthorityIsAsked(t *testing.T) {
	s, c := server(t, Options{}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	if got, err := fetch(c, s.URL); got != "hello" || err != nil {
		t.Errorf("got %q, %v, want hello", got, err)
	}
}

func TestCertificatesAreVerifiedUnlessToldOtherwise(t *testing.T) {
	s, _ := server(t, Options{}, func(http.ResponseWriter, *http.Request) {})
	for name, c := range map[string]*http.Client{
		"the authorities of the system": client(t, Options{AllowInsecure: true}, "", false),
		"another authority":             client(t, Options{AllowInsecure: true}, otherAuthority, false),
	} {
		if _, err := fetch(c, s.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: got %v, want an error about the certificate", name, err)
		}
	}
	if _, err := fetch(client(t, Options{AllowInsecure: true}, "", true), s.URL); err != nil {
		t.Errorf("without verification: %v", err)
	}
	if _, err := New(Options{}).Client("no certificate", false); err == nil {
		t.Error("authorities that are no PEM were accepted")
	}
}

func TestClientsWithTheSameTrustAreOne(t *testing.T) {
	w := New(Options{})
	a, _ := w.Client("", false)
	b, _ := w.Client("", false)
	c, _ := w.Client("", true)
	if a != b || a == c {
		t.Errorf("clients %p, %p and, with another trust, %p", a, b, c)
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	var asked []string
	var s *httptest.Server
	s, c := server(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
	})
	for _, to := range []string{s.URL + "/elsewhere", "http://169.254.169.254/latest", "file:///etc/passwd", "/same-host"} {
		asked = nil
		response, err := c.Post(s.URL+"/start?to="+url.QueryEscape(to), "text/plain", strings.NewReader("code"))
		if response != nil {
			response.Body.Close()
		}
		if err == nil || len(asked) != 1 {
			t.Errorf("redirect to %s: %v, asked %v, want an error after one request", to, err, asked)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	huge := strings.Repeat("x", 64<<10)
	s, c := server(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/just":
			io.WriteString(w, strings.Repeat("x", MaxBody))
		case "/huge":
			for range 100 << 20 / len(huge) {
				if _, err := io.WriteString(w, huge); err != nil {
					return
				}
			}
		case "/header":
			for i := range 100 {
				w.Header().Set(fmt.Sprintf("X-%d", i), huge[:2000])
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(bytes.Repeat([]byte{0}, 10<<20))
			z.Close()
		}
	})
	if got, err := fetch(c, s.URL+"/just"); len(got) != MaxBody || err != nil {
		t.Errorf("an answer of %d bytes: got %d, %v", MaxBody, len(got), err)
	}
	if got, err := fetch(c, s.URL+"/huge"); len(got) > MaxBody || !errors.Is(err, ErrTooLarge) {
		t.Errorf("an answer of 100 MiB: got %d bytes, %v, want ErrTooLarge", len(got), err)
	}
	if _, err := fetch(c, s.URL+"/header"); err == nil {
		t.Error("a header of 200 kB was read")
	}
	if got, err := fetch(c, s.URL+"/bomb"); !errors.Is(err, ErrEncoded) {
		t.Errorf("a compressed answer: got %d bytes, %v, want ErrEncoded", len(got), err)
	}
}

func TestASlowServerIsLeft(t *testing.T) {
	done := make(chan struct{})
	s, c := server(t, Options{Timeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-done
	})
	defer close(done)
	_, err := fetch(c, s.URL)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
}

// TestExchangesAtOnceAreBounded fills what one host may have, sees the next one refused at once and other hosts served,
// and that places come back.
func TestExchangesAtOnceAreBounded(t *testing.T) {
	hold, arrived := make(chan struct{}), make(chan struct{}, maxExchanges)
	s, c := server(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-hold
		}
	})
	var slow sync.WaitGroup
	for range maxPerHost {
		slow.Go(func() {
			if _, err := fetch(c, s.URL+"/slow"); err != nil {
				t.Error(err)
			}
		})
	}
	for range maxPerHost {
		<-arrived
	}
	if _, err := fetch(c, s.URL); !errors.Is(err, ErrBusy) {
		t.Errorf("exchange %d with one host: %v, want ErrBusy", maxPerHost+1, err)
	}
	elsewhere := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	if _, err := fetch(c, elsewhere); errors.Is(err, ErrBusy) {
		t.Errorf("an exchange with another host: %v", err)
	}
	close(hold)
	slow.Wait()
	if _, err := fetch(c, s.URL); err != nil {
		t.Errorf("after the slow ones have ended: %v", err)
	}
}

func TestExchangesOfAllHostsTogetherAreBounded(t *testing.T) {
	s := newSlots(3, 2)
	release, _ := s.take("a")
	for _, host := range []string{"a", "b"} {
		if _, err := s.take(host); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.take("c"); !errors.Is(err, ErrBusy) {
		t.Errorf("the fourth of three: %v, want ErrBusy", err)
	}
	release()
	if _, err := s.take("c"); err != nil || s.hosts["a"] != 1 {
		t.Errorf("after one was given back: %v, %v", err, s.hosts)
	}
}

// TestAProxyMayBeAnywhere sends a request through a web proxy on loopback: the environment of the daemon is trusted.
func TestAProxyMayBeAnywhere(t *testing.T) {
	var through []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through = append(through, r.Method+" "+r.Host)
		http.Error(w, "not today", http.StatusForbidden)
	}))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, Options{Proxy: http.ProxyURL(at)}, "", false)
	if _, err := fetch(c, "https://idp.example"); err == nil {
		t.Error("the refusal of the proxy went unnoticed")
	}
	if _, err := fetch(c, "https://169.254.169.254"); !errors.Is(err, ErrForbidden) {
		t.Errorf("an address of link-local through the proxy: %v, want ErrForbidden", err)
	}
	if len(through) != 1 || through[0] != "CONNECT idp.example:443" {
		t.Errorf("the proxy saw %v", through)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	s, _ := server(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
		}
	})
	w := New(Options{AllowInsecure: true})
	c, err := w.Client(authority(s), false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	for _, target := range []string{s.URL, s.URL + "/missing", "https://0.0.0.0/", "file:///etc/passwd"} {
		_, _ = fetch(c, target)
	}
	want := map[string]float64{"ok": 1, "status": 1, "forbidden": 1, "busy": 0, "failed": 1, "": 0}
	if got := counted(t, w); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// counted reads the metrics: the counts by result, and as "" how many requests are under way.
func counted(t *testing.T, w *Web) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(w.Collectors()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 0 {
				all[""] = m.GetGauge().GetValue()
			} else {
				all[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return all
}

func TestAContextEndsAnExchange(t *testing.T) {
	s, c := server(t, Options{}, func(w http.ResponseWriter, r *http.Request) {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(request); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// otherAuthority has signed nothing.
const otherAuthority = `-----BEGIN CERTIFICATE-----
MIIBWzCCAQGgAwIBAgIBATAKBggqhkjOPQQDAjAcMRowGAYDVQQDExFhbm90aGVy
IGF1dGhvcml0eTAgFw0yNjExMjIwNzMyMjdaGA8yMDU2MTEyMjA3MzIyN1owHDEa
MBgGA1UEAxMRYW5vdGhlciBhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAASp6oJBGvg/24PsQndl2+Ys71Km3V/EXvvHo2kR65yXk7GDMbGRHT62mVhJ
AztAsqfg0A3R1cM4iZ+GT2ZXInGVozIwMDAPBgNVHRMBAf8EBTADAQH/MB0GA1Ud
DgQWBBSfNXXD1d5d93FVrgiXQrMd7wyo3TAKBggqhkjOPQQDAgNIADBFAiEAgszZ
5CzwTDDzBIg+BAVPTSAOnya9mH9GLPs+LrLhq90CIDeCFh8PxIYak+0MqoDMdobb
gj6JPEqM/gSRaPmH98a7
-----END CERTIFICATE-----`
