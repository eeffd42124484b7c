package rig

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// echo answers everything it is sent, on a free port.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func dialProxy(t *testing.T, links *Links) net.Conn {
	t.Helper()
	proxy, err := NewProxy("b", echo(t), links, func(net.Conn) string { return "a" }, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	conn, err := net.Dial("tcp", proxy.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// hears says whether the word comes back over conn within limit.
func hears(t *testing.T, conn net.Conn, word string, limit time.Duration) bool {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(word))
	_, err := io.ReadFull(conn, got)
	return err == nil && string(got) == word
}

func say(t *testing.T, conn net.Conn, word string) {
	t.Helper()
	if _, err := io.WriteString(conn, word); err != nil {
		t.Fatal(err)
	}
}

func TestACutLinkHoldsBackAndAHealedOneDelivers(t *testing.T) {
	for name, cut := range map[string][2]string{"there": {"a", "b"}, "back": {"b", "a"}} {
		t.Run(name, func(t *testing.T) {
			links := NewLinks()
			conn := dialProxy(t, links)
			say(t, conn, "one")
			if !hears(t, conn, "one", 5*time.Second) {
				t.Fatal("an open link does not carry")
			}
			links.Cut(cut[0], cut[1])
			say(t, conn, "two")
			if hears(t, conn, "two", 100*time.Millisecond) {
				t.Fatal("a cut link carries")
			}
			links.Heal()
			if !hears(t, conn, "two", 5*time.Second) {
				t.Error("a healed link has lost what was held back")
			}
		})
	}
}

func TestIsolationLeavesTheOthersConnected(t *testing.T) {
	links := NewLinks()
	links.Isolate("a", "a", "b", "c")
	for pair, open := range map[[2]string]bool{{"a", "b"}: false, {"c", "a"}: false, {"b", "c"}: true} {
		done := make(chan struct{})
		close(done)
		if got := links.wait(pair[0], pair[1], done); got != open {
			t.Errorf("link %v: got open=%v, want %v", pair, got, open)
		}
	}
}

func TestTheOwnerOfAConnectionIsFound(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	self := &process{cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}
	masters := []*Master{{Name: "stopped"}, {Name: "this", process: self}}
	if got := whoDials(accepted, masters); got != "this" {
		t.Errorf("got %q, want this process", got)
	}
	if got := whoDials(accepted, masters[:1]); got != "" {
		t.Errorf("a connection of nobody: got %q", got)
	}
}

func TestNoPortIsGivenOutTwice(t *testing.T) {
	given := map[int]bool{}
	for range 100 {
		base, err := FreePorts(3)
		if err != nil {
			t.Fatal(err)
		}
		for port := base; port < base+3; port++ {
			if given[port] {
				t.Fatalf("port %d was given out before", port)
			}
			given[port] = true
		}
	}
}

func TestAwaitGivesUpWhenWaitingWillNotHelp(t *testing.T) {
	calls := 0
	err := Await(t.Context(), time.Minute, "never", func(context.Context) error { calls++; return ErrFinal })
	if !errors.Is(err, ErrFinal) || calls != 1 {
		t.Errorf("got %v after %d calls, want the final error after one", err, calls)
	}
}

func TestTheShippedNginxConfigurationsGetTheTestsAddresses(t *testing.T) {
	for name, options := range map[string]string{"nginx.conf": " max_fails=1 fail_timeout=2s", "adminrouter.conf": ""} {
		config, err := Nginx{Name: name, APIs: []string{"http://127.0.0.1:2", "http://127.0.0.1:3"}}.config(t.Context(), "127.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		for want, n := range map[string]int{"listen 127.0.0.1:1;\n": 1, "server 127.0.0.1:2" + options + ";\n": 1, "server 127.0.0.1:3" + options + ";\n": 1,
			"\n    server 127": 2} {
			if got := strings.Count(config, want); got != n {
				t.Errorf("%s: %q: got %d times, want %d in\n%s", name, want, got, n, config)
			}
		}
	}
}

func TestTheShippedBalancerConfigurationGetsTheTestsAddresses(t *testing.T) {
	config, err := haproxyConfig(t.Context(), "127.0.0.1:1", []string{"http://127.0.0.1:2", "http://127.0.0.1:3"})
	if err != nil {
		t.Fatal(err)
	}
	for want, n := range map[string]int{"bind 127.0.0.1:1\n": 1, "server master-1 127.0.0.1:2\n": 1, "server master-2 127.0.0.1:3\n": 1,
		"\n    server ": 2, "retry-on conn-failure": 1, "/gatehouse/v1/health": 1} {
		if got := strings.Count(config, want); got != n {
			t.Errorf("%q: got %d times, want %d in\n%s", want, got, n, config)
		}
	}
}
