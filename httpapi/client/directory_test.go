package client_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/client"
)

var directory = client.Directory{Host: "ldap.example", Port: 636, LDAPS: true, DNTemplate: "uid=%(username)s", LookupDN: "cn=a", LookupPassword: "hunter2",
	UserSearch:  &client.DirectorySearch{Base: "ou=p", Filter: "(uid=%(username)s)"},
	GroupSearch: &client.DirectoryGroupSearch{Base: "ou=g", Filter: "(cn=%(groupname)s)", MemberAttributes: []string{"member"}}, CACerts: "pem", ClientCert: "hunter2"}

const directoryBody = `{"host":"ldap.example","port":636,"use-ldaps":true,"enforce-starttls":false,"dntemplate":"uid=%(username)s",` +
	`"user-search":{"search-base":"ou=p","search-filter-template":"(uid=%(username)s)"},"lookup-dn":"cn=a","lookup-password":"hunter2",` +
	`"group-search":{"search-base":"ou=g","search-filter-template":"(cn=%(groupname)s)","member-attributes":["member"]},"ca-certs":"pem","client-cert":"hunter2"}`

var company = client.OIDCProvider{Description: "d", Issuer: "https://i", BaseURL: "https://b", ClientID: "c", ClientSecret: "hunter2", CACerts: "pem"}

const companyBody = `{"description":"d","issuer":"https://i","base_url":"https://b","client_id":"c","client_secret":"hunter2","ca_certs":"pem"}`

// changesOfIdentities are the methods about providers and the directory that change something, or ask others.
var changesOfIdentities = []struct {
	request     string
	body        string
	keyed, once bool
	do          func(t *testing.T, c *client.Client) error
}{
	{"PUT /acs/api/v1/auth/oidc/providers/p", companyBody, false, true, func(t *testing.T, c *client.Client) error {
		return c.CreateOIDCProvider(t.Context(), "p", company)
	}},
	{"PATCH /acs/api/v1/auth/oidc/providers/p", companyBody, false, true, func(t *testing.T, c *client.Client) error {
		return c.UpdateOIDCProvider(t.Context(), "p", company)
	}},
	{"PUT /acs/api/v1/auth/saml/providers/p", `{"description":"d","idp_metadata":"x","sp_base_url":"b"}`, true, false, func(t *testing.T, c *client.Client) error {
		return c.CreateSAMLProvider(t.Context(), "p", client.SAMLProvider{Description: "d", Metadata: "x", BaseURL: "b"})
	}},
	{"PATCH /acs/api/v1/auth/saml/providers/p", `{"description":"d","idp_metadata":"","sp_base_url":""}`, true, false, func(t *testing.T, c *client.Client) error {
		return c.UpdateSAMLProvider(t.Context(), "p", client.SAMLProvider{Description: "d"})
	}},
	{"DELETE /acs/api/v1/auth/oidc/providers/p", ``, true, false, func(t *testing.T, c *client.Client) error {
		return c.DeleteProvider(t.Context(), client.OIDC, "p")
	}},
	{"POST /gatehouse/v1/providers/p/test", ``, false, false, func(t *testing.T, c *client.Client) error {
		_, err := c.TestProvider(t.Context(), "p")
		return err
	}},
	{"PUT /acs/api/v1/ldap/config", directoryBody, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.PutDirectory(t.Context(), directory)
		return err
	}},
	{"POST /gatehouse/v1/users/a@b.example/forget-subject", ``, true, false, func(t *testing.T, c *client.Client) error {
		return c.ForgetSubject(t.Context(), "a@b.example")
	}},
	{"DELETE /acs/api/v1/ldap/config", ``, true, false, func(t *testing.T, c *client.Client) error { return c.DeleteDirectory(t.Context()) }},
	{"POST /acs/api/v1/ldap/config/test", `{"password":"p","uid":"u"}`, false, false, func(t *testing.T, c *client.Client) error {
		_, err := c.TestDirectory(t.Context(), "u", "p")
		return err
	}},
	{"POST /acs/api/v1/ldap/importuser", `{"username":"u"}`, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.ImportUser(t.Context(), "u")
		return err
	}},
	{"POST /acs/api/v1/ldap/importgroup", `{"groupname":"g"}`, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.ImportGroup(t.Context(), "g")
		return err
	}},
	{"POST /gatehouse/v1/ldap/sync", `{"force":true}`, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.SyncDirectory(t.Context(), true)
		return err
	}},
}

func TestChangesOfProvidersAndTheDirectoryAreRepeatedWhenThatIsRight(t *testing.T) {
	for _, tt := range changesOfIdentities {
		m := startMaster(t, hangsUp, fine)
		err := tt.do(t, newClient(t, client.Options{Addresses: []string{m.URL}}))
		seen := m.seen()
		if len(seen) == 0 || seen[0].method+" "+seen[0].path != tt.request || seen[0].body != tt.body || (seen[0].key != "") != tt.keyed {
			t.Errorf("asked %+v, want %s with %q, key %t", seen, tt.request, tt.body, tt.keyed)
		}
		if tt.once != client.OutcomeUnknown(err) || tt.once != (len(seen) == 1) || !tt.once && err != nil {
			t.Errorf("%s: %v after %d requests", tt.request, err, len(seen))
		}
	}
}

func TestProvidersAndTheDirectoryAreRead(t *testing.T) {
	_, c := answers(t, map[string]string{
		"GET /acs/api/v1/auth/oidc/providers":   `{"p":"d","a":""}`,
		"GET /acs/api/v1/auth/saml/providers":   `{"s":"SAML"}`,
		"GET /acs/api/v1/auth/oidc/providers/p": companyBody,
		"GET /acs/api/v1/auth/saml/providers/s": `{"description":"SAML","idp_metadata":"x","sp_base_url":"b"}`,
		"GET /acs/api/v1/ldap/config":           directoryBody,
		"GET /gatehouse/v1/ldap/sync":           `{"running":true,"last":null}`,
	})
	list, err := c.Providers(t.Context())
	if diff := cmp.Diff([]client.Provider{{ID: "a", Type: client.OIDC}, {ID: "p", Type: client.OIDC, Description: "d"}, {ID: "s", Type: client.SAML, Description: "SAML"}}, list); err != nil || diff != "" {
		t.Errorf("the list: %v (-want +got)\n%s", err, diff)
	}
	if p, err := c.OIDCProvider(t.Context(), "p"); err != nil || !cmp.Equal(p, company) {
		t.Errorf("an OpenID Connect provider: %v", err)
	}
	if p, err := c.SAMLProvider(t.Context(), "s"); err != nil || p.Metadata != "x" || p.BaseURL != "b" {
		t.Errorf("a SAML provider: %+v, %v", p, err)
	}
	if d, err := c.Directory(t.Context()); err != nil || !cmp.Equal(d, directory) {
		t.Errorf("the directory: %v", err)
	}
	if s, err := c.SyncStatus(t.Context()); err != nil || !s.Running || s.Last != nil {
		t.Errorf("the last synchronisation: %+v, %v", s, err)
	}
}

func TestTheMastersWarnOfADirectoryThatIsNotProtected(t *testing.T) {
	m := startMaster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Gatehouse-Warning", "No TLS.")
		_, _ = w.Write([]byte("{}"))
	}, fine)
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	for _, want := range []string{"No TLS.", ""} {
		if got, err := c.PutDirectory(t.Context(), directory); err != nil || got != want {
			t.Errorf("warned %q, %v; want %q", got, err, want)
		}
	}
}

// The test of a directory answers 502 for a directory that cannot be asked, which is no gateway's.
func TestADirectoryThatCannotBeAskedIsAnAnswer(t *testing.T) {
	test := func(s ...step) (client.DirectoryTest, error) {
		m := startMaster(t, s...)
		return newClient(t, client.Options{Addresses: []string{m.URL}, Patience: -1}).TestDirectory(t.Context(), "u", "p")
	}
	down := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte(`{"code":"DIRECTORY_UNREACHABLE","description":"It is down."}`))
	}
	if got, err := test(down); err != nil || got.Reached || got.OK() || got.Code != "DIRECTORY_UNREACHABLE" || got.Description != "It is down." {
		t.Errorf("unreachable: %+v, %v", got, err)
	}
	passed := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"code":"TEST_PASSED","description":"Fine."}`))
	}
	if got, err := test(passed); err != nil || !got.OK() {
		t.Errorf("passed: %+v, %v", got, err)
	}
	for _, gateway := range []step{balancer(http.StatusBadGateway), says(http.StatusBadGateway, "ERR_X")} {
		if got, err := test(gateway); !client.Unavailable(err) {
			t.Errorf("a gateway: %+v, %v", got, err)
		}
	}
}

func TestAnImportThatRanOutOfTimeIsPartial(t *testing.T) {
	for status, partial := range map[int]bool{http.StatusCreated: false, http.StatusAccepted: true} {
		m := startMaster(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"imported_user_count":3}`))
		})
		got, err := newClient(t, client.Options{Addresses: []string{m.URL}}).ImportGroup(t.Context(), "g")
		if want := (client.GroupImport{GID: "g", Users: 3, Partial: partial}); err != nil || got != want {
			t.Errorf("%d: %+v, %v; want %+v", status, got, err, want)
		}
	}
}

func TestAnImportIsCalledWhatTheDirectoryCallsIt(t *testing.T) {
	for location, want := range map[string]string{"/acs/api/v1/users/carol": "carol", "": "CAROL"} {
		m := startMaster(t, func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{}`))
		})
		c := newClient(t, client.Options{Addresses: []string{m.URL}})
		if uid, err := c.ImportUser(t.Context(), "CAROL"); err != nil || uid != want {
			t.Errorf("the user is %q, %v; want %s", uid, err, want)
		}
		if g, err := c.ImportGroup(t.Context(), "CAROL"); err != nil || g.GID != want {
			t.Errorf("the group is %q, %v; want %s", g.GID, err, want)
		}
	}
}
