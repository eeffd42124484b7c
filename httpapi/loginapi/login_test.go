package loginapi

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"gatehouse/httpapi/apitest"
)

func TestLoginFollowsTheContractsTable(t *testing.T) {
	h := newHouse(t, 1)
	h.PutUsers(people()...)
	valid := h.ServiceToken(apitest.ServiceKey(), "robot")
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
		{"unknown uid with token", apitest.Object("uid", "nobody", "token", valid), 401, "Invalid credentials."},
		{"unknown uid with password", apitest.Object("uid", "nobody", "password", "wonderland"), 401, "Invalid credentials."},
		{"ldap user with password", apitest.Object("uid", "ldapuser", "password", "wonderland"), 401, "Invalid credentials."},
		{"oidc user with password", apitest.Object("uid", "bob@example.com", "password", "wonderland"), 401, "Invalid credentials."},
		{"wrong password", apitest.Object("uid", "alice", "password", "looking-glass"), 401, "Invalid credentials."},
		{"service account with password", apitest.Object("uid", "robot", "password", "wonderland"), 401, "Invalid credentials."},
		{"user with token", apitest.Object("uid", "alice", "token", valid), 401, "Invalid credentials."},
		{"empty token", apitest.Object("uid", "robot", "token", ""), 401, "Invalid credentials."},
		{"token of another key", apitest.Object("uid", "robot", "token", h.ServiceToken(apitest.OtherKey(), "robot")), 401, "Invalid credentials."},
		{"user", apitest.Object("uid", "alice", "password", "wonderland"), 200, ""},
		{"user with more members", `{"uid":"alice","password":"wonderland","exp":0,"other":[]}`, 200, ""},
		{"user with null token", `{"uid":"alice","password":"wonderland","token":null}`, 200, ""},
		{"service account", apitest.Object("uid", "robot", "token", valid), 200, ""},
		{"service account again", apitest.Object("uid", "robot", "token", valid), 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.Leader().Call(apitest.Call{Method: http.MethodPost, Path: loginPath + "?target=/x&_timestamp=1", JSON: c.body,
				Header: map[string]string{"Authorization": "token="}})
			if c.status == http.StatusOK {
				got.Is(t, http.StatusOK)
				return
			}
			code := ""
			if c.status == http.StatusUnauthorized {
				code = "ERR_INVALID_CREDENTIALS"
			}
			got.Fails(t, c.status, code, c.text)
		})
	}
}

func TestLoginAnswersTokenAndCookies(t *testing.T) {
	h := newHouse(t, 1)
	got := h.Leader().login("uid", apitest.Root, "password", apitest.RootPassword).Is(t, http.StatusOK)
	var in loginAnswer
	got.Into(t, &in)
	info := base64.StdEncoding.EncodeToString([]byte(`{"uid": "bootstrapuser", "description": "Bootstrap superuser", "is_remote": false}`))
	want := []string{
		"dcos-acs-auth-cookie=" + in.Token + "; Path=/; Max-Age=432000; HttpOnly; SameSite=Lax",
		"dcos-acs-info-cookie=" + info + "; Path=/; Max-Age=432000; SameSite=Lax",
	}
	if cookies := got.Header["Set-Cookie"]; strings.Join(cookies, "\n") != strings.Join(want, "\n") {
		t.Errorf("cookies\n%s\nwant\n%s", strings.Join(cookies, "\n"), strings.Join(want, "\n"))
	}
	if cache := got.Header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control is %q, want no-store", cache)
	}
	h.Leader().Call(apitest.Call{Method: http.MethodGet, Path: "/acs/api/v1/users/" + apitest.Root, Token: in.Token}).Is(t, http.StatusOK)
}
