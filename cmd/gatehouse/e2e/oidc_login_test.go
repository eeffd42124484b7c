//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// TestAnOpenIDLoginGoesThroughEveryMaster starts at one master, comes back to another, and is good for a third (hostile O15).
func TestAnOpenIDLoginGoesThroughEveryMaster(t *testing.T) {
	c := startCompany(t, rig.OIDCOptions{})
	c.configure(t, nil)
	v := c.visitor(t)
	page := c.login(t, v, c.cluster.Masters[0], "&target=/services", "alice")
	if page.Status != http.StatusSeeOther || page.Header.Get("Location") != "/services" {
		t.Fatalf("callback: %d to %q, %s", page.Status, page.Header.Get("Location"), page.Body)
	}
	const uid = "alice@example.com"
	c.remove(t, uid)
	ask(t, c.cluster, http.StatusOK, rig.Request{Method: http.MethodGet, URL: ownURL(c.cluster.Masters[2], uid), Token: authToken(page)})
	var record struct {
		Remote   bool   `json:"is_remote"`
		Type     string `json:"provider_type"`
		Provider string `json:"provider_id"`
	}
	answer := ask(t, c.cluster, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(c.cluster.Masters[2], uid), Token: superuser(t, c.cluster)})
	decode(t, answer.Body, &record)
	if !record.Remote || record.Type != "oidc" || record.Provider != c.id {
		t.Errorf("user %s: %s", uid, answer.Body)
	}
	counted(t, c.cluster, `gatehouse_provider_requests_total{result="ok"}`)
	// The user is known now, and comes again without a form: the provider remembers the browser.
	if page = c.login(t, v, c.cluster.Masters[2], "", "nobody-asks"); page.Status != http.StatusSeeOther || page.Header.Get("Location") != "/" {
		t.Errorf("second login: %d to %q, %s", page.Status, page.Header.Get("Location"), page.Body)
	}
}

// remove removes a user that a login creates.
func (c *openIDCompany) remove(t *testing.T, uid string) {
	t.Helper()
	request := rig.Request{Method: http.MethodDelete, URL: userURL(c.cluster.Masters[0], uid), Token: superuser(t, c.cluster)}
	t.Cleanup(func() { _, _ = c.cluster.Client.Do(context.Background(), request) })
}

// TestASubjectThatChangedIsForgottenBySuperusers goes through the command line at one master, and logs in at the others.
func TestASubjectThatChangedIsForgottenBySuperusers(t *testing.T) {
	const uid = "olga@example.com"
	c := startCompany(t, rig.OIDCOptions{})
	c.configure(t, nil)
	c.remove(t, uid)
	d, m := newDesk(t), c.cluster.Masters
	d.login(t, c.cluster, "prod")
	login := func(account string) *rig.Page { return c.login(t, c.visitor(t), m[0], "", account) }
	before := login("olga")
	if before.Status != http.StatusSeeOther {
		t.Fatalf("first login: %d %s", before.Status, before.Body)
	}
	if page := login("olga-anew"); page.Status != http.StatusBadRequest || authToken(page) != "" || !strings.Contains(page.Body, "belongs to another user") {
		t.Errorf("another subject: %d %s", page.Status, page.Body)
	}
	await(t, 30*time.Second, "advice in a log", func(context.Context) error {
		if slices.ContainsFunc(m, func(m *rig.Master) bool { return strings.Contains(m.Log(), "gatehouse user forget-subject "+uid) }) {
			return nil
		}
		return errors.New("no master says what to do")
	})
	d.good(t, "gatehouse user forget-subject "+uid+" "+rig.Superuser)
	page := login("olga-anew")
	if page.Status != http.StatusSeeOther {
		t.Fatalf("the new subject: %d %s", page.Status, page.Body)
	}
	if page := login("olga"); page.Status != http.StatusBadRequest {
		t.Errorf("the subject of before: %d %s", page.Status, page.Body)
	}
	for _, token := range []string{authToken(before), authToken(page)} {
		ask(t, c.cluster, http.StatusOK, rig.Request{Method: http.MethodGet, URL: ownURL(m[2], uid), Token: token})
		ask(t, c.cluster, http.StatusForbidden, rig.Request{Method: http.MethodPost, URL: m[2].API + "/gatehouse/v1/users/" + uid + "/forget-subject", Token: token})
	}
	ask(t, c.cluster, http.StatusBadRequest, rig.Request{Method: http.MethodPost, URL: m[2].API + "/gatehouse/v1/users/nobody-at-all/forget-subject", Token: superuser(t, c.cluster)})
}

// TestWhoAnOpenIDUserIs has the provider put claims into the ID token, and into the answer of its userinfo endpoint.
func TestWhoAnOpenIDUserIs(t *testing.T) {
	for name, o := range map[string]rig.OIDCOptions{
		"claims in the ID token": {ClaimsInIDToken: true, AuthMethod: "client_secret_post", Algorithm: "PS256"},
		"claims at userinfo":     {},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCompany(t, o)
			c.configure(t, nil)
			for _, account := range []string{"mallory", "text"} {
				page := c.login(t, c.visitor(t), c.cluster.Masters[0], "", account)
				if page.Status != http.StatusUnauthorized || authToken(page) != "" {
					t.Errorf("unverified address of %s: %d %s", account, page.Status, page.Body)
				}
			}
			c.remove(t, "nomail")
			page := c.login(t, c.visitor(t), c.cluster.Masters[0], "", "nomail")
			if page.Status != http.StatusSeeOther {
				t.Fatalf("no address: %d %s", page.Status, page.Body)
			}
			ask(t, c.cluster, http.StatusOK, rig.Request{Method: http.MethodGet, URL: ownURL(c.cluster.Masters[2], "nomail"), Token: authToken(page)})
			// A subject that looks like the address of somebody else is nobody.
			if page = c.login(t, c.visitor(t), c.cluster.Masters[0], "", "ceo@example.com"); page.Status != http.StatusUnauthorized {
				t.Errorf("a subject with an @: %d %s", page.Status, page.Body)
			}
		})
	}
}

// TestTheProviderMayChangeItsKeys has masters that know the old key meet tokens of a new one.
func TestTheProviderMayChangeItsKeys(t *testing.T) {
	c := startCompany(t, rig.OIDCOptions{})
	c.configure(t, nil)
	c.remove(t, "nomail")
	login := func(when string) {
		if page := c.login(t, c.visitor(t), c.cluster.Masters[0], "", "nomail"); page.Status != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", when, page.Status, page.Body)
		}
	}
	login("the first key")
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.NewKey(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	login("the second key")
}

// TestSecretsOfOpenIDLoginsStayWhereTheyBelong looks for what a login is made of in everything that masters write.
func TestSecretsOfOpenIDLoginsStayWhereTheyBelong(t *testing.T) {
	c := startCompany(t, rig.OIDCOptions{})
	c.configure(t, nil)
	c.remove(t, "nomail")
	v := c.visitor(t)
	back := c.sentBack(t, v, c.cluster.Masters[0], "", "nomail")
	page := must[*rig.Page](t)(v.Get(t.Context(), back.String()))
	if page.Status != http.StatusSeeOther {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	token := authToken(page)
	secrets := map[string]string{"client secret": rig.OIDCSecret, "code": back.Query().Get("code"), "token": token[strings.LastIndex(token, ".")+1:]}
	for _, m := range c.cluster.Masters {
		for what, secret := range secrets {
			if strings.Contains(m.Log(), secret) {
				t.Errorf("the %s is in the log of %s", what, m.Name)
			}
		}
		err := filepath.WalkDir(m.DataDir, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // files come and go
			}
			text, _ := os.ReadFile(path)
			for what, secret := range secrets {
				if strings.Contains(string(text), secret) {
					t.Errorf("the %s is in %s", what, path)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestIDTokensLogIn configures issuer and audience, and trusts the provider's certificate as the system does.
func TestIDTokensLogIn(t *testing.T) {
	p := must[*rig.OIDCProvider](t)(rig.StartOIDCProvider(t.Context(), t.TempDir(), rig.OIDCOptions{Accounts: accounts, ClaimsInIDToken: true}))
	t.Cleanup(p.Close)
	trust := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trust, p.Authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, rig.Options{Masters: 1, Flags: []string{"--allow-insecure-providers", "--id-token-issuer", p.Issuer, "--id-token-audience", rig.OIDCClient},
		Wrap: func(m *rig.Master) { m.Env = append(m.Env, "SSL_CERT_FILE="+trust) }})
	m := c.Masters[0]
	login := func(account string) rig.Answer {
		token := must[string](t)(p.IDToken(t.Context(), account))
		return must[rig.Answer](t)(c.Client.Do(t.Context(), rig.Request{Method: http.MethodPost, URL: m.API + "/acs/api/v1/auth/login", Body: map[string]string{"token": token}}))
	}
	if answer := login("alice"); answer.Status != http.StatusUnauthorized || !strings.Contains(string(answer.Body), "user unknown") {
		t.Errorf("nobody knows alice: %d %s", answer.Status, answer.Body)
	}
	putUser(t, c, m, "alice@example.com", map[string]any{"provider_type": "oidc", "provider_id": p.Issuer})
	answer := login("alice")
	var body struct{ Token string }
	if answer.Status != http.StatusOK || json.Unmarshal(answer.Body, &body) != nil {
		t.Fatalf("login: %d %s", answer.Status, answer.Body)
	}
	ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: ownURL(m, "alice@example.com"), Token: body.Token})
	for account, want := range map[string]string{"mallory": "email_verified", "text": "email_verified", "nomail": "email"} {
		if answer := login(account); answer.Status != http.StatusUnauthorized || !strings.Contains(string(answer.Body), want) || answer.Code != "" {
			t.Errorf("%s: %d %s", account, answer.Status, answer.Body)
		}
	}
	// Keys that were fetched once are good while the issuer is down, for those that it has given tokens to.
	token := must[string](t)(p.IDToken(t.Context(), "alice"))
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	ask(t, c, http.StatusOK, rig.Request{Method: http.MethodPost, URL: m.API + "/acs/api/v1/auth/login", Body: map[string]string{"token": token}})
}

// quick is a bound for what must not wait for a provider: generous, for machines under load.
const quick = 10 * time.Second
