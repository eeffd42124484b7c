//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// The way back in: on any master, a follower too, with nothing but the admin socket.
func TestResetSuperuser(t *testing.T) {
	c := start(t, rig.Options{})
	follower := c.Followers(leaderOf(t, c))[0]
	reset := func(uid, password string) string {
		t.Helper()
		return must[string](t)(c.Run(t.Context(), password+"\n", "reset-superuser", "--admin-socket", follower.AdminSocket, uid))
	}
	wants := func(out string, lines ...string) {
		t.Helper()
		for _, line := range lines {
			if !strings.Contains(out, line) {
				t.Errorf("got\n%s\nwant a line %q", out, line)
			}
		}
	}
	revokes := func(uid, password string) {
		t.Helper()
		putUser(t, c, follower, "victim-of-"+uid, map[string]string{"password": "a passphrase"})
		for _, m := range c.Masters {
			token := must[string](t)(c.Client.Login(t.Context(), m.API, uid, password))
			ask(t, c, http.StatusOK, rig.Request{Method: http.MethodPost, URL: m.API + "/gatehouse/v1/users/victim-of-" + uid + "/revoke-tokens", Token: token})
		}
	}

	wants(reset(rig.Superuser, "another passphrase"), "INFO: Attempt to create user with uid `"+rig.Superuser+"`", "User already exists.", "Password updated.",
		"Permission is already set.", "INFO: Done.")
	if _, err := c.Client.Login(t.Context(), follower.API, rig.Superuser, rig.SuperuserPassword); err == nil {
		t.Error("the old password still works")
	}
	revokes(rig.Superuser, "another passphrase")

	wants(reset("new-admin", "a third passphrase"), "Attempt to create user with uid `new-admin`", "User added to group.", "Done.")
	revokes("new-admin", "a third passphrase")
	wants(reset("new-admin", "a third passphrase"), "User already exists.", "Done.")

	info := must[os.FileInfo](t)(os.Stat(follower.AdminSocket))
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the admin socket has mode %o, want 600", mode)
	}
	// What the socket serves, the API does not.
	ask(t, c, http.StatusNotFound, rig.Request{Method: http.MethodPost, URL: follower.API + "/gatehouse/v1/reset-superuser", Token: superuser(t, c),
		Body: map[string]string{"uid": "x", "password": "a passphrase"}})
}
