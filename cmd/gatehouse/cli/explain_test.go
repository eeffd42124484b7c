package cli

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// refusing is an address where nobody listens and nobody else can: a socket that is bound, but does not listen.
func refusing(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// That one master is gone must not hide that another answers.
func TestEveryAddressSaysWhyItDoesNotServe(t *testing.T) {
	gone := refusing(t)
	alone := full(t)
	const noLeader = `{"title":"503 Service Unavailable","description":"\u001b[31mAsk later.","code":"ERR_NO_LEADER"}`
	for _, row := range []string{"GET /acs/api/v1/users", "PUT /acs/api/v1/users/bob"} {
		alone.answer(row, no{503, noLeader})
	}
	p := newPerson(t)
	p.hasty = true
	p.env["GATEHOUSE_TOKEN"] = "a.given.token"
	for _, urls := range []string{alone.URL + "," + gone, gone + "," + alone.URL} {
		for _, verb := range []string{"user list", "user create bob --insecure-password=a-password"} {
			got := p.run(append(strings.Fields(verb), "--url", urls)...)
			if got.status != StatusUnavailable || strings.Contains(got.stderr, "\x1b") {
				t.Errorf("%s: status %d, %q; want %d without an escape", verb, got.status, got.stderr, StatusUnavailable)
			}
			for _, want := range []string{"none of 2 addresses serves this now\n", "\n  " + alone.URL + ": 503 Service Unavailable: ",
				"(ERR_NO_LEADER)\n", "\n  " + gone + ": dial tcp "} {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("%s at %s: %q is not in %q", verb, urls, want, got.stderr)
				}
			}
		}
	}
}

// The change may have been made at an address whose error is not the last.
func TestAnUnknownOutcomeNamesEveryAddress(t *testing.T) {
	gone := refusing(t)
	half := newMaster(t, map[string]any{"DELETE /acs/api/v1/users/bob": broken})
	p := newPerson(t)
	p.hasty = true
	p.env["GATEHOUSE_TOKEN"] = "a.given.token"
	got := p.run("user", "delete", "--yes", "bob", "--url", half.URL+","+gone)
	for _, want := range []string{"it is unknown whether", "\n  " + half.URL + ": ", "\n  " + gone + ": dial tcp ", "gatehouse user show bob"} {
		if got.status != StatusUnknown || !strings.Contains(got.stderr, want) {
			t.Errorf("status %d, %q; want %d and %q", got.status, got.stderr, StatusUnknown, want)
		}
	}
}
