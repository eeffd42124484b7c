//go:build moving

package loginapi

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/keyring/token"
)

// allowStale gives the master a funnel that answers logins without a quorum.
func (m *master) allowStale(limit time.Duration) {
	m.house.t.Helper()
	var err error
	m.server, err = httpapi.New(httpapi.Options{
		Routes: m.api.routes(), Cluster: m, Machine: m, Verifier: verifier{token.NewVerifier(0)}, Status: m, Logger: slog.New(slog.DiscardHandler),
		Auditor: audit.NewPlain(m.audits, audit.Logfmt), Now: m.api.Now, LoginMaxStale: limit,
	})
	if err != nil {
		m.house.t.Fatal(err)
	}
	m.public = m.server.Public(httpapi.KindIAM)
}

// cutOff is a house whose second master heard from a quorum for the last time three minutes ago.
func cutOff(t *testing.T, limit time.Duration) (*house, *master) {
	h := newHouse(t, 2)
	h.put(people()...)
	h.put(iam.User{UID: "carol", PasswordHash: "$old$hello"})
	m := h.masters[1]
	m.allowStale(limit)
	m.rootToken()
	h.clock.advance(3 * time.Minute)
	h.down = true
	return h, m
}

func TestCutOffMasterAnswersLoginsIfAllowed(t *testing.T) {
	h, m := cutOff(t, time.Hour)
	now := h.clock.Now()
	claims := jwt.MapClaims{"uid": "robot", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	for what, got := range map[string]answer{
		"password": m.login("uid", "alice", "password", "wonderland"),
		"service":  m.login("uid", "robot", "token", signed(serviceKey(), claims)),
		"old hash": m.login("uid", "carol", "password", "hello"),
	} {
		iat, exp := lifetime(t, got.token(t))
		if !iat.Equal(noon) || !exp.Equal(now.Truncate(time.Second).Add(staleTokenLife)) {
			t.Errorf("%s: token from %v to %v at %v", what, iat, exp, now)
		}
		if got.header.Get("X-Gatehouse-Consistency") != "stale" {
			t.Errorf("%s: the answer does not say that it is stale", what)
		}
	}
	m.login("uid", "alice", "password", "guess").ok(t, http.StatusUnauthorized)
	claims["exp"] = now.Add(-time.Minute).Unix() // valid when the quorum was lost
	m.login("uid", "robot", "token", signed(serviceKey(), claims)).ok(t, http.StatusUnauthorized)

	audits := m.audits.String()
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
	if metrics := m.do(call{method: "GET", path: "/metrics"}).body; !strings.Contains(metrics, `kind="password",result="ok_stale"} 2`) {
		t.Errorf("stale logins are not counted:\n%s", grep(metrics, "login"))
	}
}

func TestTokensOfACutOffMasterAreCheckedLikeOthers(t *testing.T) {
	h, m := cutOff(t, time.Hour)
	h.down = false
	token := h.leader().rootToken()
	h.leader().post(token, "users/robot/revoke-tokens", "").ok(t, http.StatusOK) // the cut-off master does not hear of it
	h.down = true
	alice := m.tokenOf("alice", "wonderland")
	robot := m.login("uid", "robot", "token", h.serviceToken(serviceKey(), "robot")).token(t)
	h.down = false
	for _, master := range h.masters {
		master.own(alice, "alice").ok(t, http.StatusOK)
		master.own(robot, "robot").ok(t, http.StatusUnauthorized)
	}
	h.clock.advance(staleTokenLife)
	h.leader().own(alice, "alice").ok(t, http.StatusUnauthorized)
}

func TestCutOffMasterRefusesWhatItCannotKnow(t *testing.T) {
	_, m := cutOff(t, time.Nanosecond)
	m.login("uid", "alice", "password", "wonderland").ok(t, http.StatusServiceUnavailable)

	h := newHouse(t, 2)
	h.put(people()...)
	m = h.masters[1]
	m.allowStale(time.Hour)
	h.leader().post(h.leader().rootToken(), "users/alice/revoke-tokens", "").ok(t, http.StatusOK)
	m.rootToken()
	h.down = true
	h.clock.advance(time.Minute)
	m.login("uid", "alice", "password", "wonderland").want(t, 503, "ERR_NO_LEADER", errNeedsQuorum.Description)
	m.tokenOf(root, rootPassword)
}

// The shortest configured life bounds that of stale tokens too; it begins when the token is issued.
func TestStaleTokensLiveNoLongerThanOthers(t *testing.T) {
	h, m := cutOff(t, time.Hour)
	m.api.TokenLifetime = time.Minute
	if _, exp := lifetime(t, m.tokenOf("alice", "wonderland")); !exp.Equal(h.clock.Now().Truncate(time.Second).Add(time.Minute)) {
		t.Errorf("the token ends at %v, want a minute after %v", exp, h.clock.Now())
	}
}
