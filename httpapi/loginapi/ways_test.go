//go:build moving

package loginapi

func TestProvidersFollowTheEdition(t *testing.T) {
	for edition, want := range map[httpapi.Edition][]string{
		httpapi.Enterprise: {"dcos-services", "dcos-users"},
		httpapi.Open:       {"dcos-oidc-auth0", "dcos-services", "dcos-users"},
	} {
		h := newHouse(t, 1, func(o *Options) { o.Edition = edition })
		var got map[string]loginWay
		h.leader().do(call{method: "GET", path: "/acs/api/v1/auth/providers", header: map[string]string{"Authorization": "token="}}).ok(t, http.StatusOK).into(t, &got)
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", edition, got, want)
		}
		for _, id := range want {
			if got[id].AuthenticationType == "" {
				t.Errorf("%s lacks %s", edition, id)
			}
		}
	}
}

func TestProviderListsAndKeysAreAnsweredWithoutACluster(t *testing.T) {
	h := newHouse(t, 1)
	h.down = true
	for _, path := range []string{"/auth/oidc/providers", "/auth/saml/providers/"} {
		if got := h.leader().look(path).ok(t, http.StatusOK); got.body != "{}\n" {
			t.Errorf("GET %s: %q, want {}", path, got.body)
		}
	}
	h.leader().look("/auth/jwks").ok(t, http.StatusOK)
	h.leader().look("/auth/providers").ok(t, http.StatusOK)
	h.leader().look("/auth/logout").ok(t, http.StatusOK)
}

func TestLogoutClearsOneCookie(t *testing.T) {
	h := newHouse(t, 1)
	got := h.leader().look("/auth/logout").ok(t, http.StatusOK)
	want := `dcos-acs-auth-cookie=""; Path=/; Expires=Sat, 01 Jan 2000 00:00:00 GMT; HttpOnly`
	if cookies := got.header["Set-Cookie"]; len(cookies) != 1 || cookies[0] != want {
		t.Errorf("cookies %q, want one: %q", cookies, want)
	}
	if got.body != "" {
		t.Errorf("body %q, want none", got.body)
	}
}
