package iamapi

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/apitest"
)

const (
	oidcPath = "/acs/api/v1/auth/oidc/providers"
	samlPath = "/acs/api/v1/auth/saml/providers"

	samlMetadata = `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example"/>`
)

func dex(secret string) string {
	return apitest.Object("description", "Dex", "issuer", "https://dex.example/dex", "base_url", "https://dcos.example/",
		"client_id", "gatehouse", "client_secret", secret)
}

func adfs() string {
	return apitest.Object("description", "ADFS", "idp_metadata", samlMetadata, "sp_base_url", "https://dcos.example")
}

// providerSteps is the part of the script that configures identity providers.
func providerSteps(send func(route, method, path, body string) step, get func(route, path string) step) []step {
	return []step{
		send("iam.auth.oidc.create", "PUT", oidcPath+"/dex", dex("s3cret")),
		send("iam.auth.oidc.create", "PUT", oidcPath+"/dex", dex("s3cret")),
		send("iam.auth.oidc.create", "PUT", oidcPath+"/other", apitest.Object("description", "")),
		send("iam.auth.oidc.create", "PUT", oidcPath+"/other", strings.Replace(dex("x"), "https://dex", "dex", 1)),
		get("iam.auth.oidc.get", oidcPath+"/dex"),
		get("iam.auth.oidc.get", oidcPath+"/nobody"),
		get("iam.auth.oidc.providers", oidcPath),
		send("iam.auth.oidc.update", "PATCH", oidcPath+"/dex", `{"description":"","issuer":"https://new.example","verify_server_certificate":false}`),
		send("iam.auth.oidc.update", "PATCH", oidcPath+"/nobody", `{}`),
		get("iam.auth.oidc.get", oidcPath+"/dex"),
		{route: "iam.auth.start", Call: apitest.Call{Method: "GET", Path: loginPath + "?oidc-provider=dex"}},
		send("iam.auth.oidc.delete", "DELETE", oidcPath+"/dex", ""),
		send("iam.auth.oidc.delete", "DELETE", oidcPath+"/dex", ""),
		send("iam.auth.saml.create", "PUT", samlPath+"/adfs", adfs()),
		send("iam.auth.saml.create", "PUT", samlPath+"/other", strings.Replace(adfs(), "entityID", "id", 1)),
		get("iam.auth.saml.get", samlPath+"/adfs"),
		get("iam.auth.saml.providers", samlPath),
		send("iam.auth.saml.update", "PATCH", samlPath+"/adfs", apitest.Object("description", "Active Directory")),
		get("iam.auth.saml.get", samlPath+"/adfs"),
		send("iam.auth.saml.delete", "DELETE", samlPath+"/adfs", ""),
		get("iam.auth.saml.get", samlPath+"/adfs"),
	}
}

func TestProvidersAreForSuperusersAlone(t *testing.T) {
	h := crowd(t, 1)
	m := h.leader()
	root := m.rootToken()
	h.Do(command.ApplyChanges{Changes: []command.Change{
		{ACL: &iam.ACL{RID: iam.AdminRouterACS}},
		{Grant: &state.Grant{RID: iam.AdminRouterACS, Principal: "alice", Actions: iam.Full}},
	}})
	delegate := m.tokenOf("alice", "wonderland")
	m.Call(apitest.Call{Method: "PUT", Path: oidcPath + "/dex", JSON: dex("s3cret"), Token: root}).Is(t, http.StatusCreated)
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		for _, path := range []string{oidcPath + "/dex", oidcPath + "/nobody", samlPath + "/nobody"} {
			body := ""
			if method == "PUT" || method == "PATCH" {
				body = dex("x")
			}
			m.Call(apitest.Call{Method: method, Path: path, JSON: body, Token: delegate}).Is(t, http.StatusForbidden)
		}
	}
}

func TestProviderOfTheLastSuperuserCannotBeRemoved(t *testing.T) {
	h := newHouse(t, 1)
	m := h.leader()
	token := m.rootToken()
	do := func(method, path, body string, status int) apitest.Answer {
		t.Helper()
		return m.Call(apitest.Call{Method: method, Path: path, JSON: body, Token: token}).Is(t, status)
	}
	do("PUT", oidcPath+"/dex", dex("s3cret"), http.StatusCreated)
	h.Do(command.ApplyChanges{Changes: []command.Change{
		{User: &iam.User{UID: "carol@example.com", ProviderType: iam.OIDC, ProviderID: "dex"}},
		{User: &iam.User{UID: "lost@example.com", ProviderType: iam.OIDC, ProviderID: "gone"}},
		{Member: &state.Membership{GID: iam.SuperuserGroup, UID: "carol@example.com"}},
		{Member: &state.Membership{GID: iam.SuperuserGroup, UID: "lost@example.com"}},
	}})
	for u := range m.State().Users() {
		if u.UID != root && !u.Remote() && iam.Superuser(m.State(), u.UID) {
			do("DELETE", usersPath+"/"+u.UID, "", http.StatusNoContent)
		}
	}
	do("DELETE", usersPath+"/"+root, "", http.StatusNoContent)
	if _, ok := m.State().User(root); ok {
		t.Fatal("the local superuser was not deleted")
	}
	// Nobody is left with a password here: only the cluster itself could remove the provider now.
	_, err := h.Try(command.DeleteProvider{Type: iam.OIDC, ID: "dex"})
	if !fault.Is(err, fault.NoMoreSuperusers) {
		t.Errorf("%v, want %s", err, fault.NoMoreSuperusers)
	}
	_, err = h.Try(command.DeleteUser{UID: "carol@example.com"})
	if !fault.Is(err, fault.NoMoreSuperusers) {
		t.Errorf("%v, want %s: the other superuser's provider is not configured", err, fault.NoMoreSuperusers)
	}
}

func TestClientSecretsStayOutOfLogAndAudit(t *testing.T) {
	h := newHouse(t, 1)
	m := h.leader()
	token := m.rootToken()
	const secret = "planted-client-secret"
	m.Call(apitest.Call{Method: "PUT", Path: oidcPath + "/dex", JSON: dex(secret), Token: token}).Is(t, http.StatusCreated)
	m.Call(apitest.Call{Method: "PATCH", Path: oidcPath + "/dex", JSON: apitest.Object("client_secret", secret+"2"), Token: token}).Is(t, http.StatusNoContent)
	m.Call(apitest.Call{Method: "PATCH", Path: oidcPath + "/dex", JSON: apitest.Object("client_secret", secret, "ca_certs", "junk"), Token: token}).Is(t, http.StatusBadRequest)
	got := m.Call(apitest.Call{Method: "GET", Path: oidcPath + "/dex", Token: token}).Is(t, http.StatusOK)
	if !strings.Contains(got.Body, secret+"2") {
		t.Errorf("%s lacks the client secret", got.Body)
	}
	for _, entry := range h.Log() {
		if strings.Contains(string(entry), secret) {
			t.Error("the log holds the client secret in clear")
		}
	}
	if strings.Contains(m.Logs.String()+m.Audits.String(), secret) {
		t.Error("a log line holds the client secret")
	}
}

// The contract accepts metadata that no login can work with; whoever runs the cluster is told.
func TestMetadataThatIsNoUseYetIsWarnedOf(t *testing.T) {
	h := newHouse(t, 1)
	m := h.leader()
	token := m.rootToken()
	warnings := func() int { return strings.Count(m.Logs.String(), "nobody can log in through this provider yet") }
	m.Call(apitest.Call{Method: "PUT", Path: samlPath + "/adfs", JSON: adfs(), Token: token}).Is(t, http.StatusCreated)
	if n := warnings(); n != 1 || !strings.Contains(m.Logs.String(), `"provider":"adfs"`) {
		t.Errorf("%d warnings, want one of adfs", n)
	}
	m.Call(apitest.Call{Method: "PUT", Path: samlPath + "/adfs", JSON: adfs(), Token: token}).Is(t, http.StatusConflict)
	m.Call(apitest.Call{Method: "PUT", Path: oidcPath + "/dex", JSON: dex("s3cret"), Token: token}).Is(t, http.StatusCreated)
	if n := warnings(); n != 1 {
		t.Errorf("%d warnings, want none of what was refused, nor of OpenID Connect", n)
	}
}
