package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"testing"
)

// What leads to this machine, to its link or to everybody, in every spelling.
var (
	localAddresses = []string{"127.0.0.1", "127.8.8.8", "::1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
		"::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::127.0.0.1", "fe80::1%lo",
		"febf::1", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:2:3:4:7f00:1", "::ffff:0:127.0.0.1", "::ffff:0:a9fe:a9fe"}
	neverAddresses = []string{"0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1", "ff05::2", "255.255.255.255", "::ffff:0.0.0.0", "fd00:ec2::254",
		"fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "240.0.0.1", "::ffff:168.63.129.16", "64:ff9b::6464:64c8", "64:ff9b:1:7f00:0:100::",
		"2002:c000:c0::", "2001::1", "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe", "fec0::1"}
	fineAddresses = []string{"10.0.0.1", "192.168.1.1", "172.16.0.1", "93.184.216.34", "2001:db8::1", "fd00::1", "64:ff9b::a00:1", "::ffff:10.0.0.1",
		"64:ff9b:1::a00:1", "::ffff:0:10.0.0.1", "100.100.100.201", "168.63.129.17", "192.0.0.193", "2001:4860::8888"}
)

func TestAddressesOfThisMachineAreRefused(t *testing.T) {
	strict, lax := New(Options{}), New(Options{AllowInsecure: true})
	for _, list := range []struct {
		addresses   []string
		strict, lax bool
	}{{localAddresses, false, true}, {neverAddresses, false, false}, {fineAddresses, true, true}} {
		for _, text := range list.addresses {
			addr := netip.MustParseAddr(text)
			if err := strict.checkAddr(addr); (err == nil) != list.strict || err != nil && !errors.Is(err, ErrForbidden) {
				t.Errorf("%s: %v, want allowed: %t", text, err, list.strict)
			}
			if err := lax.checkAddr(addr); (err == nil) != list.lax {
				t.Errorf("%s with insecure providers: %v, want allowed: %t", text, err, list.lax)
			}
		}
	}
}

// TestHostileO11DialsAreRefused connects for real: what a URL says is no address before it is resolved, and what a name
// resolves to is known no earlier.
func TestHostileO11DialsAreRefused(t *testing.T) {
	c := client(t, Options{}, "", true)
	port := listen(t)
	for _, host := range []string{"127.0.0.1", "[::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "169.254.169.254", "localhost", "LOCALHOST.",
		"[fe80::1%25lo]", "[64:ff9b::7f00:1]"} {
		_, err := fetch(c, fmt.Sprintf("https://%s:%d/", host, port))
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("https://%s: %v, want ErrForbidden", host, err)
		}
	}
	// A name that is not localhost and resolves to loopback, as the system's resolver does with this host's numbers.
	guard := c.Transport.(*guard)
	for _, address := range []string{"localhost", "127.0.0.1", "::1"} {
		conn, err := guard.direct.DialContext(t.Context(), "tcp", net.JoinHostPort(address, fmt.Sprint(port)))
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("dial %s: %v, want ErrForbidden", address, err)
		}
	}
}

// listen answers a port of loopback at which nobody must arrive.
func listen(t *testing.T) int {
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
			t.Error("somebody connected")
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func TestOnlyPlainHTTPSURLsAreAsked(t *testing.T) {
	strict, lax := New(Options{}), New(Options{AllowInsecure: true})
	for target, want := range map[string]struct{ strict, lax bool }{
		"https://idp.example/a?b=c":   {true, true},
		"https://10.0.0.1:8443/":      {true, true},
		"http://idp.example":          {false, true},
		"https://localhost/":          {false, true},
		"file:///etc/passwd":          {false, false},
		"ftp://idp.example/":          {false, false},
		"gopher://idp.example/":       {false, false},
		"javascript:alert(1)":         {false, false},
		"//idp.example/":              {false, false},
		"/keys":                       {false, false},
		"":                            {false, false},
		"https://":                    {false, false},
		"https://user:pw@idp.example": {false, false},
		"https:idp.example":           {false, false},
		"https://idp.example:port/":   {false, false},
	} {
		if err := strict.CheckURL(target); (err == nil) != want.strict {
			t.Errorf("%q: %v, want allowed: %t", target, err, want.strict)
		}
		if err := lax.CheckURL(target); (err == nil) != want.lax {
			t.Errorf("%q with insecure providers: %v, want allowed: %t", target, err, want.lax)
		}
	}
	c := client(t, Options{}, "", false)
	for _, target := range []string{"http://idp.example/", "file:///etc/passwd"} {
		response, err := c.Transport.RoundTrip(request(t, target))
		if err == nil {
			response.Body.Close()
			t.Errorf("%s was asked", target)
		}
	}
}

func request(t *testing.T, target string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
