package iamapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/cutoff"
)

func (m *master) post(token, path, body string) answer {
	return m.do(call{method: http.MethodPost, path: "/gatehouse/v1/" + path, body: body, token: token})
}

func TestRevokedTokensAreRefusedByEveryMaster(t *testing.T) {
	h := newHouse(t, 3)
	h.put(people()...)
	alice, token := h.masters[1].tokenOf("alice", "wonderland"), h.leader().rootToken()
	got := h.masters[2].post(token, "users/alice/revoke-tokens", "").ok(t, http.StatusOK)
	if want := "{\n  \"uid\": \"alice\",\n  \"not_before\": \"2026-05-04T12:00:01Z\"\n}\n"; got.body != want {
		t.Errorf("answer %q, want %q", got.body, want)
	}
	for _, m := range h.masters {
		m.own(alice, "alice").ok(t, http.StatusUnauthorized)
		m.get(token, "alice").ok(t, http.StatusOK)
	}
	fresh := h.masters[1].tokenOf("alice", "wonderland")
	for _, m := range h.masters {
		m.own(fresh, "alice").ok(t, http.StatusOK)
	}
}

// elect makes the second master the leader. As in a cluster, its term begins no earlier than the clock of any master.
func (h *house) elect(ahead time.Duration) {
	h.masters[0], h.masters[1] = h.masters[1], h.masters[0]
	h.term++
	if err := h.leader().WaitIndex(h.t.Context(), uint64(len(h.log))); err != nil {
		h.t.Fatal(err)
	}
	h.submit(command.Header{Term: h.term, Time: h.clock.Now().Add(ahead)}, command.BeginTerm{LeaderID: h.leader().id})
}

// A token that a leader stamped whose clock was ahead lies in the future of the next leader; a revocation there must
// reach it nevertheless.
func TestRevocationReachesTheTokensOfALeaderWhoseClockWasAhead(t *testing.T) {
	const ahead = 3 * time.Second
	for name, revoke := range map[string]func(m *master, token string) answer{
		"of the user": func(m *master, token string) answer { return m.post(token, "users/alice/revoke-tokens", "") },
		"of all":      func(m *master, token string) answer { return m.post(token, "revoke-tokens", "") },
		"by deletion": func(m *master, token string) answer {
			a := m.do(call{method: http.MethodDelete, path: usersPath + "/alice", token: token})
			m.house.put(people()[0])
			a.status = min(a.status, http.StatusOK)
			return a
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 2)
			h.put(people()...)
			h.clock.advance(ahead)
			alice := h.masters[0].tokenOf("alice", "wonderland")
			h.clock.advance(-ahead)
			h.elect(ahead)
			token := h.leader().rootToken()
			for _, m := range h.masters {
				m.own(alice, "alice").ok(t, http.StatusOK)
			}
			revoke(h.leader(), token).ok(t, http.StatusOK)
			fresh := h.masters[1].tokenOf("alice", "wonderland")
			for _, m := range h.masters {
				m.own(alice, "alice").ok(t, http.StatusUnauthorized)
				m.own(fresh, "alice").ok(t, http.StatusOK)
			}
			var waited time.Duration
			for _, d := range h.clock.slept {
				waited += d
			}
			if waited < ahead || waited > ahead+time.Second {
				t.Errorf("the login after it waited %v, want %v and the rest of a second", waited, ahead)
			}
		})
	}
}

func TestRevokingAllIncludesTheCaller(t *testing.T) {
	h := newHouse(t, 2)
	h.put(people()...)
	alice, token := h.leader().tokenOf("alice", "wonderland"), h.leader().rootToken()
	h.masters[1].post(token, "revoke-tokens", "").ok(t, http.StatusOK)
	for _, m := range h.masters {
		m.own(alice, "alice").ok(t, http.StatusUnauthorized)
		m.get(token, "alice").ok(t, http.StatusUnauthorized)
	}
	h.masters[1].get(h.masters[1].rootToken(), "alice").ok(t, http.StatusOK)
}

func TestRevocationNeedsASuperuserAndAUser(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	alice := h.leader().tokenOf("alice", "wonderland")
	for _, path := range []string{"users/alice/revoke-tokens", "users/bootstrapuser/revoke-tokens", "revoke-tokens", "keys", "keys/x/activate", "keys/x/retire", "cluster-keys/x/activate"} {
		h.leader().post(alice, path, "").ok(t, http.StatusForbidden)
		h.leader().post("", path, "").ok(t, http.StatusUnauthorized)
	}
	h.leader().do(call{method: "DELETE", path: "/gatehouse/v1/masters/master-1", token: alice}).ok(t, http.StatusForbidden)
	h.leader().do(call{method: "GET", path: "/gatehouse/v1/keys", token: alice}).ok(t, http.StatusForbidden)
	h.leader().do(call{method: "GET", path: "/gatehouse/v1/cluster-keys", token: alice}).ok(t, http.StatusForbidden)
	h.leader().post(h.leader().rootToken(), "users/nobody/revoke-tokens", "").want(t, 400, "ERR_UNKNOWN_USER_ID", "User with uid `nobody` not known.")
}

// A login elsewhere may read a state without the revocation while that is on its way to the log. When the log is so slow that the
// leader's clock reaches the cut-off meanwhile, the token of that login could carry an iat that passes it.
func TestSlowRevocationStillBindsWhatWasIssuedMeanwhile(t *testing.T) {
	for _, all := range []bool{false, true} {
		h := newHouse(t, 2)
		h.put(people()...)
		token, path, meanwhile := h.leader().rootToken(), "users/alice/revoke-tokens", ""
		if all {
			path = "revoke-tokens"
		}
		h.before = func(c command.Command) {
			h.before = nil
			h.clock.advance(2 * time.Second)
			meanwhile = h.masters[1].tokenOf("alice", "wonderland")
		}
		var got revocation
		h.leader().post(token, path, "").ok(t, http.StatusOK).into(t, &got)
		iat := issuedAt(t, meanwhile)
		if !iat.Before(got.NotBefore) {
			t.Fatalf("not_before %v does not cover the token of %v", got.NotBefore, iat)
		}
		for _, m := range h.masters {
			m.get(meanwhile, "alice").ok(t, http.StatusUnauthorized)
		}
	}
}

func TestRevocationThatNeverCatchesUpSaysSo(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	token := h.leader().rootToken()
	h.before = func(command.Command) { h.clock.advance(2 * time.Second) }
	h.leader().post(token, "users/alice/revoke-tokens", "").want(t, 503, "ERR_OUTCOME_UNKNOWN", cutoff.ErrSlow.Description)
}

func TestSlowDeletionLeavesNoTokenForTheNextOwnerOfTheUID(t *testing.T) {
	h := newHouse(t, 2)
	h.put(people()...)
	token, meanwhile := h.leader().rootToken(), ""
	h.before = func(command.Command) {
		h.before = nil
		h.clock.advance(2 * time.Second)
		meanwhile = h.masters[1].tokenOf("alice", "wonderland")
	}
	h.leader().do(call{method: "DELETE", path: usersPath + "/alice", token: token}).ok(t, http.StatusNoContent)
	h.leader().put(token, "alice", `{"password":"another"}`).ok(t, http.StatusCreated)
	for _, m := range h.masters {
		m.get(meanwhile, "alice").ok(t, http.StatusUnauthorized)
	}
}

func TestRepeatedRevocationAnswersTheSame(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	token := h.leader().rootToken()
	revoke := func() answer {
		return h.leader().do(call{method: "POST", path: "/gatehouse/v1/users/alice/revoke-tokens", token: token, header: map[string]string{"Idempotency-Key": "k"}})
	}
	first := revoke().ok(t, http.StatusOK)
	h.clock.advance(time.Minute)
	if again := revoke().ok(t, http.StatusOK); again.body != first.body {
		t.Errorf("repeated: %s, first: %s", again.body, first.body)
	}
}

func (m *master) keys(t testing.TB, token string) []key {
	t.Helper()
	var list array[key]
	m.do(call{method: "GET", path: "/gatehouse/v1/keys", token: token}).ok(t, http.StatusOK).into(t, &list)
	return list.Array
}

func (m *master) jwksIDs(t testing.TB) (kids []string) {
	t.Helper()
	var set struct{ Keys []struct{ KID string } }
	m.do(call{method: "GET", path: "/acs/api/v1/auth/jwks"}).ok(t, http.StatusOK).into(t, &set)
	for _, k := range set.Keys {
		kids = append(kids, k.KID)
	}
	return kids
}

func TestSigningKeysRotateWithoutAFailure(t *testing.T) {
	h := newHouse(t, 2)
	m, token := h.leader(), h.leader().rootToken()
	old := signingKey().KID
	var fresh key
	m.post(token, "keys", "").ok(t, http.StatusCreated).into(t, &fresh)
	if fresh.Status != "prepared" || fresh.KID == old || fresh.CreatedAt.IsZero() {
		t.Fatalf("prepared key is %+v", fresh)
	}
	if diff := cmp.Diff([]string{old, fresh.KID}, m.jwksIDs(t)); diff != "" {
		t.Errorf("published keys after prepare (-want +got):\n%s", diff)
	}
	m.post(token, "keys/"+old+"/activate", "").want(t, 409, "ERR_CONFLICT", "The key "+old+" signs already.")
	m.post(token, "keys/nokey/activate", "").want(t, 400, "ERR_UNKNOWN_KEY_ID", "Signing key with id `nokey` not known.")

	var told activated
	m.post(token, "keys/"+fresh.KID+"/activate", "").ok(t, http.StatusOK).into(t, &told)
	if told.KID != fresh.KID || !strings.Contains(told.Description, "Admin Router") || !strings.Contains(told.Description, "restart") {
		t.Errorf("activate answers %+v, want who must be restarted", told)
	}
	if diff := cmp.Diff([]string{fresh.KID, old}, m.jwksIDs(t)); diff != "" {
		t.Errorf("published keys after activate (-want +got):\n%s", diff)
	}
	next := m.rootToken()
	for _, master := range h.masters {
		master.get(token, root).ok(t, http.StatusOK) // signed by the old key
		master.get(next, root).ok(t, http.StatusOK)
	}

	m.post(token, "keys/"+fresh.KID+"/retire", `{"force":true}`).want(t, 409, "ERR_KEY_IN_USE", "The key "+fresh.KID+" signs tokens: activate another one first.")
	early := m.post(token, "keys/"+old+"/retire", "").ok(t, http.StatusConflict)
	if !strings.Contains(early.body, "may live until 2026-05-09T12:00:00Z") {
		t.Errorf("early retirement is refused with %s, want until when", early.body)
	}
	expire := m.keys(t, token)[1].TokensExpireAt
	h.clock.advance(expire.Sub(h.clock.Now()))
	m.post(m.rootToken(), "keys/"+old+"/retire", "").ok(t, http.StatusNoContent)
	if diff := cmp.Diff([]string{fresh.KID}, m.jwksIDs(t)); diff != "" {
		t.Errorf("published keys after retire (-want +got):\n%s", diff)
	}
}

func TestForcedRetirementEndsTheKeysTokens(t *testing.T) {
	h := newHouse(t, 2)
	m, token := h.leader(), h.leader().rootToken()
	old := signingKey().KID
	var fresh key
	m.post(token, "keys", "").into(t, &fresh)
	m.post(token, "keys/"+fresh.KID+"/activate", "").ok(t, http.StatusOK)
	m.post(token, "keys/"+old+"/retire", `{"force":1}`).want(t, 400, "", "Unexpected JSON input. Hint: 1 is not of type 'boolean'")
	m.post(token, "keys/"+old+"/retire", `{"force":true}`).ok(t, http.StatusNoContent)
	for _, master := range h.masters {
		master.get(token, root).ok(t, http.StatusUnauthorized)
		master.get(master.rootToken(), root).ok(t, http.StatusOK)
	}
}

func TestKeysAreListedWithoutTheirPrivateHalf(t *testing.T) {
	h := newHouse(t, 1)
	got := h.leader().do(call{method: "GET", path: "/gatehouse/v1/keys", token: h.leader().rootToken()}).ok(t, http.StatusOK)
	want := "{\n  \"array\": [\n    {\n      \"kid\": \"" + signingKey().KID + "\",\n      \"status\": \"active\",\n" +
		"      \"created_at\": \"2026-05-04T12:00:00.25Z\",\n      \"activated_at\": \"2026-05-04T12:00:00.25Z\"\n    }\n  ]\n}\n"
	if got.body != want {
		t.Errorf("keys are listed as\n%s\nwant\n%s", got.body, want)
	}
}

func TestOneKeyIsGeneratedAtATime(t *testing.T) {
	h := newHouse(t, 1)
	h.leader().api.generating <- struct{}{}
	h.leader().post(h.leader().rootToken(), "keys", "").ok(t, http.StatusTooManyRequests)
	<-h.leader().api.generating
	h.leader().post(h.leader().rootToken(), "keys", "").ok(t, http.StatusCreated)
}

func TestMasterIsRemovedForEver(t *testing.T) {
	h := newHouse(t, 3)
	token := h.leader().rootToken()
	remove := func(id string) answer {
		return h.masters[1].do(call{method: "DELETE", path: "/gatehouse/v1/masters/" + id, token: token})
	}
	remove("nobody").want(t, 400, "ERR_UNKNOWN_MASTER", "Master with id `nobody` not known.")
	remove("master-1").want(t, 409, "ERR_CONFLICT", "The master master-1 leads the cluster. Stop it, then remove it.")
	h.needed = fault.New(fault.Conflict, "The others are no majority.")
	remove("master-3").want(t, 409, "ERR_CONFLICT", "The others are no majority.")
	if h.leader().State().Removed("master-3") {
		t.Error("the id of a master that stays is refused for ever")
	}
	h.needed = nil
	remove("master-3").ok(t, http.StatusNoContent)
	if !h.leader().State().Removed("master-3") || h.leader().HasServer("master-3") {
		t.Error("the master is not removed from both the state and the configuration")
	}
	remove("master-3").want(t, 400, "ERR_UNKNOWN_MASTER", "Master with id `master-3` not known.")
}

// admin posts to the admin socket.
func (m *master) admin(path, body string) answer {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = "@"
	w := httptest.NewRecorder()
	m.server.Admin().ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

const resetPath = "/gatehouse/v1/reset-superuser"

func TestResetSuperuserWorksOnTheAdminSocketOfEveryMaster(t *testing.T) {
	h := newHouse(t, 2)
	h.put(people()...)
	h.leader().do(call{method: "POST", path: resetPath, body: object("uid", "alice", "password", "let me in")}).ok(t, http.StatusNotFound)
	var got resetSteps
	h.masters[1].admin(resetPath, object("uid", "alice", "password", "let me in")).ok(t, http.StatusOK).into(t, &got)
	want := []string{
		"Attempt to create user with uid `alice`", "User already exists.", "Password updated.",
		"Attempt to create group with gid `superusers`", "Group already exists.",
		"Attempt to create ACL with rid `dcos:superuser`", "ACL already exists.",
		"Attempt to set permission `full` on `dcos:superuser` for group `superusers`", "Permission is already set.",
		"User added to group.", "Done.",
	}
	if diff := cmp.Diff(want, got.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	for _, line := range want {
		if text, _ := json.Marshal(line); !strings.Contains(h.leader().logs.String(), `"level":"INFO","msg":`+string(text)) {
			t.Errorf("the log lacks %s", text)
		}
	}
	for _, m := range h.masters {
		token := m.tokenOf("alice", "let me in")
		m.do(call{method: "GET", path: "/gatehouse/v1/keys", token: token}).ok(t, http.StatusOK)
	}
	h.masters[1].admin(resetPath, object("uid", "alice", "password", "once more")).ok(t, http.StatusOK).into(t, &got)
	if !strings.Contains(strings.Join(got.Steps, "\n"), "User is already in group.") {
		t.Errorf("second reset: %q", got.Steps)
	}
	h.masters[1].admin(resetPath, object("uid", "zoe", "password", "let me in")).ok(t, http.StatusOK).into(t, &got)
	if got.Steps[1] != "User created." || strings.Contains(strings.Join(got.Steps, "\n"), "Password updated.") {
		t.Errorf("reset of an unknown user: %q", got.Steps)
	}
}

func TestResetSuperuserRefusesWhatCannotLogIn(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	for uid, code := range map[string]string{"robot": "ERR_INVALID_DATA", "ldapuser": "ERR_INVALID_DATA", "a b": "ERR_INVALID_USER_ID"} {
		got := h.leader().admin(resetPath, object("uid", uid, "password", "let me in")).ok(t, http.StatusBadRequest)
		if got.problem(t).Code != code {
			t.Errorf("reset of %s: %s, want %s", uid, got.body, code)
		}
	}
	h.leader().admin(resetPath, object("uid", "alice", "password", "1234")).ok(t, http.StatusBadRequest)
	h.leader().admin(resetPath, object("uid", "alice")).want(t, 400, "", "Unexpected JSON input. Hint: 'password' is a required property")
	if _, ok := h.leader().State().User("robot"); !ok || iam.Superuser(h.leader().State(), "robot") {
		t.Error("a refused reset changed something")
	}
}
