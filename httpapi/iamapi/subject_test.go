package iamapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
)

const pinnedUID = "olga@example.com"

// pinned is somebody who has come through an identity provider.
func pinned() iam.User {
	return iam.User{UID: pinnedUID, Description: "Olga", ProviderType: iam.OIDC, ProviderID: "https://dcos.auth0.com/", Subject: strings.Repeat("A", 43)}
}

func (m *master) forget(token, uid string) apitest.Answer {
	return m.post(token, "users/"+uid+"/forget-subject", "")
}

func (h *house) user(t *testing.T, uid string) iam.User {
	t.Helper()
	u, ok := h.leader().State().User(uid)
	if !ok {
		t.Fatalf("there is no user %s", uid)
	}
	return *u
}

// Nothing else about the user changes, its tokens included.
func TestASubjectIsForgottenOnce(t *testing.T) {
	h := crowd(t, 2)
	h.Do(command.AdmitUser{User: pinned()})
	h.Grant(pinnedUID, iam.Read, "dcos:thing")
	token, own := h.leader().rootToken(), h.Token(pinnedUID)
	for range 2 {
		if got := h.masters[1].forget(token, pinnedUID).Is(t, http.StatusNoContent); got.Body != "" {
			t.Errorf("a body: %q", got.Body)
		}
	}
	want := pinned()
	want.Subject = iam.NextSubject
	if diff := cmp.Diff(want, h.user(t, pinnedUID)); diff != "" {
		t.Errorf("the user afterwards (-want +got):\n%s", diff)
	}
	h.masters[1].own(own, pinnedUID).Is(t, http.StatusOK)
	if n := strings.Count(h.leader().Logs.String(), `"msg":"subject forgotten","uid":"`+pinnedUID+`"`); n != 1 {
		t.Errorf("%d lines in the log, want 1:\n%s", n, h.leader().Logs.String())
	}
	const record = `uid=` + root + ` action=gatehouse.users.forget-subject object=/gatehouse/v1/users/` + pinnedUID + `/forget-subject result=allow reason=done`
	if text := h.leader().Audits.String(); strings.Count(text, record) != 2 {
		t.Errorf("the audit trail lacks %q twice:\n%s", record, text)
	}
}

// TestUsersOfNoIdentityProviderStayAsTheyAre: only bob of the people comes through one, and was made beforehand.
func TestUsersOfNoIdentityProviderStayAsTheyAre(t *testing.T) {
	h := crowd(t, 1)
	token := h.leader().rootToken()
	for _, u := range append(people(), iam.User{UID: root}) {
		before := h.user(t, u.UID)
		h.leader().forget(token, u.UID).Is(t, http.StatusNoContent)
		if before.OfProvider() {
			before.Subject = iam.NextSubject
		}
		if diff := cmp.Diff(before, h.user(t, u.UID)); diff != "" {
			t.Errorf("%s (-before +after):\n%s", u.UID, diff)
		}
	}
	if n := strings.Count(h.leader().Logs.String(), "subject forgotten"); n != 1 {
		t.Errorf("%d lines in the log, want 1:\n%s", n, h.leader().Logs.String())
	}
}

// Who says who logs in as somebody is a superuser, and not one to whom the administration of users was delegated.
func TestOnlyASuperuserHasASubjectForgotten(t *testing.T) {
	h := newHouse(t, 2)
	h.keep() // alice administers
	h.Do(command.AdmitUser{User: pinned()})
	m := h.masters[1]
	alice := m.tokenOf("alice", "wonderland")
	m.get(alice, pinnedUID).Is(t, http.StatusOK)
	for _, uid := range []string{pinnedUID, "alice", "nobody"} {
		m.forget(alice, uid).Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
		m.forget("", uid).Want(t, http.StatusUnauthorized, "ERR_UNAUTHENTICATED")
	}
	m.forget(h.Token(pinnedUID), pinnedUID).Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
	m.forget(m.rootToken(), "nobody").Fails(t, 400, "ERR_UNKNOWN_USER_ID", "User with uid `nobody` not known.")
	if diff := cmp.Diff(pinned(), h.user(t, pinnedUID)); diff != "" {
		t.Errorf("the user afterwards (-want +got):\n%s", diff)
	}
}

func TestSubjectsAreForgottenFromLevelFourOn(t *testing.T) {
	h := newHouseAt(t, command.LevelSecrets, 2)
	h.PutUsers(people()...)
	before := len(h.Log())
	for _, m := range h.masters {
		m.forget(m.rootToken(), "bob@example.com").Want(t, http.StatusServiceUnavailable, "ERR_BUSY")
	}
	if n := len(h.Log()); n != before {
		t.Errorf("%d new entries", n-before)
	}
}

// A repetition under the key of the first request does nothing to who has the uid by then.
func TestARepeatedRequestForgetsNoLaterSubject(t *testing.T) {
	h := crowd(t, 1)
	token := h.leader().rootToken()
	forget := func() {
		t.Helper()
		h.leader().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/users/" + pinnedUID + "/forget-subject", Token: token,
			Header: map[string]string{"Idempotency-Key": "k"}}).Is(t, http.StatusNoContent)
	}
	h.Do(command.AdmitUser{User: pinned()})
	forget()
	h.Do(command.DeleteUser{UID: pinnedUID})
	h.Do(command.AdmitUser{User: pinned()})
	forget()
	if diff := cmp.Diff(pinned(), h.user(t, pinnedUID)); diff != "" {
		t.Errorf("the user afterwards (-want +got):\n%s", diff)
	}
}
