package httpapi

import (
	"strings"
	"testing"
)

// hostileManyTokens: header before cookie, and two headers mean nothing.
func hostileManyTokens(t *testing.T, b *bed) {
	m := b.members[1]
	who := func(header ...string) (int, string) {
		lines := append([]string{"GET /acs/api/v1/users HTTP/1.1", "Host: x"}, header...)
		got := m.dial().send(append(lines, "", "")...).receive("GET")
		_, uid, _ := strings.Cut(got.body, `"uid": "`)
		uid, _, _ = strings.Cut(uid, `"`)
		return got.status, uid
	}
	alice, root := tokenFor("alice"), tokenFor("root")
	for _, c := range []struct {
		header []string
		status int
		uid    string
	}{
		{[]string{"Authorization: token=" + alice}, 200, "alice"},
		{[]string{"Cookie: " + authCookie + "=" + root}, 200, "root"},
		{[]string{"Authorization: token=" + alice, "Cookie: " + authCookie + "=" + root}, 200, "alice"},
		{[]string{"Cookie: " + authCookie + "=" + root, "Authorization: token=" + alice}, 200, "alice"},
		{[]string{"Authorization: Basic eDp5", "Cookie: " + authCookie + "=" + root}, 401, ""},
		{[]string{"Authorization: ", "Cookie: " + authCookie + "=" + root}, 401, ""},
		{[]string{"Authorization: token=", "Cookie: " + authCookie + "=" + root}, 401, ""},
		{[]string{"Authorization: Bearer " + root, "Cookie: " + authCookie + "=" + root}, 401, ""},
		{[]string{"Authorization: token=" + alice, "Authorization: Bearer " + root}, 400, ""},
		{[]string{"Authorization: token=" + alice, "Authorization: token=" + alice}, 400, ""},
		{[]string{"Cookie: " + authCookie + "=" + alice + "; " + authCookie + "=" + root}, 401, ""},
		{[]string{"Cookie: a=b", "Cookie: " + authCookie + "=" + alice}, 200, "alice"},
		{[]string{"Cookie: " + authCookie + "="}, 401, ""},
	} {
		if status, uid := who(c.header...); status != c.status || uid != c.uid {
			t.Errorf("%q: got %d %q, want %d %q", c.header, status, uid, c.status, c.uid)
		}
	}
}

// hostileTokenGrammar: the value is "token=" and the token, and nothing else.
func hostileTokenGrammar(t *testing.T, b *bed) {
	token := tokenFor("alice")
	for _, value := range []string{
		"Token=" + token, "TOKEN=" + token, "token= " + token, `token="` + token + `"`, "token=", "token", "", token, "token=" + token + ",", "token=" + token + " x",
		"token=" + token + ";", "token:" + token, "token =" + token, "Basic token=" + token, "Bearer " + token, "bearer " + token, "Bearer token=" + token,
		"token=" + token + "=", "token=%74" + token,
	} {
		got := b.members[0].dial().send("GET /acs/api/v1/users HTTP/1.1", "Host: x", "Authorization: "+value, "", "").receive("GET")
		expectCode(t, value, got, 401, "ERR_UNAUTHENTICATED")
		if got.header.Get("WWW-Authenticate") != "acsjwt" {
			t.Errorf("%s: challenge %q", value, got.header.Get("WWW-Authenticate"))
		}
	}
}

// hostileTokenPlaces: a token elsewhere is no token.
func hostileTokenPlaces(t *testing.T, b *bed) {
	m := b.members[0]
	token := tokenFor("root")
	expect(t, "query", m.call("GET", "/acs/api/v1/users?token="+token+"&access_token="+token, "", ""), 401)
	expect(t, "body", m.call("POST", "/gatehouse/v1/super", "", `{"token":"`+token+`"}`), 401)
	expect(t, "form", m.call("POST", "/gatehouse/v1/super", "", `access_token=`+token, "Content-Type: application/x-www-form-urlencoded"), 401)
	expect(t, "proxy header", m.call("GET", "/acs/api/v1/users", "", "", "Proxy-Authorization: token="+token), 401)
	expect(t, "other cookie", m.call("GET", "/acs/api/v1/users", "", "", "Cookie: dcos-acs-info-cookie="+token), 401)
}

func TestPublicRowsIgnoreEveryCredential(t *testing.T) {
	b := newBed(t, 2)
	for _, value := range []string{"token=", "token=garbage", "Basic x", "Bearer x", "token=" + tokenFor("nobody")} {
		for _, m := range b.members {
			expect(t, "login with "+value, m.call("POST", "/acs/api/v1/auth/login?target=x&_timestamp=1", "", `{"uid":"a"}`, "Authorization: "+value), 200)
			expect(t, "jwks with "+value, m.call("GET", "/acs/api/v1/auth/jwks", "", "", "Authorization: "+value, "Cookie: "+authCookie+"=x"), 200)
		}
	}
	got := b.members[0].dial().send("GET /acs/api/v1/auth/jwks HTTP/1.1", "Host: x", "Authorization: a", "Authorization: b", "", "").receive("GET")
	expect(t, "two headers", got, 200)
}

func TestBearerIsAnOption(t *testing.T) {
	b := newBed(t, 1, func(o *Options) { o.AcceptBearer, o.Edition = true, Open })
	m := b.members[0]
	expect(t, "Bearer", m.call("GET", "/acs/api/v1/users", "", "", "Authorization: Bearer "+tokenFor("alice")), 200)
	got := m.call("GET", "/acs/api/v1/users", "", "", "Authorization: bearer "+tokenFor("alice"))
	expect(t, "bearer", got, 401)
	if c := got.header.Get("WWW-Authenticate"); c != "oauthjwt" {
		t.Errorf("challenge of the open edition: %q", c)
	}
	if c := m.call("POST", "/acs/api/v1/auth/login", "", `{"uid":"wrong"}`).header.Get("WWW-Authenticate"); c != "acsjwt" {
		t.Errorf("challenge of a failed login: %q", c)
	}
}
