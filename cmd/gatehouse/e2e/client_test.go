//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
	"gatehouse/httpapi/client"
)

// asSuperuser is a client of those addresses that logs in by itself.
func asSuperuser(t *testing.T, addresses ...string) *client.Client {
	t.Helper()
	return newClient(t, client.Options{Addresses: addresses, Credentials: client.Password(rig.Superuser, rig.SuperuserPassword)})
}

func newClient(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c := must[*client.Client](t)(client.New(o))
	t.Cleanup(c.Close)
	return c
}

func apisOf(c *rig.Cluster) (apis []string) {
	for _, m := range c.Masters {
		apis = append(apis, m.API)
	}
	return apis
}

func TestTheClientPackageManagesUsersThroughEveryMaster(t *testing.T) {
	c := shared(t)
	for _, m := range c.Masters {
		t.Run(m.Name, func(t *testing.T) {
			cl, uid := asSuperuser(t, m.API), named(t, "u")
			if err := cl.CreateUser(t.Context(), client.NewUser{UID: uid, Description: "one", Password: "a passphrase"}); err != nil {
				t.Fatal(err)
			}
			if err := cl.CreateUser(t.Context(), client.NewUser{UID: uid, Password: "a passphrase"}); !client.IsCode(err, "ERR_USER_EXISTS") {
				t.Errorf("again: got %v, want ERR_USER_EXISTS", err)
			}
			text := "two"
			if err := cl.UpdateUser(t.Context(), uid, client.UserUpdate{Description: &text}); err != nil {
				t.Fatal(err)
			}
			u := must[client.User](t)(cl.User(t.Context(), uid))
			list := must[[]client.User](t)(cl.Users(t.Context()))
			if u.Description != "two" || u.IsService || !slices.Contains(list, u) {
				t.Errorf("got %+v, which must be in the list", u)
			}
			if err := cl.DeleteUser(t.Context(), uid); err != nil {
				t.Fatal(err)
			}
			if _, err := cl.User(t.Context(), uid); !client.IsCode(err, "ERR_UNKNOWN_USER_ID") || client.Unavailable(err) {
				t.Errorf("after deletion: got %v, want ERR_UNKNOWN_USER_ID", err)
			}
		})
	}
}

func TestTheClientPackageAsksAboutTheCluster(t *testing.T) {
	c := shared(t)
	cl := asSuperuser(t, apisOf(c)...)
	masters := must[[]client.Master](t)(cl.Masters(t.Context()))
	if leading := slices.IndexFunc(masters, func(m client.Master) bool { return m.Leader }); len(masters) != 3 || leading < 0 {
		t.Errorf("got %+v, want three masters with a leader", masters)
	}
	for _, kind := range []client.HealthKind{client.Serving, client.Strict} {
		if h := must[client.HealthReport](t)(cl.Health(t.Context(), kind)); !h.Healthy || h.Address == "" {
			t.Errorf("%q: got %+v, want healthy", kind, h)
		}
	}
	leaders := 0
	for _, m := range c.Masters {
		if must[client.HealthReport](t)(asSuperuser(t, m.API).Health(t.Context(), client.Leading)).Healthy {
			leaders++
		}
	}
	if leaders != 1 {
		t.Errorf("got %d masters that say they lead, want 1", leaders)
	}
	keys := must[[]client.SigningKey](t)(cl.Keys(t.Context()))
	clusterKeys := must[[]client.ClusterKey](t)(cl.ClusterKeys(t.Context()))
	if len(keys) == 0 || keys[0].Status != "active" || len(clusterKeys) != 1 || !clusterKeys[0].Primary {
		t.Errorf("got the keys %+v and %+v", keys, clusterKeys)
	}
}

// Every change for which the client makes an Idempotency-Key must accept one: a master would answer 400.
func TestEveryChangeOfTheClientPackageIsAccepted(t *testing.T) {
	c := start(t, rig.Options{})
	cl := asSuperuser(t, apisOf(c)...)
	old := must[[]client.SigningKey](t)(cl.Keys(t.Context()))[0]
	made := must[client.SigningKey](t)(cl.PrepareKey(t.Context()))
	if a := must[client.Activation](t)(cl.ActivateKey(t.Context(), made.KID)); a.ID != made.KID || a.Description == "" {
		t.Errorf("got %+v", a)
	}
	if err := cl.RetireKey(t.Context(), old.KID, false); !client.IsCode(err, "ERR_KEY_IN_USE") {
		t.Errorf("retire a key with living tokens: got %v, want ERR_KEY_IN_USE", err)
	}
	if err := cl.RetireKey(t.Context(), old.KID, true); err != nil { // the client's own token is of that key
		t.Error(err)
	}
	primary := must[[]client.ClusterKey](t)(cl.ClusterKeys(t.Context()))[0]
	if _, err := cl.ActivateClusterKey(t.Context(), primary.ID); !client.IsCode(err, "ERR_CONFLICT") {
		t.Errorf("activate the primary cluster key: got %v, want ERR_CONFLICT", err)
	}
	if err := cl.RemoveMaster(t.Context(), "nobody"); !client.IsCode(err, "ERR_UNKNOWN_MASTER") {
		t.Errorf("remove nobody: got %v, want ERR_UNKNOWN_MASTER", err)
	}
	if r := must[client.Revocation](t)(cl.RevokeAllTokens(t.Context())); r.NotBefore.IsZero() {
		t.Errorf("got %+v", r)
	}
	if _, err := cl.Users(t.Context()); err != nil {
		t.Errorf("after all tokens were revoked: %v", err)
	}
}

// The token of a login is verified without asking the masters again.
func TestTokensAreVerifiedOffline(t *testing.T) {
	c := shared(t)
	cl := asSuperuser(t, apisOf(c)...)
	token := must[client.Token](t)(cl.Login(t.Context()))
	keys := must[client.JWKS](t)(cl.JWKS(t.Context()))
	claims := must[client.Claims](t)(client.VerifyToken(keys, token.Raw, time.Now()))
	if claims.UID != rig.Superuser || claims.KID != keys.Keys[0].KID {
		t.Errorf("got %+v", claims)
	}
	signature := strings.LastIndex(token.Raw, ".") + 1
	forged := token.Raw[:signature] + strings.ToLower(token.Raw[signature:])
	if _, err := client.VerifyToken(keys, forged, time.Now()); !errors.Is(err, client.ErrInvalidToken) {
		t.Errorf("a broken signature: got %v", err)
	}
	if _, err := client.VerifyToken(keys, token.Raw, claims.Expires); !errors.Is(err, client.ErrInvalidToken) {
		t.Errorf("at its end: got %v", err)
	}
}

// A client whose tokens are revoked goes on after one login, and so does one whose tokens live two seconds.
func TestTheClientPackageLogsInAgainByItself(t *testing.T) {
	c := shared(t)
	admin, uid := asSuperuser(t, apisOf(c)...), named(t, "service")
	key, publicPEM, err := client.NewServiceKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.CreateUser(t.Context(), client.NewUser{UID: uid, PublicKey: publicPEM}); err != nil {
		t.Fatal(err)
	}
	accounts := must[[]client.User](t)(admin.ServiceAccounts(t.Context()))
	if !slices.ContainsFunc(accounts, func(u client.User) bool { return u.UID == uid && u.IsService }) {
		t.Errorf("%s is not among the service accounts", uid)
	}
	t.Run("revoked", func(t *testing.T) {
		service := newClient(t, client.Options{Addresses: apisOf(c), Credentials: client.ServiceKey(uid, key)})
		before := must[string](t)(service.Token(t.Context()))
		must[client.Revocation](t)(admin.RevokeTokens(t.Context(), uid))
		for range 3 {
			must[[]client.Group](t)(service.GroupsOf(t.Context(), uid))
		}
		if after := must[string](t)(service.Token(t.Context())); after == before {
			t.Error("the revoked token is in use")
		}
	})
	t.Run("short-lived", func(t *testing.T) {
		secret := must[client.LoginSecret](t)(client.NewLoginSecret(uid, key, must[string](t)(client.LoginURL(c.Masters[1].API))))
		service := newClient(t, client.Options{Credentials: client.FromSecret(secret), TokenLifetime: 2 * time.Second})
		tokens := map[string]bool{}
		await(t, 30*time.Second, "four tokens", func(ctx context.Context) error {
			_, err := service.GroupsOf(ctx, uid)
			if client.Unauthenticated(err) {
				return err // a machine so slow that a new token expires on its way
			}
			if err != nil {
				return fmt.Errorf("%w: %w", err, rig.ErrFinal)
			}
			token, err := service.Token(ctx)
			if tokens[token] = true; err != nil || len(tokens) < 4 {
				return fmt.Errorf("got %d tokens, %w", len(tokens), err)
			}
			return nil
		})
	})
}

func TestADeadAddressCostsTheClientPackageNothing(t *testing.T) {
	c := start(t, rig.Options{})
	dead := c.Followers(leaderOf(t, c))[0]
	if err := dead.Kill(); err != nil {
		t.Fatal(err)
	}
	addresses := []string{dead.API}
	for _, m := range c.Running() {
		addresses = append(addresses, m.API)
	}
	cl := asSuperuser(t, addresses...)
	for i := range 10 {
		if err := cl.CreateUser(t.Context(), client.NewUser{UID: fmt.Sprint(named(t, "u"), i), Password: "a passphrase"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := asSuperuser(t, dead.API).Do(t.Context(), client.Request{Method: http.MethodGet, Path: usersPath, Once: true, Public: true})
	if !client.Unavailable(err) || client.OutcomeUnknown(err) {
		t.Errorf("the dead address alone: got %v, want unavailable", err)
	}
}

// The leader is killed twice in the middle of a stream of creations. With Idempotency-Keys every one of them succeeds exactly once as
// soon as a leader is back: none is lost, none is refused because it existed already, none is left unknown.
func TestNoChangeOfTheClientPackageIsLostOrDoubledWhenTheLeaderDies(t *testing.T) {
	const further = 60
	c := start(t, rig.Options{})
	apis := apisOf(c)
	balancer := must[*rig.HAProxy](t)(rig.StartHAProxy(t.Context(), c.Dir, apis))
	t.Cleanup(balancer.Close)
	s := create(t, asSuperuser(t, apis...), asSuperuser(t, rotated(apis, 1)...), asSuperuser(t, rotated(apis, 2)...),
		asSuperuser(t, balancer.URL), asSuperuser(t, balancer.URL))
	s.more(t, further)
	for range 2 {
		victim := leaderOf(t, c)
		if err := victim.Kill(); err != nil {
			t.Fatal(err)
		}
		s.more(t, further)
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		if err := victim.AwaitHealthy(t.Context(), c.Client, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		s.more(t, further)
	}
	s.audit(t, asSuperuser(t, apis...))
}

// Over https, where requests share a connection of HTTP/2 that breaks under all of them, the same holds.
func TestTheClientPackageSpeaksTLSWithEveryMaster(t *testing.T) {
	var secure []string
	c := start(t, rig.Options{Flags: []string{"--tls-auto"}, Wrap: func(m *rig.Master) {
		plain, port := m.Argument("--listen"), must[int](t)(rig.FreePorts(1))
		m.Replace("--listen", "http://"+plain)
		secure = append(secure, fmt.Sprintf("https://127.0.0.1:%d", port))
		m.Argv = append(m.Argv, "--listen", secure[len(secure)-1])
	}})
	authority := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: c.Masters[0].API + "/ca/dcos-ca.crt"})
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	if !trust.RootCAs.AppendCertsFromPEM(authority.Body) {
		t.Fatalf("no certificate: %s", authority.Body)
	}
	trusting := func(addresses ...string) *client.Client {
		return newClient(t, client.Options{Addresses: addresses, TLS: trust, Credentials: client.Password(rig.Superuser, rig.SuperuserPassword)})
	}
	for _, address := range secure {
		must[[]client.User](t)(trusting(address).Users(t.Context()))
		strange := newClient(t, client.Options{Addresses: []string{address}, Token: "a-token"})
		if _, err := strange.Users(t.Context()); !client.Unavailable(err) || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("without the authority: got %v", err)
		}
	}
	cl := trusting(secure...)
	s := create(t, cl, cl, cl, trusting(rotated(secure, 1)...))
	s.more(t, 40)
	if err := leaderOf(t, c).Kill(); err != nil {
		t.Fatal(err)
	}
	s.more(t, 40)
	s.audit(t, cl)
}

// stream is a number of clients that create service accounts without pause.
type stream struct {
	prefix, publicPEM string
	stop              context.CancelFunc
	working           sync.WaitGroup
	created           chan string
	acknowledged      map[string]bool
}

// create sets the clients to work. Service accounts have no password to hash: there can be many.
func create(t *testing.T, clients ...*client.Client) *stream {
	t.Helper()
	_, publicPEM, err := client.NewServiceKey()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &stream{prefix: named(t, "u"), publicPEM: publicPEM, stop: stop, created: make(chan string, 1<<16), acknowledged: map[string]bool{}}
	for i, cl := range clients {
		s.working.Go(func() { s.run(ctx, t, cl, fmt.Sprintf("%s-%d", s.prefix, i)) })
	}
	t.Cleanup(func() { stop(); s.working.Wait() })
	return s
}

func (s *stream) run(ctx context.Context, t *testing.T, cl *client.Client, prefix string) {
	for i := 0; ctx.Err() == nil; i++ {
		uid := fmt.Sprintf("%s-%d", prefix, i)
		if err := cl.CreateUser(t.Context(), client.NewUser{UID: uid, PublicKey: s.publicPEM}); err != nil {
			t.Errorf("create %s: %v", uid, err)
			return
		}
		s.created <- uid
		_ = rig.Pause(ctx, 5*time.Millisecond)
	}
}

// more waits until that many more creations were acknowledged.
func (s *stream) more(t *testing.T, n int) {
	t.Helper()
	for limit := time.After(40 * time.Second); n > 0; n-- {
		select {
		case uid := <-s.created:
			s.acknowledged[uid] = true
		case <-limit:
			t.Fatalf("%d creations are missing", n)
		}
	}
}

// audit ends the stream and compares what was acknowledged with what is there.
func (s *stream) audit(t *testing.T, cl *client.Client) {
	t.Helper()
	s.stop()
	s.working.Wait()
	close(s.created)
	for uid := range s.created {
		s.acknowledged[uid] = true
	}
	found := map[string]bool{}
	for _, u := range must[[]client.User](t)(cl.ServiceAccounts(t.Context())) {
		found[u.UID] = strings.HasPrefix(u.UID, s.prefix)
	}
	for uid := range s.acknowledged {
		if !found[uid] {
			t.Errorf("%s was acknowledged and is not there", uid)
		}
	}
	if len(found) != len(s.acknowledged) {
		t.Errorf("%d are there, %d were acknowledged", len(found), len(s.acknowledged))
	}
	t.Logf("%d creations", len(found))
}

// rotated begins the list elsewhere, as balancers and names in DNS do.
func rotated(list []string, by int) []string { return slices.Concat(list[by:], list[:by]) }
