package loginapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/cutoff"
	"gatehouse/httpapi/login"
	"gatehouse/keyring/token"
)

func TestTokenLifeIsConfigured(t *testing.T) {
	h := newHouse(t, 1, func(o *settings) {
		o.TokenLifetime = 12 * time.Hour
		o.Cookies = login.CookieOptions{InfoLifetime: time.Hour, Secure: true}
	})
	got := h.Leader().login("uid", apitest.Root, "password", apitest.RootPassword)
	iat, exp := lifetime(t, tokenIn(t, got))
	if want := apitest.Noon; !iat.Equal(want) || !exp.Equal(want.Add(12*time.Hour)) {
		t.Errorf("token from %v to %v, want from %v for 12 h", iat, exp, want)
	}
	cookies := got.Header["Set-Cookie"]
	if !strings.Contains(cookies[0], "Max-Age=43200; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("auth cookie %q outlives the token or is not Secure", cookies[0])
	}
	if !strings.Contains(cookies[1], "Max-Age=3600; SameSite=Lax") || strings.Contains(cookies[1], "Secure") {
		t.Errorf("info cookie is %q, want one hour and never Secure", cookies[1])
	}
}

func TestExpOfALoginActsOnServiceAccountsOnly(t *testing.T) {
	h := newHouse(t, 1)
	h.PutUsers(people()...)
	now := h.Clock.Now()
	body := func(exp string) string {
		return strings.TrimSuffix(apitest.Object("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "robot")), "}") + `,"exp":` + exp + `}`
	}
	in := func(seconds int) string { return fmt.Sprint(now.Unix() + int64(seconds)) }
	for _, c := range []struct {
		exp  string
		want time.Duration // life of the token; 0 for a refusal
		text string
	}{
		{in(2), 2 * time.Second, ""},
		{in(3600), time.Hour, ""},
		{in(3600) + ".5", time.Hour, ""},
		{"null", login.DefaultTokenLifetime, ""},
		{in(5 * 24 * 3600), login.DefaultTokenLifetime, ""},
		{in(50 * 24 * 3600), login.DefaultTokenLifetime, ""},
		{"1e300", login.DefaultTokenLifetime, ""},
		{"0", 0, "`exp` must not be 0: tokens without expiry are not issued"},
		{"0.0", 0, "`exp` must not be 0: tokens without expiry are not issued"},
		{`"1795000000"`, 0, "`exp` must be a number of seconds since 1970"},
		{"[1]", 0, "`exp` must be a number of seconds since 1970"},
		{"-1", 0, "`exp` must lie in the future"},
		{in(0), 0, "`exp` must lie in the future"},
	} {
		got := h.Leader().Call(apitest.Call{Method: "POST", Path: loginPath, JSON: body(c.exp)})
		if c.want == 0 {
			got.Fails(t, 400, "", c.text)
			continue
		}
		if iat, exp := lifetime(t, tokenIn(t, got)); exp.Sub(iat) != c.want {
			t.Errorf("exp %s: the token lives %v, want %v", c.exp, exp.Sub(iat), c.want)
		}
	}
	iat, exp := lifetime(t, tokenIn(t, h.Leader().Call(apitest.Call{Method: "POST", Path: loginPath, JSON: `{"uid":"alice","password":"wonderland","exp":0}`})))
	if exp.Sub(iat) != login.DefaultTokenLifetime {
		t.Errorf("exp 0 with a password: the token lives %v, want %v", exp.Sub(iat), login.DefaultTokenLifetime)
	}
}

func TestLongLivedServiceTokensAreCountedOrRefused(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		h := newHouse(t, 1, func(o *settings) { o.RefuseLongLived = refuse })
		h.PutUsers(people()...)
		for _, claims := range []jwt.MapClaims{{"uid": "robot"}, {"uid": "robot", "exp": h.Clock.Now().Add(5 * 24 * time.Hour).Unix()}} {
			got := h.Leader().login("uid", "robot", "token", apitest.Signed(apitest.ServiceKey(), claims))
			if want := map[bool]int{false: 200, true: 401}[refuse]; got.Status != want {
				t.Errorf("refuse %v, claims %v: %d, want %d", refuse, claims, got.Status, want)
			}
		}
		const warning = "service login token lives longer than 10 minutes"
		if got := strings.Count(h.Leader().Logs.String(), warning); got != map[bool]int{false: 2, true: 0}[refuse] {
			t.Errorf("refuse %v: %d warnings", refuse, got)
		}
		metrics := h.Leader().metrics()
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
	h := newHouse(t, 1, func(o *settings) { o.ServiceLogins = v })
	h.PutUsers(people()...)
	for range 2 {
		h.Leader().login("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "robot")).Is(t, http.StatusOK)
	}
	h.Leader().login("uid", "robot", "token", h.ServiceToken(apitest.OtherKey(), "robot")).Is(t, http.StatusUnauthorized)
	if v.asked != 3 {
		t.Errorf("%d tokens were verified, want 3", v.asked)
	}
}

func TestFailedLoginsAreThrottledByPairAndRecoverByTime(t *testing.T) {
	h := newHouse(t, 1)
	h.PutUsers(people()...)
	m := h.Leader()
	attempt := func(from, password string) apitest.Answer {
		return m.Call(apitest.Call{Method: "POST", Path: loginPath, JSON: apitest.Object("uid", "alice", "password", password), From: from})
	}
	for range pairFree {
		attempt(attacker, "guess").Is(t, http.StatusUnauthorized)
	}
	before := m.passwords.Checked.Load()
	got := attempt(attacker, "wonderland").Is(t, http.StatusTooManyRequests)
	if got.Header.Get("Retry-After") != "1" || got.Problem(t).Code != "ERR_TOO_MANY_REQUESTS" {
		t.Errorf("throttled login is answered %s with Retry-After %q", got.Body, got.Header.Get("Retry-After"))
	}
	if m.passwords.Checked.Load() != before {
		t.Error("a throttled login cost a hash")
	}
	attempt(office, "wonderland").Is(t, http.StatusOK)
	h.Clock.Advance(time.Second)
	attempt(attacker, "wonderland").Is(t, http.StatusOK)
	attempt(attacker, "wonderland").Is(t, http.StatusOK)
}

func TestBusyHashingIsNoFailure(t *testing.T) {
	h := newHouse(t, 1)
	h.Leader().passwords.Busy.Store(true)
	for range 3 * pairFree {
		for _, uid := range []string{apitest.Root, "nobody"} {
			got := h.Leader().login("uid", uid, "password", "guess").Is(t, http.StatusTooManyRequests)
			if got.Header.Get("Retry-After") == "" || got.Problem(t).Description != "Too many passwords are being checked. Try again later." {
				t.Fatalf("busy login is answered %s", got.Body)
			}
		}
	}
	h.Leader().passwords.Busy.Store(false)
	h.Leader().rootToken()
	if audit := h.Leader().Audits.String(); !strings.Contains(audit, `result=deny reason="not decided: busy"`) {
		t.Errorf("busy logins are not audited:\n%s", audit)
	}
}

func TestLoginWithoutQuorumIsRefusedAndNotCountedAsFailure(t *testing.T) {
	h := newHouse(t, 1)
	h.Down(true)
	for range 2 * pairFree {
		got := h.Leader().login("uid", apitest.Root, "password", apitest.RootPassword).Is(t, http.StatusServiceUnavailable)
		if got.Header.Get("Retry-After") == "" {
			t.Fatal("503 without Retry-After")
		}
	}
	h.Down(false)
	h.Leader().rootToken()
}

func TestTokenIsNeverStampedAheadOfAnyClock(t *testing.T) {
	var h *house
	var ahead time.Duration
	h = newHouse(t, 1, func(o *settings) { o.Now = func() time.Time { return h.Clock.Now().Add(ahead) } })
	ahead = -3 * time.Second
	slow := h.Clock.Now().Add(ahead)
	if iat, _ := lifetime(t, h.Leader().rootToken()); !iat.Equal(slow.Truncate(time.Second)) {
		t.Errorf("iat is %v on a master whose clock says %v", iat, slow)
	}
	ahead = time.Hour
	if iat, _ := lifetime(t, h.Leader().rootToken()); !iat.Equal(apitest.Noon) {
		t.Errorf("iat is %v on a master whose clock is ahead, want the leader's %v", iat, apitest.Noon)
	}
}

func TestLoginWaitsForACutoff(t *testing.T) {
	h := newHouse(t, 2)
	h.PutUsers(people()...)
	token := h.Leader().rootToken()
	h.Leader().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/users/alice/revoke-tokens", Token: token}).Is(t, http.StatusOK)
	iat, _ := lifetime(t, h.follower().tokenOf("alice", "wonderland"))
	if want := apitest.Noon.Add(time.Second); !iat.Equal(want) {
		t.Errorf("iat is %v, want the cut-off %v", iat, want)
	}
	if want := 750 * time.Millisecond; len(h.Clock.Slept()) != 1 || h.Clock.Slept()[0] != want {
		t.Errorf("the login slept %v, want once for %v", h.Clock.Slept(), want)
	}
}

func TestLoginThatWaitedLooksAgain(t *testing.T) {
	again := func(change command.Command) apitest.Answer {
		h := newHouse(t, 2)
		h.PutUsers(people()...)
		h.Leader().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/revoke-tokens", Token: h.Leader().rootToken()}).Is(t, http.StatusOK)
		h.Clock.OnWake(func() { h.Do(change) })
		return h.follower().login("uid", "alice", "password", "wonderland")
	}
	hash := "$fake$changed"
	again(command.UpdateUser{UID: "alice", PasswordHash: &hash}).Is(t, http.StatusUnauthorized)
	again(command.DeleteUser{UID: "alice", TokenLife: cutoff.LongestTokenLife}).Is(t, http.StatusUnauthorized)
	text := "only another description"
	again(command.UpdateUser{UID: "alice", Description: &text}).Is(t, http.StatusOK)
}

func TestLoginDoesNotWaitLongForACutoff(t *testing.T) {
	h := newHouse(t, 2)
	h.PutUsers(people()...)
	ahead := h.Clock.Now().Add(time.Minute)
	h.DoAt(ahead, command.RevokeTokens{UID: "alice", NotBefore: ahead.Truncate(time.Second), Expires: ahead.Add(time.Hour)})
	got := h.follower().login("uid", "alice", "password", "wonderland").Is(t, http.StatusServiceUnavailable)
	if got.Problem(t).Code != "ERR_BUSY" || got.Header.Get("Retry-After") != "60" || len(h.Clock.Slept()) != 0 {
		t.Errorf("answer %s, Retry-After %q, slept %v; want ERR_BUSY at once", got.Body, got.Header.Get("Retry-After"), h.Clock.Slept())
	}
}

func TestServiceTokenThatExpiresWhileTheLoginWaits(t *testing.T) {
	h := newHouse(t, 1)
	h.PutUsers(people()...)
	h.Leader().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/users/robot/revoke-tokens", Token: h.Leader().rootToken()}).Is(t, http.StatusOK)
	body := strings.TrimSuffix(apitest.Object("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "robot")), "}") +
		`,"exp":` + fmt.Sprint(apitest.Noon.Unix()+1) + `}`
	h.Leader().Call(apitest.Call{Method: "POST", Path: loginPath, JSON: body}).Fails(t, 400, "", "`exp` must lie in the future")
}

func TestOldHashIsUpgradedOnTheLeader(t *testing.T) {
	for i := range 2 {
		h := newHouse(t, 2)
		h.PutUsers(iam.User{UID: "carol", PasswordHash: "$old$hello"})
		h.masters()[i].tokenOf("carol", "hello")
		if u, _ := h.Leader().State().User("carol"); u.PasswordHash != "$fake$hello" {
			t.Errorf("login on %s left the hash %q", h.masters()[i].ID(), u.PasswordHash)
		}
		all := h.Leader().Audits.String() + h.follower().Audits.String()
		if n := strings.Count(all, "action=password-login"); n != 1 {
			t.Errorf("login on %s left %d audit records, want 1:\n%s", h.masters()[i].ID(), n, all)
		}
		h.masters()[i].tokenOf("carol", "hello")
		if n := h.Leader().passwords.Hashed.Load(); n != 1 {
			t.Errorf("%d hashes were made, want 1", n)
		}
	}
}

func TestLoginSucceedsThoughTheUpgradeFails(t *testing.T) {
	h := newHouse(t, 1)
	h.PutUsers(iam.User{UID: "carol", PasswordHash: "$old$hello"})
	other := "$fake$changed meanwhile"
	h.Before = func(c command.Command) error {
		if _, ok := c.(command.RehashPassword); ok {
			h.Before = nil
			h.Do(command.UpdateUser{UID: "carol", PasswordHash: &other})
		}
		return nil
	}
	h.Leader().tokenOf("carol", "hello")
	if u, _ := h.Leader().State().User("carol"); u.PasswordHash != other {
		t.Errorf("the hash is %q, want the one that was set meanwhile", u.PasswordHash)
	}
	if !strings.Contains(h.Leader().Logs.String(), "password hash was not upgraded") {
		t.Error("the failed upgrade is not logged")
	}
}

func TestWrongPasswordOfAnOldHashWritesNothing(t *testing.T) {
	h := newHouse(t, 1)
	h.PutUsers(iam.User{UID: "carol", PasswordHash: "$old$hello"})
	n := len(h.Entries())
	h.Leader().login("uid", "carol", "password", "guess").Is(t, http.StatusUnauthorized)
	if len(h.Entries()) != n {
		t.Error("a failed login reached the log")
	}
}

func TestLoginLeavesTheTracesPeopleLookFor(t *testing.T) {
	h := newHouse(t, 1)
	h.PutUsers(people()...)
	h.Leader().tokenOf("alice", "wonderland")
	h.Leader().login("uid", "alice", "password", "guess")
	h.Leader().login("uid", "no\nbody`\" level=", "password", "guess")
	logs, audits := h.Leader().Logs.String(), h.Leader().Audits.String()
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
	metrics := h.Leader().metrics()
	for _, want := range []string{`kind="password",result="ok"} 1`, `kind="password",result="denied"} 2`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s:\n%s", want, grep(metrics, "login"))
		}
	}
}

func TestLoginStandsWhenTheLeaderCannotRepeatIt(t *testing.T) {
	h := newHouse(t, 2)
	h.PutUsers(iam.User{UID: "carol", PasswordHash: "$old$hello"})
	h.Leader().passwords.Busy.Store(true)
	h.follower().tokenOf("carol", "hello")
	if n := strings.Count(h.follower().Audits.String(), "result=allow"); n != 1 {
		t.Errorf("%d audit records of the success, want 1:\n%s", n, h.follower().Audits.String())
	}
	if got := h.Leader().Audits.String(); strings.Contains(got, "password-login") {
		t.Errorf("the leader recorded a refusal that nobody was told of:\n%s", got)
	}
	if u, _ := h.Leader().State().User("carol"); u.PasswordHash != "$old$hello" {
		t.Errorf("the hash is %q, want the old one", u.PasswordHash)
	}
}
