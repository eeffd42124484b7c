package storeapi

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/keyring/barrier"
)

func TestStoresAreCreatedListedAndDeleted(t *testing.T) {
	b := newBed(t, 2, true)
	const stores = "/secrets/v1/store"
	got := b.call(1, "PUT", stores+"/team-1", root, `{"name":"x","description":"of a team","driver":"vault","unknown":1}`).Is(t, 201)
	if got.Body != `{"name":"team-1","description":"of a team","driver":"vault","initialized":true,"sealed":false}` {
		t.Errorf("created: %s", got.Body)
	}
	b.call(0, "PUT", stores+"/team-1", root, `{}`).Fault(t, 409, fault.StoreExists)
	b.call(0, "PUT", stores+"/other", root, `{"driver":"zookeeper"}`).Fault(t, 404, fault.UnknownDriver)
	for _, name := range []string{"all", "UPPER", "-x", "a.b", strings.Repeat("a", 65), "a%2Fb"} {
		b.call(0, "PUT", stores+"/"+name, root, `{}`).Fault(t, 400, fault.InvalidStoreName)
	}
	list := b.call(1, "GET", stores, root, "").Is(t, 200)
	if want := `{"array":[{"name":"default","description":"","driver":"vault","initialized":true,"sealed":false},` +
		`{"name":"team-1","description":"of a team","driver":"vault","initialized":true,"sealed":false}]}`; list.Body != want {
		t.Errorf("list: %s, want %s", list.Body, want)
	}
	for _, path := range []string{stores, stores + "/default", "/secrets/v1/init/default", "/secrets/v1/seal-status/default", "/gatehouse/v1/secrets/default"} {
		b.call(1, "GET", path, other, "").Is(t, 403)
		b.call(1, "GET", path, "", "").Is(t, 401)
	}
	b.call(1, "GET", stores+"/none", root, "").Fault(t, 404, fault.UnknownStore)
	b.call(1, "DELETE", stores+"/default", root, "").Fault(t, 403, fault.Forbidden)
	b.call(1, "DELETE", stores+"/default?force=true", root, "").Fault(t, 403, fault.Forbidden)
	b.put("team-1", "a")
	b.call(1, "DELETE", stores+"/team-1", root, "").Fault(t, 409, fault.Conflict)
	b.call(1, "DELETE", stores+"/team-1?force=true", root, "").Is(t, 204)
	b.call(1, "DELETE", stores+"/team-1", root, "").Fault(t, 404, fault.UnknownStore)
	if _, open := b.at(0).barrier.Open("team-1"); open {
		t.Error("the keys of a store that is gone are still there")
	}
}

// put writes a secret behind the API's back.
func (b *bed) put(store, path string) {
	b.T.Helper()
	leader := b.leader()
	s, _ := leader.State().Store(store)
	born := b.Clock.Now()
	keyTerm, sealed, err := leader.barrier.Seal(store, s.Epoch, barrier.Name{Path: path, Version: 1, Born: born}, []byte("value"))
	if err != nil {
		b.T.Fatal(err)
	}
	b.Do(command.CreateSecret{Store: store, Path: path, Epoch: s.Epoch, Born: born,
		Version: command.VersionData{Number: 1, Term: keyTerm, Sealed: sealed}})
}

func TestInitSaysWhatIsWrong(t *testing.T) {
	b := newBed(t, 1, false)
	for _, body := range []string{`{}`, `{"shares":0,"threshold":0}`, `{"shares":2,"threshold":1}`, `{"shares":2,"threshold":3}`, `{"shares":256,"threshold":2}`,
		`{"shares":-1,"threshold":1}`, `{"shares":1e3,"threshold":2}`, `{"shares":99999999999999999999,"threshold":2}`, `{"shares":"3","threshold":2}`,
		`{"shares":1,"threshold":1,"auto_unseal":true}`, `[]`, `{"shares":3`} {
		if got := b.call(0, "PUT", "/secrets/v1/init/default", root, body); got.Status != 400 {
			t.Errorf("%s: got %d %s, want 400", body, got.Status, got.Body)
		}
	}
	b.call(0, "PUT", "/secrets/v1/init/default", root, `{"shares":1,"threshold":1,"pgp_keys":["x"]}`).Fault(t, 400, fault.InvalidPGPKey)
	b.call(0, "PUT", "/secrets/v1/init/none", root, `{"shares":1,"threshold":1}`).Fault(t, 404, fault.UnknownStore)
	if got := b.call(0, "GET", "/secrets/v1/init/default", root, "").Is(t, 200); got.Body !=
		`{"initialized":false,"keys":[],"pgp_fingerprints":[],"recovery_keys":[],"root_token":""}` {
		t.Errorf("a store that is not initialised: %s", got.Body)
	}
	if got := b.status(0); !got.Sealed || got.Shares != 0 {
		t.Errorf("its status: %+v", got)
	}
	b.give(0, strings.Repeat("ab", 33)).Fault(t, 400, fault.StoreNotInitialized)
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Fault(t, 400, fault.StoreNotInitialized)
}

func TestInitHandsOutSharesOnce(t *testing.T) {
	b := newBed(t, 2, false)
	var in initAnswer
	b.call(1, "PUT", "/secrets/v1/init/default", root, `{"shares":1,"threshold":1}`).Is(t, 200).Into(t, &in)
	if !in.Initialized || len(in.Keys) != 1 || len(in.Keys[0]) != 2*shareSize || len(in.RootToken) != 36 || in.RecoveryKeys == nil {
		t.Fatalf("init: %+v", in)
	}
	if got := b.call(1, "GET", "/secrets/v1/init/default", root, "").Is(t, 200); !strings.Contains(got.Body, `"keys":[]`) {
		t.Errorf("GET init shows plain shares: %s", got.Body)
	}
	b.give(0, in.Keys[0]).Is(t, 200)
	b.put("default", "a")
	b.call(0, "PUT", "/secrets/v1/init/default", root, `{"shares":1,"threshold":1}`).Fault(t, 400, fault.StoreNotEmpty)
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	b.call(0, "PUT", "/secrets/v1/init/default", root, `{"shares":1,"threshold":1}`).Fault(t, 400, fault.StoreNotEmpty)
}

// Of inits at the same time, one wins (hostile S7).
func TestOfInitsAtOnceOneWins(t *testing.T) {
	b := newBed(t, 1, false)
	const at = 4
	var all, ready sync.WaitGroup
	ready.Add(at)
	b.Before = func(c command.Command) error {
		if _, ok := c.(command.InitStore); ok {
			ready.Done()
			ready.Wait() // all of them have seen the same root key
		}
		return nil
	}
	var mu sync.Mutex
	got := map[int]int{}
	for range at {
		all.Go(func() {
			a := b.call(0, "PUT", "/secrets/v1/init/default", root, `{"shares":3,"threshold":2}`)
			mu.Lock()
			defer mu.Unlock()
			got[a.Status]++
		})
	}
	all.Wait()
	if got[200] != 1 || got[409] != at-1 {
		t.Errorf("statuses %v, want one 200 and %d 409", got, at-1)
	}
}

func TestSettingsOfAStore(t *testing.T) {
	b := newBed(t, 2, true)
	const at = "/gatehouse/v1/secrets/default"
	b.call(1, "PATCH", at, root, `{"description":"new","max_versions":3,"undelete":"48h"}`).Is(t, 204)
	s, _ := b.at(0).State().Store("default")
	if s.Description != "new" || s.MaxVersions != 3 || s.Undelete != 48*3600 {
		t.Errorf("got %q %d %d", s.Description, s.MaxVersions, s.Undelete)
	}
	b.call(1, "PATCH", at, root, `{"undelete":60}`).Is(t, 204)
	b.call(1, "PATCH", at, root, `{"undelete":"90"}`).Is(t, 204)
	if s, _ := b.at(0).State().Store("default"); s.Undelete != 90 || s.MaxVersions != 3 {
		t.Errorf("got %d %d", s.MaxVersions, s.Undelete)
	}
	for _, body := range []string{`{}`, `{"undelete":"x"}`, `{"undelete":1.5}`, `{"undelete":-1}`, `{"undelete":"1500ms"}`, `{"max_versions":0}`, `{"max_versions":101}`, `{"unknown":1}`,
		`{"description":"` + strings.Repeat("x", 5000) + `"}`} {
		if got := b.call(0, "PATCH", at, root, body); got.Status != 400 {
			t.Errorf("%.60s: got %d %s, want 400", body, got.Status, got.Body)
		}
	}
	b.call(1, "PATCH", at, other, `{"description":"mine"}`).Is(t, 403)
	b.put("default", "a/b")
	var d details
	b.call(1, "GET", at, root, "").Is(t, 200).Into(t, &d)
	if d.Name != "default" || !d.Initialized || d.Sealed || d.Secrets != 1 || d.Versions != 1 || d.Bytes == 0 || fmt.Sprint(d.Terms) != "[1]" ||
		d.AutoUnseal != "key-file" || d.Undelete != "1m30s" || d.Epoch == 0 || d.Driver != secret.Vault {
		t.Errorf("got %+v", d)
	}
}

func TestMetricsTellOfStores(t *testing.T) {
	b := newBed(t, 2, true)
	b.put("default", "a")
	page := b.call(0, "GET", "/metrics", "", "").Is(t, 200).Body
	for _, line := range []string{`gatehouse_store_sealed{store="default"} 0`, `gatehouse_store_open{store="default"} 1`, `gatehouse_store_secrets{store="default"} 1`,
		`gatehouse_store_versions{store="default"} 1`,
		`gatehouse_store_unseal_progress{store="default"} 0`} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	b.call(0, "PUT", "/secrets/v1/seal/default", root, "").Is(t, 200)
	if page := b.call(0, "GET", "/metrics", "", "").Body; !strings.Contains(page, `gatehouse_store_sealed{store="default"} 1`) {
		t.Error("the metrics do not tell of a seal")
	}
}
