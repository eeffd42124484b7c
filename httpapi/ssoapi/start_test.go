package ssoapi

import (
	"net/http"
	"testing"

	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
)

const startPath = "/acs/api/v1/auth/login"

func TestStartOfALoginKnowsNoProvider(t *testing.T) {
	h := apitest.New(t, apitest.Options{Routes: func(*apitest.Master) []httpapi.Route { return New(Options{}) }})
	browser := map[string]string{"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
	get := func(query string, header map[string]string) apitest.Answer {
		return h.Leader().Call(apitest.Call{Method: http.MethodGet, Path: startPath + query, Header: header})
	}
	for _, query := range []string{"", "?", "?target=/x", "?oidc-provider=&saml-provider="} {
		get(query, browser).Fails(t, 400, "ERR_MISSING_QUERY_PARAMETERS", "Expected query parameter `oidc-provider` or `saml-provider`.")
	}
	got := get("?saml-provider=b&oidc-provider=a%20%22%0d%0aX:&target=//evil", browser).Is(t, http.StatusSeeOther)
	want := "/?iam-error=The%20login%20provider%20with%20ID%20%27a%20%22%0D%0AX%3A%27%20is%20not%20known"
	if location := got.Header.Get("Location"); location != want {
		t.Errorf("Location is %q, want %q", location, want)
	}
	get("?saml-provider=b", nil).Fails(t, 400, "", "The login provider with ID 'b' is not known")
}
