//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"testing"
	"time"

	"gatehouse/cluster/disk"
	"gatehouse/cmd/gatehouse/e2e/rig"
	"gatehouse/keyring/barrier"
	"gatehouse/keyring/secretmem/memscan"
)

// found is how often something is in the memory of a master.
type found map[string]int

// scan looks for all of them in the memory of m.
func scan(m *rig.Master, keys map[string][]byte) (found, error) {
	var names []string
	var needles [][]byte
	for name, key := range keys {
		names, needles = append(names, name), append(needles, key)
	}
	counts, err := memscan.Count(m.PID(), needles...)
	if err != nil {
		return nil, err
	}
	there := found{}
	for i, n := range counts {
		if n > 0 {
			there[names[i]] = n
		}
	}
	return there, nil
}

// S19, G11: while a store is open, the scan finds its keys in every master; once it is sealed and that is acknowledged, no master
// has a copy of root or data key left, however much they were used.
func TestHostileS19ASealLeavesNoKeyInTheMemoryOfAnyMaster(t *testing.T) {
	c := start(t, rig.Options{})
	shares := initStore(t, c, "default", 3, 2)
	if s := unseal(t, c, "default", shares[:2]...); s.Sealed {
		t.Fatalf("after two shares: %+v", s)
	}
	keys := map[string][]byte{"the root key": joined(t, shares[0], shares[1])}
	keys["the data key"] = dataKeyOf(t, c, leaderFollower(t, c), keys["the root key"])
	for i := range 30 {
		path := fmt.Sprintf("scan/%d", i)
		storeAPI(t, c, c.Masters[i%3], http.StatusCreated, http.MethodPut, "/secret/default/"+path, map[string]string{"value": "a value"})
		for _, m := range c.Masters {
			readable(t, c, m, "default", path, "a value")
		}
	}
	for _, m := range c.Masters {
		there, err := scan(m, keys)
		if errors.Is(err, fs.ErrPermission) {
			return // nobody may look, which is what keeps others out
		}
		if err != nil || len(there) != len(keys) {
			t.Fatalf("%s has %v in its memory while the store is open (%v): the scan finds too little", m.Name, there, err)
		}
	}
	storeAPI(t, c, c.Masters[2], http.StatusOK, http.MethodPut, "/seal/default", nil)
	for _, m := range c.Masters {
		await(t, 20*time.Second, "a memory without keys at "+m.Name, func(context.Context) error {
			there, err := scan(m, keys)
			if err == nil && len(there) > 0 {
				err = fmt.Errorf("there is %v", there)
			}
			return err
		})
	}
}

// leaderFollower is a follower of the leader.
func leaderFollower(t *testing.T, c *rig.Cluster) *rig.Master {
	t.Helper()
	return c.Followers(leaderOf(t, c))[0]
}

// initEntry is what the log says of a store that was initialised with three shares.
var initEntry = regexp.MustCompile(`"root_id":"([A-Z2-7]+)","shares":3,"threshold":2,"check":"([^"]+)".*?"keys":\[\{"term":1,"wrapped":"([^"]+)"`)

// dataKeyOf is the data key of the default store. The log tells whoever has the cluster key how it is wrapped; a master is stopped
// for that, and started again.
func dataKeyOf(t *testing.T, c *rig.Cluster, m *rig.Master, root []byte) []byte {
	t.Helper()
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	log := logOf(t, c, m)
	found := initEntry.FindSubmatch(log)
	if found == nil {
		t.Fatal("the log does not say how the store was initialised")
	}
	id := must[disk.Identity](t)(disk.LoadIdentity(m.DataDir))
	decoded := func(text []byte) []byte {
		return must[[]byte](t)(base64.StdEncoding.DecodeString(string(text)))
	}
	spec := barrier.Spec{Cluster: id.ClusterID, Store: "default", RootID: string(found[1]), Check: decoded(found[2]),
		Keys: []barrier.WrappedKey{{Term: 1, Wrapped: decoded(found[3])}}}
	key := must[[]byte](t)(barrier.DataKey(spec, root, 1))
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	if err := m.AwaitHealthy(t.Context(), c.Client, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	return key
}
