//go:build moving

package loginapi

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/fsm/iam"
)

const wrongCredentials = `{"title":"401 Unauthorized","description":"Invalid credentials.","code":"ERR_INVALID_CREDENTIALS"}`

// people is a user of every kind.
func people() []iam.User {
	return []iam.User{
		{UID: "alice", Description: "Alice", PasswordHash: "$fake$wonderland"},
		{UID: "robot", PublicKey: publicPEM(serviceKey())},
		{UID: "ldapuser", ProviderType: iam.LDAP},
		{UID: "bob@example.com", ProviderType: iam.OIDC, ProviderID: "https://dcos.auth0.com/"},
	}
}

func TestLoginFollowsTheContractsTable(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	valid := h.serviceToken(serviceKey(), "robot")
	for _, c := range []struct {
		name, body string
		status     int
		text       string // description, or "" for success
	}{
		{"neither", `{"uid":"alice"}`, 400, "Exactly one of `token` and `password` must be provided in the request body"},
		{"both", `{"uid":"alice","password":"wonderland","token":"x"}`, 400, "Exactly one of `token` and `password` must be provided in the request body"},
		{"both null", `{"uid":"alice","password":null,"token":null}`, 400, "Exactly one of `token` and `password` must be provided in the request body"},
		{"empty object", `{}`, 400, "Exactly one of `token` and `password` must be provided in the request body"},
		{"password without uid", `{"password":"wonderland"}`, 400, "`uid` missing in the request body"},
		{"password with null uid", `{"uid":null,"password":"wonderland"}`, 400, "`uid` missing in the request body"},
		{"empty uid", `{"uid":"","password":"wonderland"}`, 400, "`uid` and `password` must not be empty strings"},
		{"empty password", `{"uid":"alice","password":""}`, 400, "`uid` and `password` must not be empty strings"},
		{"token without uid", `{"token":"eyJ"}`, 400, "Login with an OpenID Connect ID token is not enabled"},
		{"wrong type", `{"uid":5,"password":"wonderland"}`, 400, "Unexpected JSON input. Hint: 5 is not of type 'string', 'null'"},
		{"unknown uid with token", object("uid", "nobody", "token", valid), 401, "Invalid credentials."},
		{"unknown uid with password", object("uid", "nobody", "password", "wonderland"), 401, "Invalid credentials."},
		{"ldap user with password", object("uid", "ldapuser", "password", "wonderland"), 401, "Invalid credentials."},
		{"oidc user with password", object("uid", "bob@example.com", "password", "wonderland"), 401, "Invalid credentials."},
		{"wrong password", object("uid", "alice", "password", "looking-glass"), 401, "Invalid credentials."},
		{"service account with password", object("uid", "robot", "password", "wonderland"), 401, "Invalid credentials."},
		{"user with token", object("uid", "alice", "token", valid), 401, "Invalid credentials."},
		{"empty token", object("uid", "robot", "token", ""), 401, "Invalid credentials."},
		{"token of another key", object("uid", "robot", "token", h.serviceToken(otherKey(), "robot")), 401, "Invalid credentials."},
		{"user", object("uid", "alice", "password", "wonderland"), 200, ""},
		{"user with more members", `{"uid":"alice","password":"wonderland","exp":0,"other":[]}`, 200, ""},
		{"user with null token", `{"uid":"alice","password":"wonderland","token":null}`, 200, ""},
		{"service account", object("uid", "robot", "token", valid), 200, ""},
		{"service account again", object("uid", "robot", "token", valid), 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.leader().do(call{method: http.MethodPost, path: loginPath + "?target=/x&_timestamp=1", body: c.body,
				header: map[string]string{"Authorization": "token="}})
			if c.status == http.StatusOK {
				got.ok(t, http.StatusOK)
				return
			}
			code := ""
			if c.status == http.StatusUnauthorized {
				code = "ERR_INVALID_CREDENTIALS"
			}
			got.want(t, c.status, code, c.text)
		})
	}
}

func TestLoginAnswersTokenAndCookies(t *testing.T) {
	h := newHouse(t, 1)
	got := h.leader().login("uid", root, "password", rootPassword).ok(t, http.StatusOK)
	var in loginAnswer
	got.into(t, &in)
	want := []string{
		authCookie + "=" + in.Token + "; Path=/; Max-Age=432000; HttpOnly; SameSite=Lax",
		infoCookie + "=" + infoValue(root, "Bootstrap superuser", false) + "; Path=/; Max-Age=432000; SameSite=Lax",
	}
	if cookies := got.header["Set-Cookie"]; strings.Join(cookies, "\n") != strings.Join(want, "\n") {
		t.Errorf("cookies\n%s\nwant\n%s", strings.Join(cookies, "\n"), strings.Join(want, "\n"))
	}
	if cache := got.header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control is %q, want no-store", cache)
	}
	h.leader().do(call{method: http.MethodGet, path: "/acs/api/v1/users/" + root, token: in.Token}).ok(t, http.StatusOK)
}
