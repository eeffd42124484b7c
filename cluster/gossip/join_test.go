package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// resolving starts a master that asks lookup for names.
func resolving(t *testing.T, name string, lookup func(context.Context, string) ([]string, error)) *Gossip {
	t.Helper()
	g, err := Start(Config{BindAddr: "127.0.0.1", Name: name, Keys: [][]byte{bytes.Repeat([]byte{1}, 32)},
		Meta: func() Meta { return Meta{ID: name} }, LookupHost: lookup})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Shutdown() })
	return g
}

func TestANameIsResolvedAtEveryRound(t *testing.T) {
	var answer atomic.Pointer[[]string] // nil: the name does not exist
	lookup := func(_ context.Context, host string) ([]string, error) {
		if a := answer.Load(); a != nil {
			return *a, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	a := resolving(t, "aaaa", lookup)
	b := resolving(t, "bbbb", lookup)
	name := "master.mesos:" + strconv.Itoa(b.Port())
	rounds := []struct {
		name   string
		answer []string
		joined int
		err    string
	}{
		{name, nil, 0, "no such host"},
		{name, []string{}, 0, ""},
		{"master.mesos", []string{"127.0.0.1"}, 0, ""}, // the default port: oneself
		{name, []string{"127.0.0.3"}, 0, "127.0.0.3"},
		{name, []string{"127.0.0.3", "127.0.0.1", "127.0.0.1"}, 1, ""},
		{name, nil, 0, "no such host"},
	}
	for _, round := range rounds {
		answer.Store(nil)
		if round.answer != nil {
			answer.Store(&round.answer)
		}
		joined, err := a.Join(t.Context(), []string{round.name})
		if joined != round.joined || (err == nil) != (round.err == "") || err != nil && !strings.Contains(err.Error(), round.err) {
			t.Errorf("%s has %v: got %d, %v; want %d, %q", round.name, round.answer, joined, err, round.joined, round.err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); b.Alive() != 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the other one knows %d masters, want 2", b.Alive())
		}
	}
}

// Thirty addresses, all but one of which are dead, are no thirty dials one after the other, and no thirty log lines.
func TestManyDeadAddressesDoNotHideTheLiveOne(t *testing.T) {
	var addrs []string
	for i := range 29 {
		addrs = append(addrs, fmt.Sprintf("127.0.9.%d", i+1))
	}
	lookup := func(context.Context, string) ([]string, error) { return addrs, nil }
	a := resolving(t, "aaaa", lookup)
	if _, err := a.Join(t.Context(), []string{"many"}); err == nil || strings.Count(err.Error(), "\n") != shownErrors || !strings.HasSuffix(err.Error(), "and 26 more") {
		t.Errorf("got the error %v, want three lines and the number of the others", err)
	}
	b := resolving(t, "bbbb", lookup)
	if joined, err := a.Join(t.Context(), []string{"many", "127.0.0.1:" + strconv.Itoa(b.Port())}); joined != 1 || err != nil {
		t.Errorf("got %d, %v; want the one that lives", joined, err)
	}
}

// Whoever answers for the name must not set the masters on the addresses of a network.
func TestARoundContactsNoMoreThanSoMany(t *testing.T) {
	var addrs []string
	for i := range 4 * maxAddresses {
		addrs = append(addrs, fmt.Sprintf("127.9.%d.%d", i/256, i%256))
	}
	a := resolving(t, "aaaa", func(context.Context, string) ([]string, error) { return addrs, nil })
	r := &round{seen: map[string]bool{"127.0.0.1:1": true}}
	if n := len(r.fresh(addrs)) + len(r.fresh([]string{"127.0.0.1:1", addrs[0], "127.0.0.2:1"})); n != maxAddresses {
		t.Errorf("%d addresses are tried, want %d", n, maxAddresses)
	}
	if _, err := a.Join(t.Context(), []string{"many"}); err == nil || !strings.HasSuffix(err.Error(), fmt.Sprintf("and %d more", maxAddresses-shownErrors)) {
		t.Errorf("got the error %v, want one of %d addresses", err, maxAddresses)
	}
}

// A master that is given a name and an address does not wait for the name.
func TestAResolverThatHangsKeepsNoAddressWaiting(t *testing.T) {
	hanging := make(chan struct{})
	a := resolving(t, "aaaa", func(context.Context, string) ([]string, error) {
		<-hanging
		return nil, errors.New("too late")
	})
	b := resolving(t, "bbbb", nil)
	joined := make(chan int, 1)
	go func() {
		n, _ := a.Join(t.Context(), []string{"slow", "127.0.0.1:" + strconv.Itoa(b.Port())})
		joined <- n
	}()
	for deadline := time.Now().Add(10 * time.Second); b.Alive() != 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the address waits for the name")
		}
	}
	close(hanging)
	if n := <-joined; n != 1 {
		t.Errorf("%d answered, want 1", n)
	}
}

func TestAResolverThatHangsEndsWithTheContext(t *testing.T) {
	a := resolving(t, "aaaa", func(ctx context.Context, _ string) ([]string, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := a.Join(ctx, []string{"slow"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	b := resolving(t, "bbbb", nil)
	if joined, err := a.Join(ctx, []string{"127.0.0.1:" + strconv.Itoa(b.Port())}); joined != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the end: got %d, %v; want nobody contacted", joined, err)
	}
}
