//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// putSecret creates a secret through m.
func putSecret(t *testing.T, c *rig.Cluster, m *rig.Master, store, path, value string) {
	t.Helper()
	ask(t, c, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: secretURL(m, store, path), Token: superuser(t, c), Body: map[string]string{"value": value}})
}

// untilDone asks about a store through m until the answer is 200: an election may come in between, and asking again does no harm.
func untilDone(t *testing.T, c *rig.Cluster, m *rig.Master, path string, body any) (s sealStatus) {
	t.Helper()
	token := superuser(t, c)
	await(t, 30*time.Second, "PUT "+path+" at "+m.Name, func(ctx context.Context) error {
		answer, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodPut, URL: m.API + secretsPath + path, Token: token, Body: body})
		if err == nil {
			decode(t, answer.Body, &s)
		}
		return err
	})
	return s
}

// reader reads a secret through one master again and again, beside others. Whatever was asked after a seal was answered must be
// refused, and what is served must be whole.
type reader struct {
	master *rig.Master
	url    string
	value  string
	sealed *atomic.Bool
	served atomic.Int64
	wrong  atomic.Pointer[string]
}

func (r *reader) run(ctx context.Context, c *rig.Cluster, token string) {
	for ctx.Err() == nil {
		after := r.sealed.Load()
		answer, err := c.Client.Do(ctx, rig.Request{Method: http.MethodGet, URL: r.url, Token: token})
		if err != nil {
			continue // the test ends
		}
		var got struct{ Value string }
		whole := answer.Status == http.StatusOK && json.Unmarshal(answer.Body, &got) == nil && got.Value == r.value
		if answer.Status != http.StatusServiceUnavailable && (!whole || after) {
			text := fmt.Sprintf("%s answered %d %s, after the seal: %v", r.master.Name, answer.Status, answer.Body, after)
			r.wrong.CompareAndSwap(nil, &text)
		}
		r.served.Add(1)
	}
}

// A seal that any master has answered binds on all at once (hostile S13), beside whatever is under way (hostile S14); on one that is cut
// off too (hostile S15); and over restarts (hostile S16).
func TestHostileS13ASealBindsEveryMasterAtOnce(t *testing.T) {
	c := start(t, rig.Options{Proxied: true})
	store, token := "default", superuser(t, c)
	putSecret(t, c, c.Masters[0], store, "kept", "a value")
	for _, m := range c.Masters {
		readable(t, c, m, store, "kept", "a value")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var sealed atomic.Bool
	var all sync.WaitGroup
	var readers []*reader
	for i := range 6 {
		r := &reader{master: c.Masters[i%3], value: "a value", sealed: &sealed}
		r.url = secretURL(r.master, store, "kept")
		readers = append(readers, r)
		all.Go(func() { r.run(ctx, c, token) })
	}
	await(t, 20*time.Second, "readers under way", func(context.Context) error {
		for _, r := range readers {
			if r.served.Load() < 2 {
				return fmt.Errorf("one has %d answers", r.served.Load())
			}
		}
		return nil
	})
	untilDone(t, c, c.Masters[1], "/seal/"+store, nil)
	sealed.Store(true)
	closed(t, c, store, "kept")
	cancel()
	all.Wait()
	for _, r := range readers {
		if wrong := r.wrong.Load(); wrong != nil {
			t.Error(*wrong)
		}
	}

	untilDone(t, c, c.Masters[2], "/auto-unseal/"+store, nil)
	leader := leaderOf(t, c)
	alone := c.Followers(leader)[0]
	readable(t, c, alone, store, "kept", "a value")
	c.Links.Isolate(alone.Name, c.Names()...)
	untilDone(t, c, leader, "/seal/"+store, nil)
	answer := must[rig.Answer](t)(c.Client.Do(t.Context(), rig.Request{Method: http.MethodGet, URL: secretURL(alone, store, "kept"), Token: token}))
	if answer.Status != http.StatusServiceUnavailable {
		t.Errorf("a master that is cut off answers %d %s after a seal", answer.Status, answer.Body)
	}
	c.Links.Heal()
	awaitAll(t, c)
	closed(t, c, store, "kept")
	for _, m := range c.Masters {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	startAll(t, c.Masters...)
	awaitAll(t, c)
	closed(t, c, store, "kept")
}

// Shares that are sent to different masters open the store on all of them (hostile S9). Who restarts, or comes with nothing, gets the
// keys from the others; a leader that dies in between costs no more than the shares that were given.
func TestHostileS9SharesOpenTheStoreOnEveryMaster(t *testing.T) {
	c := start(t, rig.Options{})
	store := "default"
	shares := initStore(t, c, store, 5, 3)
	leader := leaderOf(t, c)
	if got := unseal(t, c, store, shares[0], shares[1]); !got.Sealed || got.Progress != 2 {
		t.Fatalf("two shares: %+v", got)
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	followers := c.Followers(leader)
	leaderOf(t, c)
	got := untilDone(t, c, followers[0], "/unseal/"+store, map[string]string{"key": shares[2]})
	if !got.Sealed || got.Progress != 1 {
		t.Fatalf("a share after the leader died: %+v, want one share and sealed", got)
	}
	for i, share := range []string{shares[0], shares[4]} { // the dead leader is not back: its name is told
		got = untilDone(t, c, followers[i], "/unseal/"+store, map[string]string{"key": share})
	}
	if got.Sealed || !slices.Contains(got.Unreached, leader.Name) {
		t.Fatalf("the last share: %+v, want open and %s unreached", got, leader.Name)
	}
	for _, m := range followers {
		putSecret(t, c, m, store, "by-"+m.Name, m.Name)
	}
	startAll(t, leader)
	began := time.Now()
	readable(t, c, leader, store, "by-"+followers[0].Name, followers[0].Name)
	t.Logf("a restarted master hands out a secret %v after its start", time.Since(began))

	wiped := followers[0]
	if err := wiped.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(wiped.DataDir); err != nil {
		t.Fatal(err)
	}
	startAll(t, wiped)
	readable(t, c, wiped, store, "by-"+followers[1].Name, followers[1].Name)
}

// All masters down together: without auto-unseal shares are needed again, though nobody has sealed the store (hostile S17).
func TestHostileS17AllMastersDownTogether(t *testing.T) {
	c := start(t, rig.Options{Flags: []string{"--auto-unseal", "off"}})
	shares := initStore(t, c, "default", 3, 2)
	if got := unseal(t, c, "default", shares[0], shares[2]); got.Sealed {
		t.Fatalf("two shares: %+v", got)
	}
	putSecret(t, c, c.Masters[1], "default", "kept", "a value")
	for _, m := range c.Masters {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	startAll(t, c.Masters...)
	awaitAll(t, c)
	closed(t, c, "default", "kept")
	if got := statusOf(t, c, c.Masters[2], "default"); !got.Sealed {
		t.Errorf("the status: %+v", got)
	}
	began := time.Now()
	if got := unseal(t, c, "default", shares[1], shares[0]); got.Sealed {
		t.Fatalf("two shares: %+v", got)
	}
	for _, m := range c.Masters {
		readable(t, c, m, "default", "kept", "a value")
	}
	t.Logf("all masters hand out a secret %v after the first share", time.Since(began))
}
