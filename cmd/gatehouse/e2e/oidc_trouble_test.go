//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// TestCertificatesOfOpenIDProvidersAreVerified configures the wrong authority and none, sees what is said, and then gives up
// verification.
func TestCertificatesOfOpenIDProvidersAreVerified(t *testing.T) {
	c := startCompany(t, rig.OIDCOptions{})
	other := must[*rig.Authority](t)(rig.NewAuthority("another authority"))
	for name, ca := range map[string]any{"another authority": string(other.PEM), "no authority": nil} {
		t.Run(name, func(t *testing.T) {
			c := *c
			c.id += "-refused"
			c.configure(t, map[string]any{"ca_certs": ca})
			page := c.begin(t, c.visitor(t), c.cluster.Masters[0], "")
			if page.Status < 400 || strings.Contains(page.Body, "x509") {
				t.Errorf("start: %d %s", page.Status, page.Body)
			}
			c.awaitLog(t, "put the authority that signed the provider's certificate into ca_certs")
		})
	}
	t.Run("without verification", func(t *testing.T) {
		c.configure(t, map[string]any{"ca_certs": nil, "verify_server_certificate": false})
		c.remove(t, "nomail")
		if page := c.login(t, c.visitor(t), c.cluster.Masters[0], "", "nomail"); page.Status != http.StatusSeeOther {
			t.Errorf("%d %s", page.Status, page.Body)
		}
	})
}

// awaitLog waits until a master has written text into its log.
func (c *openIDCompany) awaitLog(t *testing.T, text string) {
	t.Helper()
	await(t, quick, "a line in a log", func(context.Context) error {
		for _, m := range c.cluster.Masters {
			for line := range strings.Lines(m.Log()) {
				if strings.Contains(line, c.id) && strings.Contains(line, text) {
					return nil
				}
			}
		}
		return fmt.Errorf("no line has %q", text)
	})
}

// TestAProviderThatIsDownHoldsUpNobody stops it before and within logins.
func TestAProviderThatIsDownHoldsUpNobody(t *testing.T) {
	c := startCompany(t, rig.OIDCOptions{})
	c.configure(t, nil)
	v := c.visitor(t)
	back := c.sentBack(t, v, c.cluster.Masters[0], "", "nomail")
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	page := must[*rig.Page](t)(v.Get(t.Context(), back.String()))
	if page.Status < 400 || authToken(page) != "" {
		t.Errorf("callback: %d %s", page.Status, page.Body)
	}
	if took := time.Since(began); took > quick {
		t.Errorf("the callback took %v", took)
	}
	c.awaitLog(t, "identity provider cannot be asked")
	// A provider that nobody can reach can be configured, and others log in.
	c.id += "-unknown"
	c.configure(t, nil)
	for _, m := range c.cluster.Masters {
		began := time.Now()
		if page := c.begin(t, c.visitor(t), m, ""); page.Status < 400 {
			t.Errorf("start at %s: %d %s", m.Name, page.Status, page.Body)
		}
		must[string](t)(c.cluster.Client.Login(t.Context(), m.API, rig.Superuser, rig.SuperuserPassword))
		if took := time.Since(began); took > quick {
			t.Errorf("at %s that took %v", m.Name, took)
		}
	}
	// Once it is back, so are logins.
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.remove(t, "nomail")
	await(t, 2*quick, "a login", func(ctx context.Context) error {
		v := c.visitor(t)
		page, err := v.Get(ctx, c.cluster.Masters[0].API+"/acs/api/v1/auth/login?oidc-provider="+c.id)
		if err != nil {
			return err
		}
		if page, err = c.LogIn(ctx, v, page, "nomail"); err != nil {
			return err
		}
		to, err := page.Redirect()
		if err != nil {
			return err
		}
		if page, err = v.Get(ctx, to); err == nil && page.Status != http.StatusSeeOther {
			err = fmt.Errorf("callback: %d %s", page.Status, page.Body)
		}
		return err
	})
}

// TestAProviderCanBeTestedBeforeAnybodyLogsIn asks for what a login needs.
func TestAProviderCanBeTestedBeforeAnybodyLogsIn(t *testing.T) {
	c := startCompany(t, rig.OIDCOptions{})
	c.configure(t, nil)
	var result struct {
		OK     bool
		Checks []struct {
			Name, Detail string
			OK           bool
		}
	}
	test := func() {
		t.Helper()
		answer := ask(t, c.cluster, http.StatusOK, rig.Request{Method: http.MethodPost, URL: c.cluster.Masters[2].API + "/gatehouse/v1/providers/" + c.id + "/test",
			Token: superuser(t, c.cluster)})
		decode(t, answer.Body, &result)
	}
	if test(); !result.OK || len(result.Checks) != 4 {
		t.Errorf("the provider is right: %+v", result)
	}
	ask(t, c.cluster, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: c.cluster.Masters[0].API + "/acs/api/v1/auth/oidc/providers/" + c.id,
		Token: superuser(t, c.cluster), Body: map[string]any{"client_secret": "wrong"}})
	if test(); result.OK {
		t.Errorf("the secret is wrong: %+v", result)
	}
}
