package iamapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/cutoff"
)

func (m *master) post(token, path, body string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodPost, Path: "/gatehouse/v1/" + path, JSON: body, Token: token})
}

func TestRevokedTokensAreRefusedByEveryMaster(t *testing.T) {
	h := crowd(t, 3)
	alice, token := h.masters[1].tokenOf("alice", "wonderland"), h.leader().rootToken()
	got := h.masters[2].post(token, "users/alice/revoke-tokens", "").Is(t, http.StatusOK)
	if want := "{\n  \"uid\": \"alice\",\n  \"not_before\": \"2026-05-04T12:00:01Z\"\n}\n"; got.Body != want {
		t.Errorf("answer %q, want %q", got.Body, want)
	}
	for _, m := range h.masters {
		m.own(alice, "alice").Is(t, http.StatusUnauthorized)
		m.get(token, "alice").Is(t, http.StatusOK)
	}
	fresh := h.masters[1].tokenOf("alice", "wonderland")
	for _, m := range h.masters {
		m.own(fresh, "alice").Is(t, http.StatusOK)
	}
}

// A token that a leader stamped whose clock was ahead lies in the future of the next leader; a revocation there must
// reach it nevertheless.
func TestRevocationReachesTheTokensOfALeaderWhoseClockWasAhead(t *testing.T) {
	const ahead = 3 * time.Second
	for name, revoke := range map[string]func(m *master, token string) apitest.Answer{
		"of the user": func(m *master, token string) apitest.Answer { return m.post(token, "users/alice/revoke-tokens", "") },
		"of all":      func(m *master, token string) apitest.Answer { return m.post(token, "revoke-tokens", "") },
		"by deletion": func(m *master, token string) apitest.Answer {
			a := m.Call(apitest.Call{Method: http.MethodDelete, Path: usersPath + "/alice", Token: token})
			m.house.PutUsers(people()[0])
			a.Status = min(a.Status, http.StatusOK)
			return a
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := crowd(t, 2)
			h.Clock.Advance(ahead)
			alice := h.leader().tokenOf("alice", "wonderland")
			h.Elect() // as in a cluster, a term begins no earlier than the clock of any master
			h.Clock.Advance(-ahead)
			token := h.leader().rootToken()
			for _, m := range h.masters {
				m.own(alice, "alice").Is(t, http.StatusOK)
			}
			revoke(h.leader(), token).Is(t, http.StatusOK)
			fresh := of(h.Follower()).tokenOf("alice", "wonderland")
			for _, m := range h.masters {
				m.own(alice, "alice").Is(t, http.StatusUnauthorized)
				m.own(fresh, "alice").Is(t, http.StatusOK)
			}
			var waited time.Duration
			for _, d := range h.Clock.Slept() {
				waited += d
			}
			if waited < ahead || waited > ahead+time.Second {
				t.Errorf("the login after it waited %v, want %v and the rest of a second", waited, ahead)
			}
		})
	}
}

func TestRevokingAllIncludesTheCaller(t *testing.T) {
	h := crowd(t, 2)
	alice, token := h.leader().tokenOf("alice", "wonderland"), h.leader().rootToken()
	h.masters[1].post(token, "revoke-tokens", "").Is(t, http.StatusOK)
	for _, m := range h.masters {
		m.own(alice, "alice").Is(t, http.StatusUnauthorized)
		m.get(token, "alice").Is(t, http.StatusUnauthorized)
	}
	h.masters[1].get(h.masters[1].rootToken(), "alice").Is(t, http.StatusOK)
}

func TestRevocationNeedsASuperuserAndAUser(t *testing.T) {
	h := crowd(t, 1)
	alice := h.leader().tokenOf("alice", "wonderland")
	for _, path := range []string{"users/alice/revoke-tokens", "users/bootstrapuser/revoke-tokens", "revoke-tokens", "keys", "keys/x/activate", "keys/x/retire", "cluster-keys/x/activate"} {
		h.leader().post(alice, path, "").Is(t, http.StatusForbidden)
		h.leader().post("", path, "").Is(t, http.StatusUnauthorized)
	}
	h.leader().Call(apitest.Call{Method: "DELETE", Path: "/gatehouse/v1/masters/master-1", Token: alice}).Is(t, http.StatusForbidden)
	h.leader().Call(apitest.Call{Method: "GET", Path: "/gatehouse/v1/keys", Token: alice}).Is(t, http.StatusForbidden)
	h.leader().Call(apitest.Call{Method: "GET", Path: "/gatehouse/v1/cluster-keys", Token: alice}).Is(t, http.StatusForbidden)
	h.leader().post(h.leader().rootToken(), "users/nobody/revoke-tokens", "").Fails(t, 400, "ERR_UNKNOWN_USER_ID", "User with uid `nobody` not known.")
}

// A login elsewhere may read a state without the revocation while that is on its way to the log. When the log is so slow that the
// leader's clock reaches the cut-off meanwhile, the token of that login could carry an iat that passes it.
func TestSlowRevocationStillBindsWhatWasIssuedMeanwhile(t *testing.T) {
	for _, all := range []bool{false, true} {
		h := crowd(t, 2)
		token, path, meanwhile := h.leader().rootToken(), "users/alice/revoke-tokens", ""
		if all {
			path = "revoke-tokens"
		}
		h.Before = func(command.Command) error {
			h.Before = nil
			h.Clock.Advance(2 * time.Second)
			meanwhile = h.masters[1].tokenOf("alice", "wonderland")
			return nil
		}
		var got revocation
		h.leader().post(token, path, "").Is(t, http.StatusOK).Into(t, &got)
		iat := issuedAt(t, meanwhile)
		if !iat.Before(got.NotBefore) {
			t.Fatalf("not_before %v does not cover the token of %v", got.NotBefore, iat)
		}
		for _, m := range h.masters {
			m.get(meanwhile, "alice").Is(t, http.StatusUnauthorized)
		}
	}
}

func TestRevocationThatNeverCatchesUpSaysSo(t *testing.T) {
	h := crowd(t, 1)
	token := h.leader().rootToken()
	h.Before = func(command.Command) error {
		h.Clock.Advance(2 * time.Second)
		return nil
	}
	h.leader().post(token, "users/alice/revoke-tokens", "").Fails(t, 503, "ERR_OUTCOME_UNKNOWN", cutoff.ErrSlow.Description)
}

func TestSlowDeletionLeavesNoTokenForTheNextOwnerOfTheUID(t *testing.T) {
	h := crowd(t, 2)
	token, meanwhile := h.leader().rootToken(), ""
	h.Before = func(command.Command) error {
		h.Before = nil
		h.Clock.Advance(2 * time.Second)
		meanwhile = h.masters[1].tokenOf("alice", "wonderland")
		return nil
	}
	h.leader().Call(apitest.Call{Method: "DELETE", Path: usersPath + "/alice", Token: token}).Is(t, http.StatusNoContent)
	h.leader().put(token, "alice", `{"password":"another"}`).Is(t, http.StatusCreated)
	for _, m := range h.masters {
		m.get(meanwhile, "alice").Is(t, http.StatusUnauthorized)
	}
}

func TestRepeatedRevocationAnswersTheSame(t *testing.T) {
	h := crowd(t, 1)
	token := h.leader().rootToken()
	revoke := func() apitest.Answer {
		return h.leader().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/users/alice/revoke-tokens", Token: token, Header: map[string]string{"Idempotency-Key": "k"}})
	}
	first := revoke().Is(t, http.StatusOK)
	h.Clock.Advance(time.Minute)
	if again := revoke().Is(t, http.StatusOK); again.Body != first.Body {
		t.Errorf("repeated: %s, first: %s", again.Body, first.Body)
	}
}

func (m *master) keys(t testing.TB, token string) []key {
	t.Helper()
	var list array[key]
	m.Call(apitest.Call{Method: "GET", Path: "/gatehouse/v1/keys", Token: token}).Is(t, http.StatusOK).Into(t, &list)
	return list.Array
}

func (m *master) jwksIDs(t testing.TB) (kids []string) {
	t.Helper()
	var set struct{ Keys []struct{ KID string } }
	m.Call(apitest.Call{Method: "GET", Path: "/acs/api/v1/auth/jwks"}).Is(t, http.StatusOK).Into(t, &set)
	for _, k := range set.Keys {
		kids = append(kids, k.KID)
	}
	return kids
}

func TestSigningKeysRotateWithoutAFailure(t *testing.T) {
	h := newHouse(t, 2)
	m, token := h.leader(), h.leader().rootToken()
	old := apitest.SigningKey().KID
	var fresh key
	m.post(token, "keys", "").Is(t, http.StatusCreated).Into(t, &fresh)
	if fresh.Status != "prepared" || fresh.KID == old || fresh.CreatedAt.IsZero() {
		t.Fatalf("prepared key is %+v", fresh)
	}
	if diff := cmp.Diff([]string{old, fresh.KID}, m.jwksIDs(t)); diff != "" {
		t.Errorf("published keys after prepare (-want +got):\n%s", diff)
	}
	m.post(token, "keys/"+old+"/activate", "").Fails(t, 409, "ERR_CONFLICT", "The key "+old+" signs already.")
	m.post(token, "keys/nokey/activate", "").Fails(t, 400, "ERR_UNKNOWN_KEY_ID", "Signing key with id `nokey` not known.")

	var told activated
	m.post(token, "keys/"+fresh.KID+"/activate", "").Is(t, http.StatusOK).Into(t, &told)
	if told.KID != fresh.KID || !strings.Contains(told.Description, "Admin Router") || !strings.Contains(told.Description, "restart") {
		t.Errorf("activate answers %+v, want who must be restarted", told)
	}
	if diff := cmp.Diff([]string{fresh.KID, old}, m.jwksIDs(t)); diff != "" {
		t.Errorf("published keys after activate (-want +got):\n%s", diff)
	}
	next := m.rootToken()
	for _, master := range h.masters {
		master.get(token, root).Is(t, http.StatusOK) // signed by the old key
		master.get(next, root).Is(t, http.StatusOK)
	}

	m.post(token, "keys/"+fresh.KID+"/retire", `{"force":true}`).Fails(t, 409, "ERR_KEY_IN_USE", "The key "+fresh.KID+" signs tokens: activate another one first.")
	early := m.post(token, "keys/"+old+"/retire", "").Is(t, http.StatusConflict)
	if !strings.Contains(early.Body, "may live until 2026-05-09T12:00:00Z") {
		t.Errorf("early retirement is refused with %s, want until when", early.Body)
	}
	expire := m.keys(t, token)[1].TokensExpireAt
	h.Clock.Advance(expire.Sub(h.Clock.Now()))
	m.post(m.rootToken(), "keys/"+old+"/retire", "").Is(t, http.StatusNoContent)
	if diff := cmp.Diff([]string{fresh.KID}, m.jwksIDs(t)); diff != "" {
		t.Errorf("published keys after retire (-want +got):\n%s", diff)
	}
}

func TestForcedRetirementEndsTheKeysTokens(t *testing.T) {
	h := newHouse(t, 2)
	m, token := h.leader(), h.leader().rootToken()
	old := apitest.SigningKey().KID
	var fresh key
	m.post(token, "keys", "").Into(t, &fresh)
	m.post(token, "keys/"+fresh.KID+"/activate", "").Is(t, http.StatusOK)
	m.post(token, "keys/"+old+"/retire", `{"force":1}`).Fails(t, 400, "", "Unexpected JSON input. Hint: 1 is not of type 'boolean'")
	m.post(token, "keys/"+old+"/retire", `{"force":true}`).Is(t, http.StatusNoContent)
	for _, master := range h.masters {
		master.get(token, root).Is(t, http.StatusUnauthorized)
		master.get(master.rootToken(), root).Is(t, http.StatusOK)
	}
}

func TestKeysAreListedWithoutTheirPrivateHalf(t *testing.T) {
	h := newHouse(t, 1)
	got := h.leader().Call(apitest.Call{Method: "GET", Path: "/gatehouse/v1/keys", Token: h.leader().rootToken()}).Is(t, http.StatusOK)
	want := "{\n  \"array\": [\n    {\n      \"kid\": \"" + apitest.SigningKey().KID + "\",\n      \"status\": \"active\",\n" +
		"      \"created_at\": \"2026-05-04T12:00:00.25Z\",\n      \"activated_at\": \"2026-05-04T12:00:00.25Z\"\n    }\n  ]\n}\n"
	if got.Body != want {
		t.Errorf("keys are listed as\n%s\nwant\n%s", got.Body, want)
	}
}

func TestOneKeyIsGeneratedAtATime(t *testing.T) {
	h := newHouse(t, 1)
	h.leader().api.generating <- struct{}{}
	h.leader().post(h.leader().rootToken(), "keys", "").Is(t, http.StatusTooManyRequests)
	<-h.leader().api.generating
	h.leader().post(h.leader().rootToken(), "keys", "").Is(t, http.StatusCreated)
}

func TestMasterIsRemovedForEver(t *testing.T) {
	h := newHouse(t, 3)
	token := h.leader().rootToken()
	remove := func(id string) apitest.Answer {
		return h.masters[1].Call(apitest.Call{Method: "DELETE", Path: "/gatehouse/v1/masters/" + id, Token: token})
	}
	remove("nobody").Fails(t, 400, "ERR_UNKNOWN_MASTER", "Master with id `nobody` not known.")
	remove("master-1").Fails(t, 409, "ERR_CONFLICT", "The master master-1 leads the cluster. Stop it, then remove it.")
	h.needed = fault.New(fault.Conflict, "The others are no majority.")
	remove("master-3").Fails(t, 409, "ERR_CONFLICT", "The others are no majority.")
	if h.leader().State().Removed("master-3") {
		t.Error("the id of a master that stays is refused for ever")
	}
	h.needed = nil
	remove("master-3").Is(t, http.StatusNoContent)
	if !h.leader().State().Removed("master-3") || h.leader().HasServer("master-3") {
		t.Error("the master is not removed from both the state and the configuration")
	}
	remove("master-3").Fails(t, 400, "ERR_UNKNOWN_MASTER", "Master with id `master-3` not known.")
}

// admin posts to the admin socket.
func (m *master) admin(path, body string) apitest.Answer {
	return m.Admin(apitest.Call{Method: http.MethodPost, Path: path, JSON: body})
}

const resetPath = "/gatehouse/v1/reset-superuser"

func TestResetSuperuserWorksOnTheAdminSocketOfEveryMaster(t *testing.T) {
	h := crowd(t, 2)
	h.leader().Call(apitest.Call{Method: "POST", Path: resetPath, JSON: apitest.Object("uid", "alice", "password", "let me in")}).Is(t, http.StatusNotFound)
	var got resetSteps
	h.masters[1].admin(resetPath, apitest.Object("uid", "alice", "password", "let me in")).Is(t, http.StatusOK).Into(t, &got)
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
		if text, _ := json.Marshal(line); !strings.Contains(h.leader().Logs.String(), `"level":"INFO","msg":`+string(text)) {
			t.Errorf("the log lacks %s", text)
		}
	}
	for _, m := range h.masters {
		token := m.tokenOf("alice", "let me in")
		m.Call(apitest.Call{Method: "GET", Path: "/gatehouse/v1/keys", Token: token}).Is(t, http.StatusOK)
	}
	h.masters[1].admin(resetPath, apitest.Object("uid", "alice", "password", "once more")).Is(t, http.StatusOK).Into(t, &got)
	if !strings.Contains(strings.Join(got.Steps, "\n"), "User is already in group.") {
		t.Errorf("second reset: %q", got.Steps)
	}
	h.masters[1].admin(resetPath, apitest.Object("uid", "zoe", "password", "let me in")).Is(t, http.StatusOK).Into(t, &got)
	if got.Steps[1] != "User created." || strings.Contains(strings.Join(got.Steps, "\n"), "Password updated.") {
		t.Errorf("reset of an unknown user: %q", got.Steps)
	}
}

func TestResetSuperuserRefusesWhatCannotLogIn(t *testing.T) {
	h := crowd(t, 1)
	for uid, code := range map[string]string{"robot": "ERR_INVALID_DATA", "ldapuser": "ERR_INVALID_DATA", "a b": "ERR_INVALID_USER_ID"} {
		got := h.leader().admin(resetPath, apitest.Object("uid", uid, "password", "let me in")).Is(t, http.StatusBadRequest)
		if got.Problem(t).Code != code {
			t.Errorf("reset of %s: %s, want %s", uid, got.Body, code)
		}
	}
	h.leader().admin(resetPath, apitest.Object("uid", "alice", "password", "1234")).Is(t, http.StatusBadRequest)
	h.leader().admin(resetPath, apitest.Object("uid", "alice")).Fails(t, 400, "", "Unexpected JSON input. Hint: 'password' is a required property")
	if _, ok := h.leader().State().User("robot"); !ok || iam.Superuser(h.leader().State(), "robot") {
		t.Error("a refused reset changed something")
	}
}
