//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// keptStore is sealed by hand; what opens it is kept beside it.
const keptStore = "kept"

// keepSecrets makes secrets in the store that opens by itself and in one that does not, and returns the shares of the latter and
// what is told of the former. Some end one day, as who reads them will see; nothing is told of those.
func keepSecrets(t *testing.T, c *rig.Cluster, m *rig.Master, token string) (shares []string, answers map[string]string) {
	t.Helper()
	text := func(value string) map[string]any {
		return map[string]any{"value": value, "description": "Größe", "labels": []string{"a", "b"}}
	}
	await(t, 20*time.Second, "the store to be open", func(ctx context.Context) error {
		_, err := c.Client.Expect(ctx, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: secretURL(m, "default", "kept/text"), Token: token, Body: text("one")})
		return err
	})
	binary := map[string]string{"Content-Type": "application/octet-stream"}
	for _, r := range []rig.Request{
		{Method: http.MethodPatch, URL: secretURL(m, "default", "kept/text"), Body: text("two")},
		{Method: http.MethodPut, URL: secretURL(m, "default", "kept/deep/file"), Body: []byte("in a file\x00\n"), Header: binary},
		{Method: http.MethodPut, URL: secretURL(m, "default", "passing/ended?ttl=1h"), Body: text("x")},
		{Method: http.MethodPut, URL: secretURL(m, "default", "passing/deleted"), Body: text("x")},
		{Method: http.MethodDelete, URL: secretURL(m, "default", "passing/deleted")},
		{Method: http.MethodPost, URL: m.API + ourSecrets + "default/rotate"},
		{Method: http.MethodPut, URL: m.API + secretsPath + "/store/" + keptStore, Body: map[string]string{"driver": "vault", "description": "kept"}},
	} {
		r.Token = token
		if answer := must[rig.Answer](t)(c.Client.Do(t.Context(), r)); answer.Status/100 != 2 {
			t.Fatalf("%s %s: %d %s", r.Method, r.URL, answer.Status, answer.Body)
		}
	}
	var made initAnswer
	decode(t, ask(t, c, http.StatusOK, storeRequest(m, token, http.MethodPut, "/init/"+keptStore, map[string]int{"shares": 3, "threshold": 2})).Body, &made)
	openKept(t, c, m, token, made.Keys)
	ask(t, c, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: secretURL(m, keptStore, "a"), Token: token, Body: map[string]string{"value": "kept in seal"}})
	ask(t, c, http.StatusOK, storeRequest(m, token, http.MethodPut, "/seal/"+keptStore, nil))
	answers = map[string]string{}
	for _, path := range []string{"/secret/default/kept/text", "/secret/default/kept/text?version=1", "/secret/default/kept/deep/file", "/secret/default/kept?list=true", "/store"} {
		answers[secretsPath+path] = answerOf(t, c, m, token, secretsPath+path)
	}
	return made.Keys, answers
}

func storeRequest(m *rig.Master, token, method, path string, body any) rig.Request {
	return rig.Request{Method: method, URL: m.API + secretsPath + path, Token: token, Body: body}
}

// openKept unseals the store with the last two of its shares.
func openKept(t *testing.T, c *rig.Cluster, m *rig.Master, token string, shares []string) {
	t.Helper()
	for _, share := range shares[1:] {
		ask(t, c, http.StatusOK, storeRequest(m, token, http.MethodPut, "/unseal/"+keptStore, map[string]string{"key": share}))
	}
}

// checkSecrets wants what was told of secrets to be told still, and the sealed store to open for who has its shares.
func checkSecrets(t *testing.T, c *rig.Cluster, m *rig.Master, want kept) {
	t.Helper()
	token := superuser(t, c)
	for path, answer := range want.Secrets {
		await(t, 20*time.Second, path, func(ctx context.Context) error {
			got, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + path, Token: token})
			if diff := cmp.Diff(answer, string(got.Body)); err == nil && diff != "" {
				return fmt.Errorf("%s (-want +got)\n%s", path, diff)
			}
			return err
		})
	}
	if len(want.Shares) == 0 {
		return
	}
	ask(t, c, http.StatusServiceUnavailable, rig.Request{Method: http.MethodGet, URL: secretURL(m, keptStore, "a"), Token: token})
	openKept(t, c, m, token, want.Shares)
	readable(t, c, m, keptStore, "a", "kept in seal")
	ask(t, c, http.StatusOK, storeRequest(m, token, http.MethodPut, "/seal/"+keptStore, nil))
}

// checkRaisedToSecrets waits until a cluster that began below level 3 keeps secrets, and keeps one.
func checkRaisedToSecrets(t *testing.T, c *rig.Cluster, m *rig.Master, first bool) {
	t.Helper()
	token, status := superuser(t, c), http.StatusConflict
	if first {
		status = http.StatusCreated
	}
	await(t, 30*time.Second, "the level of secrets", func(ctx context.Context) error {
		_, err := c.Client.Expect(ctx, status, rig.Request{Method: http.MethodPut, URL: secretURL(m, "default", "raised"), Token: token, Body: map[string]string{"value": "since"}})
		return err
	})
	readable(t, c, m, "default", "raised", "since")
}
