//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/cluster/disk"
	"gatehouse/cmd/gatehouse/e2e/rig"
	"gatehouse/keyring"
)

const (
	secretsPath = "/secrets/v1"
	ourSecrets  = "/gatehouse/v1/secrets/"
)

func secretURL(m *rig.Master, store, path string) string {
	return m.API + secretsPath + "/secret/" + store + "/" + path
}

// sealStatus is the answer of seal-status, unseal and auto-unseal.
type sealStatus struct {
	Sealed                      bool
	Threshold, Shares, Progress int
	Nonce                       string
	Unreached                   []string
}

// initAnswer is the answer of init.
type initAnswer struct {
	Initialized  bool
	Keys         []string
	Fingerprints []string `json:"pgp_fingerprints"`
	RootToken    string   `json:"root_token"`
}

// names counts what tests make on clusters that they share, so that a test can be run again there.
var names atomic.Int64

// fresh is a name that no other test, and no other run of the same one, uses.
func fresh(name string) string { return fmt.Sprintf("%s-%d", name, names.Add(1)) }

// clerks are the tokens of the superusers that tests have of their own, by cluster and test: whoever gives wrong shares has to wait.
var clerks sync.Map

// clerk is the token of the test's own superuser.
func clerk(t *testing.T, c *rig.Cluster) string {
	t.Helper()
	key := c.Dir + t.Name()
	if token, ok := clerks.Load(key); ok {
		return token.(string)
	}
	token := newClerk(t, c, "clerk")
	clerks.Store(key, token)
	t.Cleanup(func() { clerks.Delete(key) })
	return token
}

func newClerk(t *testing.T, c *rig.Cluster, name string) string {
	t.Helper()
	uid := named(t, fresh(name))
	putUser(t, c, c.Masters[0], uid, map[string]string{"password": "a clerks passphrase"})
	join(t, c, c.Masters[0], "superusers", uid)
	return must[string](t)(c.Client.Login(t.Context(), c.Masters[1].API, uid, "a clerks passphrase"))
}

// storeAPI makes a request about a store through m as the test's superuser and wants a status.
func storeAPI(t *testing.T, c *rig.Cluster, m *rig.Master, status int, method, path string, body any) rig.Answer {
	t.Helper()
	return ask(t, c, status, rig.Request{Method: method, URL: m.API + secretsPath + path, Token: clerk(t, c), Body: body})
}

// newStore makes a further store on a cluster that tests share; it is open and holds nothing.
func newStore(t *testing.T, c *rig.Cluster) string {
	t.Helper()
	name := named(t, fresh("s"))
	name = name[max(0, len(name)-40):]
	name = strings.Trim(strings.ReplaceAll(name, "_", "-"), "-")
	storeAPI(t, c, c.Masters[0], http.StatusCreated, http.MethodPut, "/store/"+name, map[string]string{"driver": "vault", "description": "of a test"})
	return name
}

// initStore initialises a store anew with plain shares. It is sealed then.
func initStore(t *testing.T, c *rig.Cluster, store string, shares, threshold int) []string {
	t.Helper()
	var got initAnswer
	decode(t, storeAPI(t, c, c.Masters[1], http.StatusOK, http.MethodPut, "/init/"+store, map[string]int{"shares": shares, "threshold": threshold}).Body, &got)
	if !got.Initialized || len(got.Keys) != shares {
		t.Fatalf("init of %s: got %+v, want %d shares", store, got, shares)
	}
	return got.Keys
}

// statusOf is the seal status of a store as m tells it.
func statusOf(t *testing.T, c *rig.Cluster, m *rig.Master, store string) (s sealStatus) {
	t.Helper()
	decode(t, storeAPI(t, c, m, http.StatusOK, http.MethodGet, "/seal-status/"+store, nil).Body, &s)
	return s
}

// unseal sends shares, each through another master, and answers the last status.
func unseal(t *testing.T, c *rig.Cluster, store string, shares ...string) (s sealStatus) {
	t.Helper()
	for i, share := range shares {
		decode(t, storeAPI(t, c, c.Masters[i%len(c.Masters)], http.StatusOK, http.MethodPut, "/unseal/"+store, map[string]string{"key": share}).Body, &s)
	}
	return s
}

// readable waits until m hands out the value of a secret.
func readable(t *testing.T, c *rig.Cluster, m *rig.Master, store, path, value string) {
	t.Helper()
	token := superuser(t, c)
	await(t, 20*time.Second, fmt.Sprintf("%s of %s at %s", path, store, m.Name), func(ctx context.Context) error {
		answer, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: secretURL(m, store, path), Token: token})
		if err != nil {
			return err
		}
		var got struct{ Value string }
		if decode(t, answer.Body, &got); got.Value != value {
			return fmt.Errorf("got %q, want %q: %w", got.Value, value, rig.ErrFinal)
		}
		return nil
	})
}

// closed wants every running master to refuse everything about a store's secrets because it is sealed.
func closed(t *testing.T, c *rig.Cluster, store, path string) {
	t.Helper()
	token := superuser(t, c)
	for _, m := range c.Running() {
		at := secretURL(m, store, path)
		for _, r := range []rig.Request{{Method: "GET", URL: at}, {Method: "GET", URL: secretURL(m, store, "") + "?list=true"}, {Method: "DELETE", URL: at},
			{Method: "PUT", URL: at, Body: map[string]string{"value": "x"}}, {Method: "PATCH", URL: at, Body: map[string]string{"value": "x"}},
			{Method: "GET", URL: m.API + ourSecrets + store + "/versions/" + path}} {
			r.Token = token
			if answer := ask(t, c, http.StatusServiceUnavailable, r); answer.Code != "ERR_STORE_SEALED" {
				t.Errorf("%s: %s %s: got %s, want ERR_STORE_SEALED", m.Name, r.Method, r.URL, answer.Body)
			}
		}
	}
}

// joined puts shares together (Shamir over the field of AES; the last byte of a share is its place): what is kept from
// everybody can be looked for only by who knows it.
func joined(t *testing.T, shares ...string) []byte {
	t.Helper()
	var raw [][]byte
	for _, share := range shares {
		raw = append(raw, must[[]byte](t)(hex.DecodeString(share)))
	}
	last := len(raw[0]) - 1
	secret := make([]byte, last)
	for i, share := range raw {
		weight := byte(1)
		for j, other := range raw {
			if i != j {
				weight = times(weight, times(other[last], inverse(other[last]^share[last])))
			}
		}
		for at := range secret {
			secret[at] ^= times(weight, share[at])
		}
	}
	return secret
}

func times(a, b byte) (product byte) {
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			product ^= a
		}
		carry := a >> 7
		a = a<<1 ^ carry*0x1b
	}
	return product
}

func inverse(a byte) byte {
	power := byte(1)
	for range 254 {
		power = times(power, a)
	}
	return power
}

func TestSharesAreJoinedAsPublished(t *testing.T) {
	// FIPS 197, 4.2: {57} • {83} = {c1}.
	if got := times(0x57, 0x83); got != 0xc1 || times(got, inverse(0x83)) != 0x57 {
		t.Fatalf("57 times 83 is %x, want c1", got)
	}
	// A line through (0, 2a) with slope 07.
	share := func(x byte) string { return hex.EncodeToString([]byte{0x2a ^ times(7, x), x}) }
	if got := joined(t, share(3), share(200)); !bytes.Equal(got, []byte{0x2a}) {
		t.Errorf("got %x, want 2a", got)
	}
}

// logOf is what the log of a stopped master holds for somebody who has the cluster key too.
func logOf(t *testing.T, c *rig.Cluster, m *rig.Master) []byte {
	t.Helper()
	ring := must[*keyring.Ring](t)(keyring.Load(c.KeyFile))
	id := must[disk.Identity](t)(disk.LoadIdentity(m.DataDir))
	stores := must[*disk.Stores](t)(disk.Open(disk.Options{Dir: m.DataDir, ClusterID: id.ClusterID, ServerID: id.ServerID, Keys: ring, Reserve: -1}))
	defer stores.Close()
	first, err := stores.Log.FirstIndex()
	last, lastErr := stores.Log.LastIndex()
	if err := errors.Join(err, lastErr); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for i := first; i <= last; i++ {
		var entry raft.Log
		if err := stores.Log.GetLog(i, &entry); err != nil {
			t.Fatal(err)
		}
		all.Write(entry.Data)
	}
	return all.Bytes()
}
