//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// tour walks the procedures of the product's documentation: three masters behind HAProxy, curl and gpg.
type tour struct {
	*shell
	t       *testing.T
	cluster *rig.Cluster
	captured,
	control *rig.Recorder
	planted map[string]string // what may be found nowhere
	keepers []*keeper
	shares  []string
}

// The documentation's procedures with secrets and with the seal, while masters are killed between the steps. In the end nothing of
// what was kept is found in data directories, logs, audit records, or what the masters said to each other (hostile S18).
func TestTheDocumentedProceduresOfSecretsLeaveNoTrace(t *testing.T) {
	g := newTour(t)
	g.anOpenStoreFromTheBeginning()
	g.secretsOfText()
	g.killLeader()
	g.secretsOfFiles()
	g.sealAndAutoUnseal()
	g.keysOfOurOwn()
	g.unsealByShares()
	g.everybodyDies()
	g.searchEverywhere()
}

func newTour(t *testing.T) *tour {
	g := &tour{t: t, planted: map[string]string{}}
	dir := t.TempDir()
	g.captured = must[*rig.Recorder](t)(rig.NewRecorder(filepath.Join(dir, "between")))
	g.control = must[*rig.Recorder](t)(rig.NewRecorder(filepath.Join(dir, "control")))
	g.cluster = start(t, rig.Options{Flags: []string{"--log-level", "debug", "--pprof"}, Proxied: true, Record: g.captured})
	balancer := must[*rig.HAProxy](t)(rig.StartHAProxy(t.Context(), g.cluster.Dir, apisOf(g.cluster)))
	t.Cleanup(balancer.Close)
	// What curl says passes another proxy: a capture in which the secrets do stand.
	wire := must[*rig.Proxy](t)(rig.NewProxy("balancer", strings.TrimPrefix(balancer.URL, "http://"), rig.NewLinks(), func(net.Conn) string { return "curl" }, g.control))
	t.Cleanup(wire.Close)
	g.shell = &shell{base: "http://" + wire.Addr, token: superuser(t, g.cluster)}
	return g
}

// plant makes up something that nobody could have by chance, and notes that it may be found nowhere.
func (g *tour) plant(what string) string {
	secret := "planted-" + strings.ReplaceAll(what, " ", "-") + "-" + hex.EncodeToString(g.random(12))
	g.planted[what] = secret
	return secret
}

func (g *tour) random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func (g *tour) killLeader() {
	g.t.Helper()
	leader := leaderOf(g.t, g.cluster)
	g.kill(leader)
	g.list(g.t, "") // the others serve
	startAll(g.t, leader)
}

func (g *tour) kill(masters ...*rig.Master) {
	g.t.Helper()
	for _, m := range masters {
		if err := m.Kill(); err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g *tour) healthy() {
	g.t.Helper()
	if err := g.cluster.AwaitHealthy(g.t.Context(), 30*time.Second); err != nil {
		g.t.Fatal(err)
	}
}

func (g *tour) anOpenStoreFromTheBeginning() {
	t := g.t
	await(t, 20*time.Second, "the default store open", g.open)
	if got := g.curl(t, 200, "/seal-status/default", "-X", "GET"); got.body != `{"sealed":false,"threshold":1,"shares":1,"progress":0}` {
		t.Errorf("seal-status: got %s", got.body)
	}
	if got := g.curl(t, 200, "/ping"); got.body != "pong" {
		t.Errorf("ping: got %q", got.body)
	}
	var stores struct {
		Array []struct {
			Name, Description, Driver string
			Initialized, Sealed       bool
		}
	}
	decode(t, []byte(g.curl(t, 200, "/store").body), &stores)
	if len(stores.Array) != 1 || stores.Array[0].Name != "default" || !stores.Array[0].Initialized || stores.Array[0].Sealed ||
		stores.Array[0].Driver != "vault" || stores.Array[0].Description != "DC/OS Default Secret Store Backend" {
		t.Errorf("the stores are %+v", stores.Array)
	}
	if got := g.list(t, ""); len(got) != 0 {
		t.Errorf("a new store has %q", got)
	}
}

func (g *tour) secretsOfText() {
	t := g.t
	first := g.plant("value")
	body := must[[]byte](t)(json.Marshal(map[string]any{"value": first, "author": "somebody", "description": g.plant("description"), "labels": []string{g.plant("label")}}))
	if got := g.create(t, "walk/my-secret", string(body)); got.body != "{}" || got.kind != "application/json" {
		t.Errorf("a creation is answered with %q of type %q, which no JSON.parse likes", got.body, got.kind)
	}
	g.curl(t, 409, "/secret/default/walk/my-secret", "-X", "PUT", "-H", "Content-Type: application/json", "-d", `{"value":"x"}`)
	g.reads(t, "walk/my-secret", first)
	second := g.plant("changed value")
	g.curl(t, 204, "/secret/default/walk/my-secret", "-X", "PATCH", "-H", "Content-Type: application/json", "-d", `{"value":"`+second+`"}`)
	g.reads(t, "walk/my-secret", second)
	g.create(t, "walk/gone", `{"value":"`+g.plant("deleted value")+`"}`)
	if diff := cmp.Diff([]string{"walk/gone", "walk/my-secret"}, g.list(t, "")); diff != "" {
		t.Errorf("the list of all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"gone", "my-secret"}, g.list(t, "walk")); diff != "" {
		t.Errorf("the list of a path (-want +got):\n%s", diff)
	}
	g.curl(t, 204, "/secret/default/walk/gone", "-X", "DELETE")
	g.curl(t, 404, "/secret/default/walk/gone", "-X", "GET")
	g.curl(t, 404, "/secret/default/walk/gone", "-X", "DELETE")
}

func (g *tour) secretsOfFiles() {
	t := g.t
	file := filepath.Join(t.TempDir(), "key.bin")
	content := append(g.random(600), g.plant("file")...)
	g.planted["bytes of a file"] = string(content[:40])
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	g.curl(t, 201, "/secret/default/walk/file", "-X", "PUT", "-H", "Content-Type: application/octet-stream", "--data-binary", "@"+file)
	if got := g.read(t, "walk/file"); got.body != string(content) || got.kind != "application/octet-stream" {
		t.Errorf("a file of %d bytes came back as %d bytes of %s", len(content), len(got.body), got.kind)
	}
}

func (g *tour) sealAndAutoUnseal() {
	t := g.t
	g.healthy()
	g.seal(t)
	closed(t, g.cluster, "default", "walk/my-secret")
	if got := g.status(t); !got.Sealed || got.Progress != 0 {
		t.Errorf("after the seal: %+v", got)
	}
	leader := leaderOf(t, g.cluster)
	g.kill(leader)
	g.sealed(t, "walk/my-secret")
	startAll(t, leader)
	g.healthy()
	closed(t, g.cluster, "default", "walk/my-secret") // it survives restarts
	g.seal(t)                                         // once more is nothing
	if got := g.curl(t, 200, "/auto-unseal/default", "-X", "PUT"); !strings.HasPrefix(got.body, `{"sealed":false,"threshold":1,"shares":1,"progress":0`) {
		t.Errorf("auto-unseal: got %s", got.body)
	}
	for _, m := range g.cluster.Masters {
		readable(t, g.cluster, m, "default", "walk/my-secret", g.planted["changed value"])
	}
}

// keysOfOurOwn initialises the store anew for three keepers, which an empty store only allows.
func (g *tour) keysOfOurOwn() {
	t := g.t
	g.keepers = []*keeper{newKeeper(t, "One <one@example.com>", "rsa2048"), newKeeper(t, "Two <two@example.com>", "cv25519"),
		newKeeper(t, "Three <three@example.com>", "cv25519")}
	var public, fingerprints []string
	for _, k := range g.keepers {
		public, fingerprints = append(public, k.public), append(fingerprints, k.fingerprint)
	}
	body := string(must[[]byte](t)(json.Marshal(map[string]any{"shares": 3, "threshold": 2, "pgp_keys": public})))
	put := []string{"-X", "PUT", "-H", "Content-Type: application/json", "-d", body}
	if got := g.curl(t, 400, "/init/default", put...); !strings.Contains(got.body, "ERR_STORE_NOT_EMPTY") {
		t.Errorf("init of a store with secrets: got %s", got.body)
	}
	g.reads(t, "walk/my-secret", g.planted["changed value"])
	for _, path := range g.list(t, "") {
		g.curl(t, 204, "/secret/default/"+path, "-X", "DELETE")
	}
	var made, shown initAnswer
	decode(t, []byte(g.curl(t, 200, "/init/default", put...).body), &made)
	if diff := cmp.Diff(fingerprints, made.Fingerprints); diff != "" || !made.Initialized || len(made.Keys) != 3 {
		t.Fatalf("init answers %+v; fingerprints (-want +got):\n%s", made, diff)
	}
	decode(t, []byte(g.curl(t, 200, "/init/default", "-X", "GET").body), &shown)
	if diff := cmp.Diff(made.Keys, shown.Keys); diff != "" {
		t.Errorf("GET init shows other shares (-made +shown):\n%s", diff)
	}
	for i, k := range g.keepers {
		share := k.decrypt(t, made.Keys[i])
		if raw, err := hex.DecodeString(share); err != nil || len(raw) != 33 || share != strings.ToLower(share) {
			t.Fatalf("a share is %q, want 33 bytes in lower-case hex", share)
		}
		g.shares = append(g.shares, share)
		g.planted["a share of "+k.name] = share
		g.planted["the bytes of a share of "+k.name] = string(must[[]byte](t)(hex.DecodeString(share)))
	}
	key := joined(t, g.shares[0], g.shares[1])
	if !slices.Equal(key, joined(t, g.shares[2], g.shares[0])) {
		t.Error("two of three shares do not join to the same as another two")
	}
	g.planted["the root key"] = string(key)
}

// unsealByShares sends shares through the balancer; a follower dies between them, then a leader.
func (g *tour) unsealByShares() {
	t := g.t
	g.sealed(t, "walk/after")
	if got := g.unseal(t, g.shares[0]); !got.Sealed || got.Progress != 1 || got.Threshold != 2 || got.Shares != 3 || got.Nonce == "" {
		t.Errorf("after one share: %+v", got)
	}
	follower := g.cluster.Followers(leaderOf(t, g.cluster))[0]
	g.kill(follower)
	if got := g.unseal(t, strings.ToUpper(g.shares[0])); !got.Sealed || got.Progress != 1 {
		t.Errorf("the same share in capitals: %+v", got)
	}
	if got := g.unseal(t, g.shares[2]); got.Sealed || got.Progress != 0 {
		t.Errorf("after two shares: %+v", got)
	}
	g.create(t, "walk/after", `{"value":"`+g.plant("value under our own keys")+`"}`)
	startAll(t, follower)
	g.healthy()
	for _, m := range g.cluster.Masters { // the one that was away gets the keys from its peers
		readable(t, g.cluster, m, "default", "walk/after", g.planted["value under our own keys"])
	}
	g.seal(t)
	g.unseal(t, g.shares[1])
	leader := leaderOf(t, g.cluster)
	g.kill(leader)
	g.sealed(t, "walk/after")
	g.opened(t, g.shares[1], g.shares[2])
	g.reads(t, "walk/after", g.planted["value under our own keys"])
	startAll(t, leader)
	g.healthy()
	readable(t, g.cluster, leader, "default", "walk/after", g.planted["value under our own keys"])
}

func (g *tour) everybodyDies() {
	t := g.t
	g.kill(g.cluster.Masters...)
	startAll(t, g.cluster.Masters...)
	g.healthy()
	g.sealed(t, "walk/after")
	if got := g.status(t); !got.Sealed {
		t.Errorf("nobody has the keys, and the status is %+v", got)
	}
	g.opened(t, g.shares[0], g.shares[1])
	for _, m := range g.cluster.Masters {
		readable(t, g.cluster, m, "default", "walk/after", g.planted["value under our own keys"])
	}
	closing := g.plant("last value")
	g.create(t, "walk/last", `{"value":"`+closing+`"}`)
	g.reads(t, "walk/last", closing)
}

// searchEverywhere looks for everything planted, by everybody's means: files as they lie there, what passed between masters, and the
// log as it reads for somebody with the cluster key.
func (g *tour) searchEverywhere() {
	t, c := g.t, g.cluster
	dumps := t.TempDir()
	for _, m := range c.Masters {
		stacks := must[string](t)(rig.Run(t.Context(), "curl", "", "--silent", "--fail", "--unix-socket", m.AdminSocket, "http://admin/debug/pprof/goroutine?debug=2"))
		if err := os.WriteFile(filepath.Join(dumps, m.Name), []byte(stacks), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.Masters {
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
		if trail := trailOf(t, m); !strings.Contains(trail, "dcos:secrets:default:/walk/") && !strings.Contains(trail, "dcos:secrets:list:default:/") {
			t.Errorf("the audit records of %s say nothing of the secrets: are they those?", m.Name)
		}
		log := logOf(t, c, m)
		if !strings.Contains(string(log), "walk/after") {
			t.Errorf("the log of %s does not name the secrets: is it opened?", m.Name)
		}
		if err := os.WriteFile(filepath.Join(dumps, m.Name+"-log"), log, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, where := range find(t, g.planted, c.Dir, g.captured.Dir(), dumps) {
		t.Error(where)
	}
	g.controls()
}

// controls proves that the search would have found something, and that there was something to search.
func (g *tour) controls() {
	t := g.t
	for _, r := range []*rig.Recorder{g.captured, g.control} {
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n := size(t, g.captured.Dir()); n < 100_000 {
		t.Errorf("%d bytes passed between the masters: is that all?", n)
	}
	found := find(t, g.planted, g.control.Dir())
	for what := range g.planted {
		if what == "the root key" || strings.HasPrefix(what, "the bytes of a share of ") {
			continue // nobody sends those
		}
		if !slices.ContainsFunc(found, func(where string) bool { return strings.HasPrefix(where, what+" in ") }) {
			t.Errorf("%s is not found in what curl said", what)
		}
	}
}

func size(t *testing.T, dir string) (total int64) {
	t.Helper()
	for _, entry := range must[[]os.DirEntry](t)(os.ReadDir(dir)) {
		total += must[os.FileInfo](t)(entry.Info()).Size()
	}
	return total
}

// open is nil once the default store is open.
func (g *tour) open(ctx context.Context) error {
	got, err := g.once(ctx, "/seal-status/default")
	if err == nil && !strings.HasPrefix(got.body, `{"sealed":false`) {
		err = fmt.Errorf("got %d %s", got.status, got.body)
	}
	return err
}
