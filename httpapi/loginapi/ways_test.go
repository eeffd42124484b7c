package loginapi

import (
	"net/http"
	"testing"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
)

func TestProvidersFollowTheEdition(t *testing.T) {
	for edition, want := range map[httpapi.Edition][]string{
		httpapi.Enterprise: {"dcos-services", "dcos-users"},
		httpapi.Open:       {"dcos-oidc-auth0", "dcos-services", "dcos-users"},
	} {
		h := newHouse(t, 1, func(o *settings) { o.Edition = edition })
		var got map[string]loginWay
		h.Leader().Call(apitest.Call{Method: "GET", Path: "/acs/api/v1/auth/providers", Header: map[string]string{"Authorization": "token="}}).Is(t, http.StatusOK).Into(t, &got)
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
	h.Down(true)
	for _, path := range []string{"/auth/oidc/providers", "/auth/saml/providers/"} {
		if got := h.Leader().look(path).Is(t, http.StatusOK); got.Body != "{}\n" {
			t.Errorf("GET %s: %q, want {}", path, got.Body)
		}
	}
	h.Leader().look("/auth/jwks").Is(t, http.StatusOK)
	h.Leader().look("/auth/providers").Is(t, http.StatusOK)
	h.Leader().look("/auth/logout").Is(t, http.StatusOK)
}

func TestLogoutClearsOneCookie(t *testing.T) {
	h := newHouse(t, 1)
	got := h.Leader().look("/auth/logout").Is(t, http.StatusOK)
	want := `dcos-acs-auth-cookie=""; Path=/; Expires=Sat, 01 Jan 2000 00:00:00 GMT; HttpOnly`
	if cookies := got.Header["Set-Cookie"]; len(cookies) != 1 || cookies[0] != want {
		t.Errorf("cookies %q, want one: %q", cookies, want)
	}
	if got.Body != "" {
		t.Errorf("body %q, want none", got.Body)
	}
}

func (m *master) look(path string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodGet, Path: prefix + path})
}

func TestConfiguredProvidersAreWaysToLogIn(t *testing.T) {
	h := newHouse(t, 1)
	h.Do(command.CreateProvider{Provider: iam.Provider{ID: "dex", Description: "Dex é <&>", OIDC: &iam.OIDCProvider{
		Issuer: "https://dex.example.com/", BaseURL: "https://c.example.com", ClientID: "me", SealedSecret: []byte("sealed")}}})
	h.Do(command.CreateProvider{Provider: iam.Provider{ID: "shib", Description: "Shibboleth", SAML: &iam.SAMLProvider{
		Metadata: "<EntityDescriptor/>", BaseURL: "https://c.example.com"}}})
	var got map[string]loginWay
	h.Leader().look("/auth/providers").Is(t, http.StatusOK).Into(t, &got)
	for id, want := range map[string]loginWay{
		"dex": {"oidc-authorization-code-flow", "Dex é <&>", "browser-prompt-authtoken",
			providerConfig{"/acs/api/v1/auth/login?oidc-provider=dex&target=dcos:authenticationresponse:html"}},
		"shib": {"saml-sp-initiated", "Shibboleth", "browser-prompt-authtoken",
			providerConfig{"/acs/api/v1/auth/login?saml-provider=shib&target=dcos:authenticationresponse:html"}},
		"dcos-users": usersProvider, "dcos-services": servicesProvider,
	} {
		if got[id] != want {
			t.Errorf("%s is %+v, want %+v", id, got[id], want)
		}
	}
}
