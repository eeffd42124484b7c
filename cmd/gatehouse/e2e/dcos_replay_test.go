//go:build e2e

package e2e

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exchange is one recorded request, and what its sender depended on.
type exchange struct {
	command   string   // that sent it
	head      []string // request line and headers, as they were on the wire
	body      string
	status    string
	challenge string // WWW-Authenticate, "" for any
}

// what is method and path.
func (e *exchange) what() string { return strings.TrimSuffix(e.head[0], " HTTP/1.1") }

// readExchanges reads a recording; its format is explained at its top.
func readExchanges(t *testing.T, path string) (all []exchange) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var next exchange
	inBody := false
	for line := range strings.Lines(string(text)) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case kind == "$":
			next.command = rest
		case kind == ">" && rest == "":
			inBody = true
		case kind == ">" && inBody:
			next.body += rest
		case kind == ">":
			next.head = append(next.head, rest)
		case kind == "<":
			next.status, next.challenge, _ = strings.Cut(rest, " ")
			all = append(all, next)
			next, inBody = exchange{command: next.command}, false
		}
	}
	if len(all) == 0 || next.head != nil {
		t.Fatalf("%s: %d exchanges, and %q", path, len(all), next.head)
	}
	return all
}

// replay sends recorded exchanges to one address.
type replay struct {
	edition edition
	target  string            // URL
	fill    map[string]string // values of the words in braces
	tls     *tls.Config       // whom to trust at an https URL
}

// run sends the exchanges in order and holds every answer against what its sender needs.
func (r *replay) run(t *testing.T, script []exchange) {
	t.Helper()
	r.fill["challenge"] = r.edition.challenge
	for i := range script {
		e := &script[i]
		answer, body := r.send(t, e)
		if got := strconv.Itoa(answer.StatusCode); got != e.status {
			t.Fatalf("%s: %s: %s: got %s %s, want %s", r.target, e.command, e.what(), got, body, e.status)
		}
		if want := r.filled(e.challenge); e.challenge != "" && answer.Header.Get("WWW-Authenticate") != want {
			t.Errorf("%s: %s: %s: challenge %q, want %q", r.target, e.command, e.what(), answer.Header.Get("WWW-Authenticate"), want)
		}
		if answer.StatusCode != http.StatusOK {
			continue
		}
		check := contents[e.what()]
		if check == nil {
			t.Fatalf("nobody knows what %s must answer", e.what())
		}
		check(t, r, body)
		if t.Failed() {
			t.Fatalf("%s: %s: %s was answered with %s", r.target, e.command, e.what(), body)
		}
	}
}

// send writes the request byte for byte, on a connection of its own.
func (r *replay) send(t *testing.T, e *exchange) (*http.Response, []byte) {
	t.Helper()
	conn, host := r.dial(t)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	body := r.filled(e.body)
	r.fill["host"], r.fill["length"] = host, strconv.Itoa(len(body))
	head := r.filled(strings.Join(e.head, "\r\n"))
	if strings.Contains(head, "{") {
		t.Fatalf("%s: %s: something is not filled in: %s", e.command, e.what(), head)
	}
	if _, err := io.WriteString(conn, head+"\r\n\r\n"+body); err != nil {
		t.Fatalf("%s: %s: %v", r.target, e.what(), err)
	}
	method, _, _ := strings.Cut(e.head[0], " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %s: read the answer: %v", r.target, e.what(), err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s: %s: read the answer: %v", r.target, e.what(), err)
	}
	return answer, got
}

func (r *replay) dial(t *testing.T) (conn net.Conn, host string) {
	t.Helper()
	at, err := url.Parse(r.target)
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if at.Scheme == "https" {
		conn, err = tls.DialWithDialer(dialer, "tcp", at.Host, r.tls)
	} else {
		conn, err = dialer.Dial("tcp", at.Host)
	}
	if err != nil {
		t.Fatalf("%s: %v", r.target, err)
	}
	return conn, at.Host
}

// filled puts the values in the place of the words in braces.
func (r *replay) filled(text string) string {
	for word, value := range r.fill {
		text = strings.ReplaceAll(text, "{"+word+"}", value)
	}
	return text
}
