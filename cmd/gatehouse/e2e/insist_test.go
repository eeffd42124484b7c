//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// insist sends a request until it is answered by something else than 5xx: on a busy machine masters elect a leader anew now and
// then, and whoever asks meanwhile is told so.
func insist(t *testing.T, c *rig.Cluster, r rig.Request) (answer rig.Answer) {
	t.Helper()
	await(t, time.Minute, r.Method+" "+r.URL, func(ctx context.Context) (err error) {
		if answer, err = c.Client.Do(ctx, r); err == nil && answer.Status >= 500 {
			err = fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return err
	})
	return answer
}

// alter is insist for a change, which may have been made by a request before the last: then the answer is again.
func alter(t *testing.T, c *rig.Cluster, want, again int, r rig.Request) {
	t.Helper()
	await(t, time.Minute, "a token", func(ctx context.Context) (err error) {
		r.Token, err = c.Token(ctx)
		return err
	})
	if answer := insist(t, c, r); answer.Status != want && answer.Status != again {
		t.Fatalf("%s %s: got %d %s, want %d", r.Method, r.URL, answer.Status, answer.Body, want)
	}
}

// permit creates a resource if there is none, and grants an action on it; forbid takes it away.
func permit(t *testing.T, c *rig.Cluster, m *rig.Master, rid, uid, action string) {
	t.Helper()
	alter(t, c, http.StatusCreated, http.StatusConflict,
		rig.Request{Method: http.MethodPut, URL: m.API + "/acs/api/v1/acls/" + rid, Body: map[string]string{"description": ""}})
	alter(t, c, http.StatusNoContent, http.StatusConflict, rig.Request{Method: http.MethodPut, URL: actionURL(m, rid, uid, action)})
}

func forbid(t *testing.T, c *rig.Cluster, m *rig.Master, rid, uid, action string) {
	t.Helper()
	alter(t, c, http.StatusNoContent, http.StatusBadRequest, rig.Request{Method: http.MethodDelete, URL: actionURL(m, rid, uid, action)})
}

// enroll creates a user through a master, login gets it a token.
func enroll(t *testing.T, c *rig.Cluster, m *rig.Master, uid string) {
	t.Helper()
	alter(t, c, http.StatusCreated, http.StatusConflict,
		rig.Request{Method: http.MethodPut, URL: userURL(m, uid), Body: map[string]string{"password": "a passphrase"}})
}

func login(t *testing.T, c *rig.Cluster, api, uid string) string {
	t.Helper()
	answer := insist(t, c, rig.Request{Method: http.MethodPost, URL: api + loginPath, Body: map[string]string{"uid": uid, "password": "a passphrase"}})
	var got struct{ Token string }
	decode(t, answer.Body, &got)
	if got.Token == "" {
		t.Fatalf("login of %s: %d %s", uid, answer.Status, answer.Body)
	}
	return got.Token
}

func actionURL(m *rig.Master, rid, uid, action string) string {
	return m.API + "/acs/api/v1/acls/" + rid + "/users/" + uid + "/" + action
}
