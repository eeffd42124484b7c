//go:build moving

package ssoapi

func TestStartOfALoginKnowsNoProvider(t *testing.T) {
	h := newHouse(t, 1)
	browser := map[string]string{"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
	for _, query := range []string{"", "?", "?target=/x", "?oidc-provider=&saml-provider="} {
		h.leader().do(call{method: "GET", path: loginPath + query, header: browser}).
			want(t, 400, "ERR_MISSING_QUERY_PARAMETERS", "Expected query parameter `oidc-provider` or `saml-provider`.")
	}
	got := h.leader().do(call{method: "GET", path: loginPath + "?saml-provider=b&oidc-provider=a%20%22%0d%0aX:&target=//evil", header: browser}).ok(t, http.StatusSeeOther)
	want := "/?iam-error=The%20login%20provider%20with%20ID%20%27a%20%22%0D%0AX%3A%27%20is%20not%20known"
	if location := got.header.Get("Location"); location != want {
		t.Errorf("Location is %q, want %q", location, want)
	}
	h.leader().do(call{method: "GET", path: loginPath + "?saml-provider=b"}).want(t, 400, "", "The login provider with ID 'b' is not known")
}
