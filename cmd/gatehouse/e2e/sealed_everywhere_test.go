//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// A seal that any master has acknowledged leaves no readable secret on any (hostile S13), whatever is read and written beside it
// (hostile S14), and on a master that is cut off from the others neither (hostile S15): it refuses before it learns of the seal, and
// when it is back it has learnt.
func TestASealBindsEveryMasterAtOnce(t *testing.T) {
	c := start(t, rig.Options{Proxied: true})
	token, store := superuser(t, c), "default"
	ask(t, c, 201, rig.Request{Method: "PUT", URL: secretURL(c.Masters[0], store, "a"), Token: token, Body: map[string]string{"value": "x"}})
	for _, m := range c.Masters {
		readable(t, c, m, store, "a", "x")
	}
	for i := range 6 {
		traffic := readsAndWrites(t, c, store)
		ask(t, c, 200, rig.Request{Method: "PUT", URL: c.Masters[i%3].API + secretsPath + "/seal/" + store, Token: token})
		traffic.sealed.Store(true)
		for j := range c.Masters {
			answer := ask(t, c, 503, rig.Request{Method: "GET", URL: secretURL(c.Masters[(i+1+j)%3], store, "a"), Token: token})
			if answer.Code != "ERR_STORE_SEALED" {
				t.Errorf("round %d: got %s", i, answer.Body)
			}
		}
		traffic.end()
		ask(t, c, 200, rig.Request{Method: "PUT", URL: c.Masters[(i+2)%3].API + secretsPath + "/auto-unseal/" + store, Token: token})
		for _, m := range c.Masters {
			readable(t, c, m, store, "a", "x")
		}
	}
	away := c.Followers(leaderOf(t, c))[0]
	c.Links.Isolate(away.Name, c.Names()...)
	for _, m := range c.Masters {
		if m != away {
			await(t, 20*time.Second, "the seal", func(ctx context.Context) error {
				_, err := c.Client.Expect(ctx, 200, rig.Request{Method: "PUT", URL: m.API + secretsPath + "/seal/" + store, Token: token})
				return err
			})
			break
		}
	}
	patient := rig.NewClient(30 * time.Second)
	defer patient.Close()
	if answer, err := patient.Expect(t.Context(), 503, rig.Request{Method: "GET", URL: secretURL(away, store, "a"), Token: token}); err != nil {
		t.Errorf("the master that is cut off: %v %s", err, answer.Body)
	}
	c.Links.Heal()
	if err := c.AwaitHealthy(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	closed(t, c, store, "a")
}

// traffic are clients beside a seal. Each answer is that of an open store or of a sealed one, and none that was asked for after the
// seal was acknowledged is the former.
type traffic struct {
	t       *testing.T
	stop    context.CancelFunc
	working sync.WaitGroup
	sealed  atomic.Bool
}

func readsAndWrites(t *testing.T, c *rig.Cluster, store string) *traffic {
	ctx, stop := context.WithCancel(t.Context())
	f, token := &traffic{t: t, stop: stop}, superuser(t, c)
	var begun sync.WaitGroup
	for i := range 12 {
		begun.Add(1)
		f.working.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				r := rig.Request{Method: http.MethodGet, URL: secretURL(c.Masters[(i+n)%3], store, "a"), Token: token}
				if i%4 == 0 {
					r.Method, r.Body = http.MethodPatch, map[string]string{"value": "x"}
				}
				if err := f.once(c, r); err != nil {
					t.Error(err)
				}
				if n == 1 {
					begun.Done()
				}
			}
		})
	}
	begun.Wait()
	return f
}

func (f *traffic) once(c *rig.Cluster, r rig.Request) error {
	sealed := f.sealed.Load()
	answer, err := c.Client.Do(context.Background(), r)
	served := answer.Status == http.StatusOK || answer.Status == http.StatusNoContent
	switch {
	case err != nil:
		return err
	case served && sealed:
		return fmt.Errorf("%s of a sealed store: got %d %s", r.Method, answer.Status, answer.Body)
	case served, answer.Status == http.StatusServiceUnavailable, answer.Code == "ERR_CONFLICT":
		return nil
	}
	return errors.New(r.Method + ": got " + string(answer.Body))
}

// end stops the clients and waits for them.
func (f *traffic) end() {
	f.stop()
	f.working.Wait()
}
