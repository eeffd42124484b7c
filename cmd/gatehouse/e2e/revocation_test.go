//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// prober asks a master with a token without pause and remembers when an answer to which request was last 200.
type prober struct {
	mu   sync.Mutex
	last time.Time // when the last request that succeeded was sent
	any  int
}

func (p *prober) run(ctx context.Context, m *rig.Master, uid, token string) {
	client := rig.NewClient(5 * time.Second)
	defer client.Close()
	for ctx.Err() == nil {
		sent := time.Now()
		answer, err := client.Do(context.Background(), rig.Request{Method: http.MethodGet, URL: ownURL(m, uid), Token: token})
		if err == nil && answer.Status == http.StatusOK {
			p.mu.Lock()
			p.last, p.any = sent, p.any+1
			p.mu.Unlock()
		}
	}
}

// An acknowledged revocation binds every master at once (hostile J35): no request that was sent after the
// acknowledgement is answered with the old tokens, wherever they were issued and wherever it is sent.
func TestRevocationBindsEveryMasterAtOnce(t *testing.T) {
	c := shared(t)
	for name, act := range map[string]struct {
		request func(m *rig.Master, uid string) rig.Request
		status  int
	}{
		"revoke": {func(m *rig.Master, uid string) rig.Request {
			return rig.Request{Method: http.MethodPost, URL: m.API + "/gatehouse/v1/users/" + uid + "/revoke-tokens"}
		}, http.StatusOK},
		"delete": {func(m *rig.Master, uid string) rig.Request {
			return rig.Request{Method: http.MethodDelete, URL: userURL(m, uid)}
		}, http.StatusNoContent},
	} {
		t.Run(name, func(t *testing.T) {
			uid := named(t, "u")
			putUser(t, c, c.Masters[0], uid, map[string]string{"password": "a passphrase"})
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var probing sync.WaitGroup
			var probers []*prober
			var tokens []string
			for i, m := range c.Masters {
				token := must[string](t)(c.Client.Login(t.Context(), m.API, uid, "a passphrase"))
				p := &prober{}
				probers, tokens = append(probers, p), append(tokens, token)
				probing.Go(func() { p.run(ctx, c.Masters[(i+1)%len(c.Masters)], uid, token) })
			}
			for _, p := range probers {
				await(t, 20*time.Second, "tokens in use", func(context.Context) error { return p.used() })
			}
			r := act.request(c.Masters[1], uid)
			r.Token = superuser(t, c)
			ask(t, c, act.status, r)
			acknowledged := time.Now()
			for _, token := range tokens {
				for _, m := range c.Masters {
					ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodGet, URL: userURL(m, rig.Superuser), Token: token})
				}
			}
			stop()
			probing.Wait()
			for i, p := range probers {
				if p.last.After(acknowledged) {
					t.Errorf("prober %d: a request sent %v after the acknowledgement was answered", i, p.last.Sub(acknowledged))
				}
			}
			if name == "delete" {
				// A new user of that name inherits no tokens.
				putUser(t, c, c.Masters[2], uid, map[string]string{"password": "a passphrase"})
				ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodGet, URL: ownURL(c.Masters[0], uid), Token: tokens[0]})
			}
			fresh := must[string](t)(c.Client.Login(t.Context(), c.Masters[2].API, uid, "a passphrase"))
			for _, m := range c.Masters {
				ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: ownURL(m, uid), Token: fresh})
			}
		})
	}
}

// used fails until the prober has succeeded a few times.
func (p *prober) used() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.any < 3 {
		return errors.New("the token is hardly used yet")
	}
	return nil
}

func TestRevokingAllTokensSparesNobody(t *testing.T) {
	c := start(t, rig.Options{})
	putUser(t, c, c.Masters[0], "someone", map[string]string{"password": "a passphrase"})
	someone := must[string](t)(c.Client.Login(t.Context(), c.Masters[1].API, "someone", "a passphrase"))
	ask(t, c, http.StatusForbidden, rig.Request{Method: http.MethodPost, URL: c.Masters[2].API + "/gatehouse/v1/revoke-tokens", Token: someone})
	ask(t, c, http.StatusOK, rig.Request{Method: http.MethodPost, URL: c.Masters[2].API + "/gatehouse/v1/revoke-tokens", Token: superuser(t, c)})
	for _, m := range c.Masters {
		for _, token := range []string{someone, superuser(t, c)} {
			ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodGet, URL: userURL(m, "someone"), Token: token})
		}
	}
	fresh := must[string](t)(c.Client.Login(t.Context(), c.Masters[0].API, "someone", "a passphrase"))
	ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: ownURL(c.Masters[1], "someone"), Token: fresh})
}
