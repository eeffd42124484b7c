//go:build e2e

package e2e

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// openIDCompany is an OpenID provider through which people log in to the common cluster. The browser comes back to back.
type openIDCompany struct {
	*rig.OIDCProvider
	cluster *rig.Cluster
	back    *rig.Master
	id      string
}

// accounts of every company of the tests.
var accounts = map[string]map[string]any{
	"alice":   {"email": "alice@example.com", "email_verified": true, "name": "Alice"},
	"mallory": {"email": "root@example.com", "email_verified": false},
	"text":    {"email": "text@example.com", "email_verified": "true"},
	"nomail":  {"name": "Nobody"},
	// The provider calls the same person something else, once it was set up anew.
	"olga":      {"email": "olga@example.com", "email_verified": true},
	"olga-anew": {"email": "olga@example.com", "email_verified": true},
}

// startCompany starts a provider; o needs no redirect URIs.
func startCompany(t *testing.T, o rig.OIDCOptions) *openIDCompany {
	t.Helper()
	c := shared(t)
	back := c.Masters[1]
	o.RedirectURIs = []string{back.API + "/acs/api/v1/auth/oidc/callback"}
	o.Accounts = accounts
	p := must[*rig.OIDCProvider](t)(rig.StartOIDCProvider(t.Context(), t.TempDir(), o))
	t.Cleanup(func() {
		p.Close()
		if t.Failed() {
			t.Logf("the OpenID provider's log:\n%s", p.Log())
		}
	})
	id := strings.NewReplacer("_", "-", ".", "-").Replace(named(t, "idp"))
	return &openIDCompany{p, c, back, id[max(0, len(id)-40):]}
}

// configure makes the cluster know the provider, with these changes of its configuration, for as long as the test runs.
func (c *openIDCompany) configure(t *testing.T, changes map[string]any) {
	t.Helper()
	body := c.Configuration(c.back.API + "/")
	maps.Copy(body, changes)
	maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
	address := c.cluster.Masters[0].API + "/acs/api/v1/auth/oidc/providers/" + c.id
	token := superuser(t, c.cluster)
	ask(t, c.cluster, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: address, Token: token, Body: body})
	t.Cleanup(func() {
		_, _ = c.cluster.Client.Do(context.Background(), rig.Request{Method: http.MethodDelete, URL: address, Token: token})
	})
}

// visitor has no cookies yet.
func (c *openIDCompany) visitor(t *testing.T) *rig.Visitor {
	t.Helper()
	v := must[*rig.Visitor](t)(rig.NewVisitor(c.Authority.PEM))
	t.Cleanup(v.Close)
	return v
}

// begin begins a login at a master and answers where that sends the browser.
func (c *openIDCompany) begin(t *testing.T, v *rig.Visitor, m *rig.Master, query string) *rig.Page {
	t.Helper()
	return must[*rig.Page](t)(v.Get(t.Context(), m.API+"/acs/api/v1/auth/login?oidc-provider="+c.id+query))
}

// sentBack is a login up to the redirect with which the provider sends the browser back.
func (c *openIDCompany) sentBack(t *testing.T, v *rig.Visitor, m *rig.Master, query, account string) *url.URL {
	t.Helper()
	page := c.begin(t, v, m, query)
	if page.Status != http.StatusFound {
		t.Fatalf("start of the login: %d %s", page.Status, page.Body)
	}
	page = must[*rig.Page](t)(c.LogIn(t.Context(), v, page, account))
	return must[*url.URL](t)(page.URL.Parse(page.Header.Get("Location")))
}

// login is a whole login that starts at m. It answers what the callback does, before the browser goes on.
func (c *openIDCompany) login(t *testing.T, v *rig.Visitor, m *rig.Master, query, account string) *rig.Page {
	t.Helper()
	return must[*rig.Page](t)(v.Get(t.Context(), c.sentBack(t, v, m, query, account).String()))
}

// authToken is the token in the cookie that a login has set, or "".
func authToken(page *rig.Page) string {
	for _, c := range (&http.Response{Header: page.Header}).Cookies() {
		if c.Name == "dcos-acs-auth-cookie" {
			return c.Value
		}
	}
	return ""
}
