//go:build moving

package loginapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/keyring/token"
)

// lifetime reads iat and exp of a token without verifying it.
func lifetime(t testing.TB, raw string) (issuedAt, expires time.Time) {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(raw, claims); err != nil {
		t.Fatalf("parse %q: %v", raw, err)
	}
	iat, _ := claims.GetIssuedAt()
	exp, _ := claims.GetExpirationTime()
	return iat.UTC(), exp.UTC()
}

func (a answer) token(t testing.TB) string {
	t.Helper()
	var in loginAnswer
	a.ok(t, http.StatusOK).into(t, &in)
	return in.Token
}

func TestTokenLifeIsConfigured(t *testing.T) {
	h := newHouse(t, 1, func(o *Options) {
		o.TokenLifetime = 12 * time.Hour
		o.Cookies = CookieOptions{InfoLifetime: time.Hour, Secure: true}
	})
	got := h.leader().login("uid", root, "password", rootPassword)
	iat, exp := lifetime(t, got.token(t))
	if want := noon; !iat.Equal(want) || !exp.Equal(want.Add(12*time.Hour)) {
		t.Errorf("token from %v to %v, want from %v for 12 h", iat, exp, want)
	}
	cookies := got.header["Set-Cookie"]
	if !strings.Contains(cookies[0], "Max-Age=43200; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("auth cookie %q outlives the token or is not Secure", cookies[0])
	}
	if !strings.Contains(cookies[1], "Max-Age=3600; SameSite=Lax") || strings.Contains(cookies[1], "Secure") {
		t.Errorf("info cookie is %q, want one hour and never Secure", cookies[1])
	}
}

func TestExpOfALoginActsOnServiceAccountsOnly(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	now := h.clock.Now()
	body := func(exp string) string {
		return strings.TrimSuffix(object("uid", "robot", "token", h.serviceToken(serviceKey(), "robot")), "}") + `,"exp":` + exp + `}`
	}
	in := func(seconds int) string { return string(must(json.Marshal(now.Unix() + int64(seconds)))) }
	for _, c := range []struct {
		exp  string
		want time.Duration // life of the token; 0 for a refusal
		text string
	}{
		{in(2), 2 * time.Second, ""},
		{in(3600), time.Hour, ""},
		{in(3600) + ".5", time.Hour, ""},
		{"null", DefaultTokenLifetime, ""},
		{in(5 * 24 * 3600), DefaultTokenLifetime, ""},
		{in(50 * 24 * 3600), DefaultTokenLifetime, ""},
		{"1e300", DefaultTokenLifetime, ""},
		{"0", 0, "`exp` must not be 0: tokens without expiry are not issued"},
		{"0.0", 0, "`exp` must not be 0: tokens without expiry are not issued"},
		{`"1795000000"`, 0, "`exp` must be a number of seconds since 1970"},
		{"[1]", 0, "`exp` must be a number of seconds since 1970"},
		{"-1", 0, "`exp` must lie in the future"},
		{in(0), 0, "`exp` must lie in the future"},
	} {
		got := h.leader().do(call{method: "POST", path: loginPath, body: body(c.exp)})
		if c.want == 0 {
			got.want(t, 400, "", c.text)
			continue
		}
		if iat, exp := lifetime(t, got.token(t)); exp.Sub(iat) != c.want {
			t.Errorf("exp %s: the token lives %v, want %v", c.exp, exp.Sub(iat), c.want)
		}
	}
	iat, exp := lifetime(t, h.leader().do(call{method: "POST", path: loginPath, body: `{"uid":"alice","password":"wonderland","exp":0}`}).token(t))
	if exp.Sub(iat) != DefaultTokenLifetime {
		t.Errorf("exp 0 with a password: the token lives %v, want %v", exp.Sub(iat), DefaultTokenLifetime)
	}
}

func TestLongLivedServiceTokensAreCountedOrRefused(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		h := newHouse(t, 1, func(o *Options) { o.RefuseLongLived = refuse })
		h.put(people()...)
		for _, claims := range []jwt.MapClaims{{"uid": "robot"}, {"uid": "robot", "exp": h.clock.Now().Add(5 * 24 * time.Hour).Unix()}} {
			got := h.leader().login("uid", "robot", "token", signed(serviceKey(), claims))
			if want := map[bool]int{false: 200, true: 401}[refuse]; got.status != want {
				t.Errorf("refuse %v, claims %v: %d, want %d", refuse, claims, got.status, want)
			}
		}
		const warning = "service login token lives longer than 10 minutes"
		if got := strings.Count(h.leader().logs.String(), warning); got != map[bool]int{false: 2, true: 0}[refuse] {
			t.Errorf("refuse %v: %d warnings", refuse, got)
		}
		metrics := h.leader().do(call{method: "GET", path: "/metrics"}).body
		if !refuse && !strings.Contains(metrics, `result="ok_long_lived"} 2`) {
			t.Errorf("long-lived logins are not counted:\n%s", grep(metrics, "login"))
		}
	}
}

// remembering counts what is asked of a verifier that remembers signatures.
type remembering struct {
	*token.Verifier
	asked int
}

func (v *remembering) VerifyServiceLogin(pem, raw, uid string, now time.Time, opts token.LoginOptions) (token.LoginClaims, error) {
	v.asked++
	return v.Verifier.VerifyServiceLogin(pem, raw, uid, now, opts)
}

func TestServiceLoginsAreVerifiedWithAMemory(t *testing.T) {
	v := &remembering{Verifier: token.NewVerifier(0)}
	h := newHouse(t, 1, func(o *Options) { o.ServiceLogins = v })
	h.put(people()...)
	for range 2 {
		h.leader().login("uid", "robot", "token", h.serviceToken(serviceKey(), "robot")).ok(t, http.StatusOK)
	}
	h.leader().login("uid", "robot", "token", h.serviceToken(otherKey(), "robot")).ok(t, http.StatusUnauthorized)
	if v.asked != 3 {
		t.Errorf("%d tokens were verified, want 3", v.asked)
	}
}

func grep(text, part string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, part) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func TestFailedLoginsAreThrottledByPairAndRecoverByTime(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	m := h.leader()
	attempt := func(from, password string) answer {
		return m.do(call{method: "POST", path: loginPath, body: object("uid", "alice", "password", password), from: from})
	}
	for range pairFree {
		attempt(attacker.String(), "guess").ok(t, http.StatusUnauthorized)
	}
	before := m.passwords.checked.Load()
	got := attempt(attacker.String(), "wonderland").ok(t, http.StatusTooManyRequests)
	if got.header.Get("Retry-After") != "1" || got.problem(t).Code != "ERR_TOO_MANY_REQUESTS" {
		t.Errorf("throttled login is answered %s with Retry-After %q", got.body, got.header.Get("Retry-After"))
	}
	if m.passwords.checked.Load() != before {
		t.Error("a throttled login cost a hash")
	}
	attempt(office.String(), "wonderland").ok(t, http.StatusOK)
	h.clock.advance(time.Second)
	attempt(attacker.String(), "wonderland").ok(t, http.StatusOK)
	attempt(attacker.String(), "wonderland").ok(t, http.StatusOK)
}

func TestBusyHashingIsNoFailure(t *testing.T) {
	h := newHouse(t, 1)
	h.leader().passwords.busy.Store(true)
	for range 3 * pairFree {
		for _, uid := range []string{root, "nobody"} {
			got := h.leader().login("uid", uid, "password", "guess").ok(t, http.StatusTooManyRequests)
			if got.header.Get("Retry-After") == "" || got.problem(t).Description != "Too many passwords are being checked. Try again later." {
				t.Fatalf("busy login is answered %s", got.body)
			}
		}
	}
	h.leader().passwords.busy.Store(false)
	h.leader().rootToken()
	if audit := h.leader().audits.String(); !strings.Contains(audit, `result=deny reason="not decided: busy"`) {
		t.Errorf("busy logins are not audited:\n%s", audit)
	}
}

func TestLoginWithoutQuorumIsRefusedAndNotCountedAsFailure(t *testing.T) {
	h := newHouse(t, 1)
	h.down = true
	for range 2 * pairFree {
		got := h.leader().login("uid", root, "password", rootPassword).ok(t, http.StatusServiceUnavailable)
		if got.header.Get("Retry-After") == "" {
			t.Fatal("503 without Retry-After")
		}
	}
	h.down = false
	h.leader().rootToken()
}

func TestTokenIsNeverStampedAheadOfAnyClock(t *testing.T) {
	h := newHouse(t, 1)
	m := h.leader()
	slow := h.clock.Now().Add(-3 * time.Second)
	m.api.Now = func() time.Time { return slow }
	if iat, _ := lifetime(t, m.rootToken()); !iat.Equal(slow.Truncate(time.Second)) {
		t.Errorf("iat is %v on a master whose clock says %v", iat, slow)
	}
	fast := h.clock.Now().Add(time.Hour)
	m.api.Now = func() time.Time { return fast }
	if iat, _ := lifetime(t, m.rootToken()); !iat.Equal(noon) {
		t.Errorf("iat is %v on a master whose clock is ahead, want the leader's %v", iat, noon)
	}
}

func TestLoginWaitsForACutoff(t *testing.T) {
	h := newHouse(t, 2)
	h.put(people()...)
	token := h.leader().rootToken()
	h.leader().do(call{method: "POST", path: "/gatehouse/v1/users/alice/revoke-tokens", token: token}).ok(t, http.StatusOK)
	iat, _ := lifetime(t, h.masters[1].tokenOf("alice", "wonderland"))
	if want := noon.Add(time.Second); !iat.Equal(want) {
		t.Errorf("iat is %v, want the cut-off %v", iat, want)
	}
	if want := 750 * time.Millisecond; len(h.clock.slept) != 1 || h.clock.slept[0] != want {
		t.Errorf("the login slept %v, want once for %v", h.clock.slept, want)
	}
}

func TestLoginThatWaitedLooksAgain(t *testing.T) {
	again := func(change command.Command) answer {
		h := newHouse(t, 2)
		h.put(people()...)
		h.leader().do(call{method: "POST", path: "/gatehouse/v1/revoke-tokens", token: h.leader().rootToken()}).ok(t, http.StatusOK)
		h.clock.onWake = func() {
			h.submit(command.Header{Term: h.term, Time: h.clock.Now()}, change)
		}
		return h.masters[1].login("uid", "alice", "password", "wonderland")
	}
	hash := "$fake$changed"
	again(command.UpdateUser{UID: "alice", PasswordHash: &hash}).ok(t, http.StatusUnauthorized)
	again(command.DeleteUser{UID: "alice", TokenLife: cutoff.LongestTokenLife}).ok(t, http.StatusUnauthorized)
	text := "only another description"
	again(command.UpdateUser{UID: "alice", Description: &text}).ok(t, http.StatusOK)
}

func TestLoginDoesNotWaitLongForACutoff(t *testing.T) {
	h := newHouse(t, 2)
	h.put(people()...)
	ahead := h.clock.Now().Add(time.Minute)
	h.submit(command.Header{Term: h.term, Time: ahead}, command.RevokeTokens{UID: "alice", NotBefore: ahead.Truncate(time.Second), Expires: ahead.Add(time.Hour)})
	got := h.masters[1].login("uid", "alice", "password", "wonderland").ok(t, http.StatusServiceUnavailable)
	if got.problem(t).Code != "ERR_BUSY" || got.header.Get("Retry-After") != "60" || len(h.clock.slept) != 0 {
		t.Errorf("answer %s, Retry-After %q, slept %v; want ERR_BUSY at once", got.body, got.header.Get("Retry-After"), h.clock.slept)
	}
}

func TestServiceTokenThatExpiresWhileTheLoginWaits(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	h.leader().do(call{method: "POST", path: "/gatehouse/v1/users/robot/revoke-tokens", token: h.leader().rootToken()}).ok(t, http.StatusOK)
	body := strings.TrimSuffix(object("uid", "robot", "token", h.serviceToken(serviceKey(), "robot")), "}") +
		`,"exp":` + string(must(json.Marshal(noon.Unix()+1))) + `}`
	h.leader().do(call{method: "POST", path: loginPath, body: body}).want(t, 400, "", "`exp` must lie in the future")
}

func TestOldHashIsUpgradedOnTheLeader(t *testing.T) {
	for i := range 2 {
		h := newHouse(t, 2)
		h.put(iam.User{UID: "carol", PasswordHash: "$old$hello"})
		h.masters[i].tokenOf("carol", "hello")
		if u, _ := h.leader().State().User("carol"); u.PasswordHash != "$fake$hello" {
			t.Errorf("login on %s left the hash %q", h.masters[i].id, u.PasswordHash)
		}
		all := h.masters[0].audits.String() + h.masters[1].audits.String()
		if n := strings.Count(all, "action=password-login"); n != 1 {
			t.Errorf("login on %s left %d audit records, want 1:\n%s", h.masters[i].id, n, all)
		}
		h.masters[i].tokenOf("carol", "hello")
		if n := h.leader().passwords.hashed.Load(); n != 1 {
			t.Errorf("%d hashes were made, want 1", n)
		}
	}
}

func TestLoginSucceedsThoughTheUpgradeFails(t *testing.T) {
	h := newHouse(t, 1)
	h.put(iam.User{UID: "carol", PasswordHash: "$old$hello"})
	other := "$fake$changed meanwhile"
	h.before = func(c command.Command) {
		if _, ok := c.(command.RehashPassword); ok {
			h.before = nil
			h.submit(command.Header{Term: h.term, Time: h.clock.Now()}, command.UpdateUser{UID: "carol", PasswordHash: &other})
		}
	}
	h.leader().tokenOf("carol", "hello")
	if u, _ := h.leader().State().User("carol"); u.PasswordHash != other {
		t.Errorf("the hash is %q, want the one that was set meanwhile", u.PasswordHash)
	}
	if !strings.Contains(h.leader().logs.String(), "password hash was not upgraded") {
		t.Error("the failed upgrade is not logged")
	}
}

func TestWrongPasswordOfAnOldHashWritesNothing(t *testing.T) {
	h := newHouse(t, 1)
	h.put(iam.User{UID: "carol", PasswordHash: "$old$hello"})
	n := len(h.entries())
	h.leader().login("uid", "carol", "password", "guess").ok(t, http.StatusUnauthorized)
	if len(h.entries()) != n {
		t.Error("a failed login reached the log")
	}
}

func TestLoginLeavesTheTracesPeopleLookFor(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	h.leader().tokenOf("alice", "wonderland")
	h.leader().login("uid", "alice", "password", "guess")
	h.leader().login("uid", "no\nbody`\" level=", "password", "guess")
	logs, audits := h.leader().logs.String(), h.leader().audits.String()
	for _, want := range []string{
		"Trigger login procedure for uid `alice`", "User login: UID `alice` refers to a known local user",
		"Trigger login procedure for uid `no_body__ level=`",
	} {
		if !strings.Contains(logs, want) {
			t.Errorf("logs lack %q", want)
		}
	}
	for _, want := range []string{
		`srcip=192.0.2.10 component=bouncer action=password-login result=allow reason="valid password provided" uid=alice`,
		`srcip=192.0.2.10 component=bouncer action=password-login result=deny reason="invalid password provided" uid=alice`,
		`component=bouncer action=password-login result=deny reason="unknown user" uid="no_body__ level="`,
	} {
		if !strings.Contains(audits, want) {
			t.Errorf("audit records lack %q:\n%s", want, audits)
		}
	}
	metrics := h.leader().do(call{method: "GET", path: "/metrics"}).body
	for _, want := range []string{`kind="password",result="ok"} 1`, `kind="password",result="denied"} 2`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s:\n%s", want, grep(metrics, "login"))
		}
	}
}

func TestClientThatLeavesDoesNotHoldAFailedLogin(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	began := time.Now()
	if err := sleep(ctx, time.Hour); err == nil || time.Since(began) > time.Minute {
		t.Errorf("a cancelled sleep took %v and returned %v", time.Since(began), err)
	}
}

func TestLoginStandsWhenTheLeaderCannotRepeatIt(t *testing.T) {
	h := newHouse(t, 2)
	h.put(iam.User{UID: "carol", PasswordHash: "$old$hello"})
	h.leader().passwords.busy.Store(true)
	h.masters[1].tokenOf("carol", "hello")
	if n := strings.Count(h.masters[1].audits.String(), "result=allow"); n != 1 {
		t.Errorf("%d audit records of the success, want 1:\n%s", n, h.masters[1].audits.String())
	}
	if got := h.leader().audits.String(); strings.Contains(got, "password-login") {
		t.Errorf("the leader recorded a refusal that nobody was told of:\n%s", got)
	}
	if u, _ := h.leader().State().User("carol"); u.PasswordHash != "$old$hello" {
		t.Errorf("the hash is %q, want the old one", u.PasswordHash)
	}
}

// Without a quorum a login may be decided from a state of some age, if the operator allows it. Its token is short-lived, and carries the
// time of that state, so that a later revocation refuses it.
func TestStaleLoginsGetShortTokens(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	m := h.leader()
	h.clock.advance(3 * time.Minute)
	text := "wonderland"
	r := &httpapi.Request{State: m.State(), Time: h.clock.Now(), AsOf: noon, Stale: true, Arrived: h.clock.Now()}
	at := &attempt{uid: "alice", password: &text}
	v, err := m.api.verify(t.Context(), r.State, r.Time, at)
	if err != nil || v.reason != "" {
		t.Fatalf("verify: %v %q", err, v.reason)
	}
	s, err := m.api.stamp(t.Context(), r, at, v)
	if err != nil {
		t.Fatal(err)
	}
	if want := h.clock.Now().Truncate(time.Second).Add(staleTokenLife); !s.issuedAt.Equal(noon) || !s.expires.Equal(want) {
		t.Errorf("token from %v to %v, want from %v to %v", s.issuedAt, s.expires, noon, want)
	}
}
