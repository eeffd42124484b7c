package gossip

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, name string, key byte, meta Meta) *Gossip {
	t.Helper()
	meta.ID = name
	g, err := Start(Config{
		BindAddr: "127.0.0.1", Name: name, Keys: [][]byte{bytes.Repeat([]byte{key}, 32)}, Meta: func() Meta { return meta },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func join(t *testing.T, g, to *Gossip) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := g.Join(ctx, []string{fmt.Sprintf("localhost:%d", to.Port())})
	return err
}

func TestMembersLearnEachOthersMetadata(t *testing.T) {
	a := start(t, "aaaa", 1, Meta{Name: "one", Peer: "10.0.0.1:8102", Expect: 3})
	b := start(t, "bbbb", 1, Meta{Name: "two", Peer: "10.0.0.2:8102", Expect: 3})
	if err := join(t, a, b); err != nil {
		t.Fatal(err)
	}
	for _, g := range []*Gossip{a, b} {
		deadline := time.Now().Add(5 * time.Second)
		for len(g.Members()) < 2 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		got := map[string]Meta{}
		for _, m := range g.Members() {
			got[m.ID] = m.Meta
		}
		if len(got) != 2 || got["aaaa"].Peer != "10.0.0.1:8102" || got["bbbb"].Name != "two" || got["bbbb"].Expect != 3 {
			t.Errorf("members seen by port %d: %+v", g.Port(), got)
		}
	}
}

// C18: who lacks the key is not let in.
func TestHostileC18AnotherKeyIsRefused(t *testing.T) {
	a := start(t, "aaaa", 1, Meta{})
	stranger := start(t, "eeee", 2, Meta{})
	if err := join(t, stranger, a); err == nil {
		t.Error("joining with another key succeeded")
	}
	if n := len(a.Members()); n != 1 {
		t.Errorf("%d members after a stranger joined, want 1", n)
	}
}

func TestGossipWithoutKeyDoesNotStart(t *testing.T) {
	if _, err := Start(Config{Name: "aaaa", Meta: func() Meta { return Meta{} }}); err == nil {
		t.Error("gossip started without a key")
	}
}

func TestMetadataAlwaysFits(t *testing.T) {
	m := Meta{ID: strings.Repeat("f", 32), Name: strings.Repeat("n", 400), API: strings.Repeat("a", 200), Peer: "10.0.0.1:8102",
		Version: strings.Repeat("v", 300), MaxLevel: 7, Expect: 3, ClusterID: strings.Repeat("c", 36)}
	b := encodeMeta(m, 512)
	var got Meta
	if err := json.Unmarshal(b, &got); err != nil || len(b) > 512 {
		t.Fatalf("%d bytes: %v", len(b), err)
	}
	if got.ID != m.ID || got.Peer != m.Peer || got.Expect != 3 || got.ClusterID != m.ClusterID || got.Name != "" {
		t.Errorf("kept %+v", got)
	}
}

func TestLogLinesBecomeRecords(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	l.Print("[ERR] memberlist: Failed to send: broken")
	if got := out.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, `msg="gossip: Failed to send: broken"`) {
		t.Errorf("record = %s", got)
	}
	l.Print("[ERR] memberlist: Failed to ping: " + net.ErrClosed.Error())
	if got := out.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "level=DEBUG") {
		t.Errorf("what ends with a stop is a warning: %s", got)
	}
}

// While the key is changed everybody decrypts with both; who has dropped the old one follows those that encrypt with the new.
func TestTheKeyThatEncryptsChangesWhileGossiping(t *testing.T) {
	keyed := func(name string, keys ...byte) *Gossip {
		cfg := Config{BindAddr: "127.0.0.1", Name: name, Meta: func() Meta { return Meta{ID: name} }}
		for _, k := range keys {
			cfg.Keys = append(cfg.Keys, bytes.Repeat([]byte{k}, 32))
		}
		g, err := Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Shutdown() })
		return g
	}
	a, old := keyed("aaaa", 1, 1, 2), keyed("bbbb", 1)
	if err := join(t, a, old); err != nil {
		t.Errorf("a master without the new key: %v", err)
	}
	dropped := keyed("cccc", 2)
	if err := join(t, a, dropped); err == nil {
		t.Error("what the old key encrypted was read without it")
	}
	if err := a.Encrypt(bytes.Repeat([]byte{2}, 32)); err != nil {
		t.Fatal(err)
	}
	if err := join(t, a, dropped); err != nil {
		t.Errorf("a master without the old key, after the change: %v", err)
	}
	if err := a.Encrypt(bytes.Repeat([]byte{3}, 32)); err == nil {
		t.Error("a foreign key encrypts")
	}
}
