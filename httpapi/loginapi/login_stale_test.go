package loginapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
)

// cutOff is a house whose second master heard from a quorum for the last time three minutes ago.
func cutOff(t *testing.T, limit time.Duration, changes ...func(*settings)) (*house, *master) {
	h := newHouse(t, 2, append(changes, func(o *settings) { o.Stale = limit })...)
	h.PutUsers(people()...)
	h.PutUsers(iam.User{UID: "carol", PasswordHash: "$old$hello"})
	m := h.follower()
	m.rootToken()
	h.Clock.Advance(3 * time.Minute)
	h.Down(true)
	return h, m
}

func TestCutOffMasterAnswersLoginsIfAllowed(t *testing.T) {
	h, m := cutOff(t, time.Hour)
	now := h.Clock.Now()
	claims := jwt.MapClaims{"uid": "robot", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	for what, got := range map[string]apitest.Answer{
		"password": m.login("uid", "alice", "password", "wonderland"),
		"service":  m.login("uid", "robot", "token", apitest.Signed(apitest.ServiceKey(), claims)),
		"old hash": m.login("uid", "carol", "password", "hello"),
	} {
		iat, exp := lifetime(t, tokenIn(t, got))
		if !iat.Equal(apitest.Noon) || !exp.Equal(now.Truncate(time.Second).Add(staleTokenLife)) {
			t.Errorf("%s: token from %v to %v at %v", what, iat, exp, now)
		}
		if got.Header.Get("X-Gatehouse-Consistency") != "stale" {
			t.Errorf("%s: the answer does not say that it is stale", what)
		}
	}
	m.login("uid", "alice", "password", "guess").Is(t, http.StatusUnauthorized)
	claims["exp"] = now.Add(-time.Minute).Unix() // valid when the quorum was lost
	m.login("uid", "robot", "token", apitest.Signed(apitest.ServiceKey(), claims)).Is(t, http.StatusUnauthorized)

	audits := m.Audits.String()
	for want, n := range map[string]int{
		`action=password-login result=allow reason="valid password provided, by stale data"`:                   2,
		`action=service-login result=allow reason="valid service login token provided, by stale data"`:         1,
		`action=password-login result=deny reason="invalid password provided, by stale data"`:                  1,
		`action=service-login result=deny reason="invalid service login token provided, by stale data" uid=ro`: 1,
	} {
		if got := strings.Count(audits, want); got != n {
			t.Errorf("%d audit records %s, want %d:\n%s", got, want, n, audits)
		}
	}
	if metrics := m.Call(apitest.Call{Method: "GET", Path: "/metrics"}).Body; !strings.Contains(metrics, `kind="password",result="ok_stale"} 2`) {
		t.Errorf("stale logins are not counted:\n%s", grep(metrics, "login"))
	}
}

func TestTokensOfACutOffMasterAreCheckedLikeOthers(t *testing.T) {
	h, m := cutOff(t, time.Hour)
	h.Down(false)
	token := h.Leader().rootToken()
	h.Leader().post(token, "users/robot/revoke-tokens", "").Is(t, http.StatusOK) // the cut-off master does not hear of it
	h.Down(true)
	alice := m.tokenOf("alice", "wonderland")
	robot := tokenIn(t, m.login("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "robot")))
	h.Down(false)
	for _, master := range h.masters() {
		master.own(alice, "alice").Is(t, http.StatusOK)
		master.own(robot, "robot").Is(t, http.StatusUnauthorized)
	}
	h.Clock.Advance(staleTokenLife)
	h.Leader().own(alice, "alice").Is(t, http.StatusUnauthorized)
}

func TestCutOffMasterRefusesWhatItCannotKnow(t *testing.T) {
	_, m := cutOff(t, time.Nanosecond)
	m.login("uid", "alice", "password", "wonderland").Is(t, http.StatusServiceUnavailable)

	h := newHouse(t, 2, func(o *settings) { o.Stale = time.Hour })
	h.PutUsers(people()...)
	m = h.follower()
	h.Leader().post(h.Leader().rootToken(), "users/alice/revoke-tokens", "").Is(t, http.StatusOK)
	m.rootToken()
	h.Down(true)
	h.Clock.Advance(time.Minute)
	m.login("uid", "alice", "password", "wonderland").Fails(t, 503, "ERR_NO_LEADER", "No leader: the tokens of this user were revoked just before, so that a login needs one.")
	m.rootToken()
}

// The shortest configured life bounds that of stale tokens too; it begins when the token is issued.
func TestStaleTokensLiveNoLongerThanOthers(t *testing.T) {
	h, m := cutOff(t, time.Hour, func(o *settings) { o.TokenLifetime = time.Minute })
	if _, exp := lifetime(t, m.tokenOf("alice", "wonderland")); !exp.Equal(h.Clock.Now().Truncate(time.Second).Add(time.Minute)) {
		t.Errorf("the token ends at %v, want a minute after %v", exp, h.Clock.Now())
	}
}
