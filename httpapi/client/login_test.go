package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/httpapi/client"
)

const loginPath = "/acs/api/v1/auth/login"

// cluster is a master that issues tokens and accepts the last it issued, until it is revoked.
type cluster struct {
	*master
	logins  atomic.Int32
	revoked atomic.Int32 // tokens up to that number are refused
	life    time.Duration
	refuse  step // what a login is answered with instead, unless it is nil
}

func startCluster(t *testing.T, life time.Duration) *cluster {
	t.Helper()
	c := &cluster{life: life}
	c.master = startMaster(t, c.answer)
	return c
}

func (c *cluster) answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == loginPath {
		c.login(w, r)
		return
	}
	raw := strings.TrimPrefix(r.Header.Get("Authorization"), "token=")
	var claims struct {
		Number int32
		jwt.RegisteredClaims
	}
	_, _, err := jwt.NewParser().ParseUnverified(raw, &claims)
	if err != nil || claims.Number <= c.revoked.Load() || time.Now().After(claims.ExpiresAt.Time) {
		says(401, "ERR_UNAUTHENTICATED")(w, r)
		return
	}
	fine(w, r)
}

func (c *cluster) login(w http.ResponseWriter, r *http.Request) {
	if c.refuse != nil {
		c.refuse(w, r)
		return
	}
	now := time.Now()
	claims := jwt.MapClaims{"uid": "alice", "number": c.logins.Add(1), "iat": now.Unix(), "exp": now.Add(c.life).Unix()}
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("whatever"))
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(w, `{"token":%q}`, raw)
}

// calls are the requests other than logins.
func (c *cluster) calls() (calls []arrival) {
	for _, a := range c.seen() {
		if a.path != loginPath {
			calls = append(calls, a)
		}
	}
	return calls
}

func (c *cluster) client(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	o.Addresses = []string{c.URL}
	if o.Credentials == nil {
		o.Credentials = client.Password("alice", "a passphrase")
	}
	return newClient(t, o)
}

func read(ctx context.Context, c *client.Client) error {
	_, err := c.User(ctx, "alice")
	return err
}

func TestTheFirstRequestLogsIn(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	c := cluster.client(t, client.Options{})
	for range 3 {
		if err := read(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if n := cluster.logins.Load(); n != 1 {
		t.Errorf("got %d logins for three requests, want 1", n)
	}
	if body := cluster.seen()[0].body; body != `{"uid":"alice","password":"a passphrase"}` || cluster.seen()[0].token != "" {
		t.Errorf("got the login %s", body)
	}
}

func TestARevokedTokenCostsOneLoginAndOneRepetition(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	c := cluster.client(t, client.Options{})
	if err := read(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	cluster.revoked.Store(1)
	if err := c.DeleteUser(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	if calls := cluster.calls(); cluster.logins.Load() != 2 || len(calls) != 3 || calls[1].key != calls[2].key {
		t.Errorf("got %d logins and %+v, want one more login and one repetition", cluster.logins.Load(), calls)
	}
}

func TestATokenThatIsRefusedAgainIsTheEnd(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	cluster.revoked.Store(1 << 30)
	err := read(t.Context(), cluster.client(t, client.Options{}))
	if !client.IsCode(err, "ERR_UNAUTHENTICATED") || !client.Unauthenticated(err) || client.OutcomeUnknown(err) {
		t.Errorf("got %v, want ERR_UNAUTHENTICATED", err)
	}
	if n := cluster.logins.Load(); n != 2 || len(cluster.calls()) != 2 {
		t.Errorf("got %d logins and %d requests, want 2 and 2", n, len(cluster.calls()))
	}
}

func TestManyRequestsShareOneLogin(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	c := cluster.client(t, client.Options{})
	for round := range int32(3) {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := read(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := cluster.logins.Load(); n != round+1 {
			t.Errorf("round %d: got %d logins, want %d", round, n, round+1)
		}
		cluster.revoked.Store(round + 1)
	}
}

func TestOneWhoGivesUpDoesNotTakeTheLoginFromTheOthers(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := startMaster(t, func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(arrived) })
		<-release
		cluster.answer(w, r)
	})
	c := newClient(t, client.Options{Addresses: []string{slow.URL}, Credentials: client.Password("alice", "a passphrase")})
	hasty, leave := context.WithCancel(t.Context())
	results := make(chan error, 2)
	go func() { results <- read(hasty, c) }()
	<-arrived
	leave()
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	go func() { results <- read(t.Context(), c) }()
	close(release)
	if err := <-results; err != nil {
		t.Error(err)
	}
	if n := cluster.logins.Load(); n != 1 {
		t.Errorf("got %d logins, want 1", n)
	}
}

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	var ahead atomic.Int64
	c := cluster.client(t, client.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	first, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(50 * time.Minute))
	if same, err := c.Token(t.Context()); err != nil || same != first {
		t.Errorf("ten minutes before the end: got %v and another token=%v, want the same", err, same != first)
	}
	ahead.Store(int64(58 * time.Minute)) // in the last tenth, even with chance
	if same, err := c.Token(t.Context()); err != nil || same != first {
		t.Errorf("two minutes before the end: got %v and another token=%v, want the same, and a renewal behind", err, same != first)
	}
	deadline := time.Now().Add(10 * time.Second)
	for cluster.logins.Load() < 2 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if n := cluster.logins.Load(); n != 2 {
		t.Errorf("got %d logins, want 2", n)
	}
}

// The end of a token is not believed when this machine's clock is wrong; its life is.
func TestAWrongClockDoesNotWearOutTokens(t *testing.T) {
	for name, wrong := range map[string]time.Duration{"ahead": 240 * time.Hour, "behind": -240 * time.Hour} {
		cluster := startCluster(t, time.Hour)
		var later atomic.Int64
		c := cluster.client(t, client.Options{Now: func() time.Time { return time.Now().Add(wrong + time.Duration(later.Load())) }})
		for range 3 {
			if err := read(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if n := cluster.logins.Load(); n != 1 {
			t.Errorf("%s: got %d logins for three requests, want 1", name, n)
		}
		later.Store(int64(2 * time.Hour))
		if err := read(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if n := cluster.logins.Load(); n != 2 {
			t.Errorf("%s: got %d logins after the token's life, want 2", name, n)
		}
	}
}

func TestTokensOfTwoSecondsSuffice(t *testing.T) {
	cluster := startCluster(t, 2*time.Second)
	c := cluster.client(t, client.Options{})
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := read(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if n := cluster.logins.Load(); n < 2 {
		t.Errorf("got %d logins, want at least 2", n)
	}
}

func TestRefusedCredentialsAreTriedOnce(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	cluster.refuse = says(401, "ERR_INVALID_CREDENTIALS")
	c := cluster.client(t, client.Options{})
	for _, err := range []error{read(t.Context(), c), func() error { _, err := c.Login(t.Context()); return err }()} {
		if !client.IsCode(err, "ERR_INVALID_CREDENTIALS") || !client.Unauthenticated(err) || strings.Contains(err.Error(), "passphrase") {
			t.Errorf("got %v, want ERR_INVALID_CREDENTIALS", err)
		}
	}
	if n := len(cluster.seen()); n != 2 {
		t.Errorf("got %d requests, want 2", n)
	}
}

func TestALoginIsRepeatedThoughItHasNoKey(t *testing.T) {
	m := startMaster(t, hangsUp, balancer(502), says(503, "ERR_NO_LEADER"), func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"token":"opaque"}`)
	})
	c := newClient(t, client.Options{Addresses: []string{m.URL}, Credentials: client.Password("alice", "a passphrase")})
	got, err := c.Login(t.Context())
	if err != nil || got.Raw != "opaque" || !got.Expires.IsZero() {
		t.Errorf("got %v until %v, %v", got, got.Expires, err)
	}
	for _, a := range m.seen() {
		if a.key != "" {
			t.Errorf("a login was sent with an Idempotency-Key: %+v", a)
		}
	}
}

func TestALoginWithoutATokenIsNone(t *testing.T) {
	for _, answer := range []string{`{}`, `{"token":""}`, `{"token":"two\nlines"}`, `{"token":7}`, `<html>`} {
		m := startMaster(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
		c := newClient(t, client.Options{Addresses: []string{m.URL}, Credentials: client.Password("alice", "a passphrase")})
		if err := read(t.Context(), c); err == nil || len(m.seen()) != 1 {
			t.Errorf("%s: got %v after %d requests, want an error after the login", answer, err, len(m.seen()))
		}
	}
}

func TestATokenIsUsedForHalfItsLifeAtLeast(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	c := cluster.client(t, client.Options{RenewBefore: 10 * time.Hour})
	for range 50 {
		if err := read(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if n := cluster.logins.Load(); n != 1 {
		t.Errorf("got %d logins, want 1", n)
	}
}

func TestWithoutCredentialsOnlyPublicThingsAreAsked(t *testing.T) {
	m := startMaster(t, fine)
	c, err := client.New(client.Options{Addresses: []string{m.URL}})
	if err != nil {
		t.Fatal(err)
	}
	if err := read(t.Context(), c); !errors.Is(err, client.ErrNoCredentials) || !client.Unauthenticated(err) || len(m.seen()) != 0 {
		t.Errorf("got %v after %d requests, want ErrNoCredentials and none", err, len(m.seen()))
	}
	if _, err := c.Masters(t.Context()); err != nil || m.seen()[0].token != "" {
		t.Errorf("got %v, %+v", err, m.seen())
	}
}

func TestATokenAloneIsUsedUntilItIsRefused(t *testing.T) {
	m := startMaster(t, fine, says(401, "ERR_UNAUTHENTICATED"))
	c := newClient(t, client.Options{Addresses: []string{m.URL}, Token: "from-before"})
	if err := read(t.Context(), c); err != nil || m.seen()[0].token != "from-before" {
		t.Errorf("got %v, %+v", err, m.seen())
	}
	if err := read(t.Context(), c); !client.IsCode(err, "ERR_UNAUTHENTICATED") || len(m.seen()) != 2 {
		t.Errorf("got %v after %d requests, want ERR_UNAUTHENTICATED after 2", err, len(m.seen()))
	}
}

func TestAServiceSignsItsLogin(t *testing.T) {
	key := serviceKey(t)
	m := startMaster(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"opaque"}`) })
	c := newClient(t, client.Options{Addresses: []string{m.URL}, Credentials: client.ServiceKey("a-service", key), TokenLifetime: time.Minute})
	began := time.Now()
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	var body struct {
		UID, Token string
		Exp        int64
	}
	if err := json.Unmarshal([]byte(m.seen()[0].body), &body); err != nil {
		t.Fatal(err)
	}
	var claims jwt.MapClaims
	token, err := jwt.ParseWithClaims(body.Token, &claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil }, jwt.WithValidMethods([]string{"RS256"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(claims) != 2 || claims["uid"] != "a-service" || body.UID != "a-service" || len(token.Header) != 2 {
		t.Errorf("got the claims %v under the header %v for %q", claims, token.Header, body.UID)
	}
	wants := time.Unix(body.Exp, 0).Sub(began)
	end, _ := claims.GetExpirationTime()
	if login := end.Sub(began); wants < 58*time.Second || wants > 5*time.Minute || login > 10*time.Minute || login < 4*time.Minute {
		t.Errorf("the login token lives %v and asks for %v", login, wants)
	}
}
