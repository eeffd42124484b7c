//go:build e2e

package e2e

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// TestHostileSAML holds the cases that need a cluster, a browser and an identity provider.
func TestHostileSAML(t *testing.T) {
	c := shared(t)
	h := samlAt(t, c, c.Masters[0], "saml-hostile", rig.SAMLOptions{NameID: "mail"})
	t.Run("M15", func(t *testing.T) { testSAMLReplay(t, h) })
	t.Run("M16", func(t *testing.T) { testSAMLUnasked(t, h) })
	t.Run("M22", func(t *testing.T) { testSAMLRelayStates(t, h) })
	t.Run("M25", func(t *testing.T) { testSAMLHost(t, h) })
	t.Run("M26", func(t *testing.T) { testSAMLProviderChanges(t, h) })
	t.Run("another service provider", func(t *testing.T) { testSAMLForAnother(t, h) })
	t.Run("changed on the way", func(t *testing.T) { testSAMLTampered(t, h) })
	removeUser(t, c, "alice@example.org")
}

// testSAMLReplay posts an answer that was used again, to every master, with every cookie and without, and fetches a handle twice.
func testSAMLReplay(t *testing.T, h *samlHouse) {
	v := newVisitor(t)
	form := h.authenticate(t, v, h.c.Masters[1], "")
	thief := newVisitor(t)
	page := must[*rig.Page](t)(v.PostFromElsewhere(t.Context(), h.acs(h.c.Masters[2]), form.Fields))
	back := must[string](t)(page.Redirect())
	refusedLogin(t, thief, must[*rig.Page](t)(thief.Get(t.Context(), back)), "This browser has not begun the login")
	loggedIn(t, h.c, v, must[*rig.Page](t)(v.Get(t.Context(), back)), "alice@example.org", "/")
	for _, m := range h.c.Masters {
		refusedLogin(t, thief, must[*rig.Page](t)(thief.PostFromElsewhere(t.Context(), h.acs(m), form.Fields)), "used before")
		address, err := url.Parse(back)
		if err != nil {
			t.Fatal(err)
		}
		if again := must[*rig.Page](t)(v.Get(t.Context(), m.API+address.RequestURI())); again.Status != http.StatusUnauthorized {
			t.Errorf("%s: a handle is taken twice: %d", m.Name, again.Status)
		}
		if again := must[*rig.Page](t)(v.Post(t.Context(), h.acs(m), form.Fields)); again.Status != http.StatusUnauthorized {
			t.Errorf("%s: an answer is taken twice: %d", m.Name, again.Status)
		}
	}
}

// testSAMLUnasked posts answers that nobody asked for: begun by the identity provider, or asked for in another browser.
func testSAMLUnasked(t *testing.T, h *samlHouse) {
	v := newVisitor(t)
	entity := h.base.API + samlPaths + h.id + "/sp-metadata"
	form := must[rig.Form](t)(h.idp.Authenticate(t.Context(), v, h.idp.URL+"saml2/idp/SSOService.php?"+url.Values{"spentityid": {entity}}.Encode(), samlAlice))
	refusedLogin(t, v, must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields)), "")
	form.Fields.Set("RelayState", strings.Repeat("A", 22))
	refusedLogin(t, v, must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields)), "")
	// The answer to somebody else's request, in the browser of a victim that has begun a login of its own.
	form = h.authenticate(t, newVisitor(t), h.c.Masters[0], "")
	victim := newVisitor(t)
	own := h.authenticate(t, victim, h.c.Masters[1], "")
	page := must[*rig.Page](t)(victim.PostFromElsewhere(t.Context(), form.Action, form.Fields))
	refusedLogin(t, victim, must[*rig.Page](t)(victim.Follow(t.Context(), page)), "")
	form.Fields.Set("RelayState", own.Fields.Get("RelayState"))
	refusedLogin(t, victim, must[*rig.Page](t)(victim.Post(t.Context(), form.Action, form.Fields)), "does not belong to the login")
}

func testSAMLRelayStates(t *testing.T, h *samlHouse) {
	for _, state := range []string{"//evil.example", "/\\evil.example", "https://evil.example/", strings.Repeat("a", 10<<10), ""} {
		v := newVisitor(t)
		form := h.authenticate(t, v, h.c.Masters[0], "")
		form.Fields.Set("RelayState", state)
		page := must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields))
		refusedLogin(t, v, page, "")
		if to := page.Header.Get("Location"); to != "" {
			t.Errorf("relay state %.30q leads to %s", state, to)
		}
	}
}

// testSAMLHost asks for our addresses under another name.
func testSAMLHost(t *testing.T, h *samlHouse) {
	for _, leaf := range []string{"/sp-metadata", "/acs-callback-url"} {
		answer := ask(t, h.c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: h.c.Masters[1].API + samlPaths + h.id + leaf, Token: superuser(t, h.c),
			Header: map[string]string{"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Forwarded-Proto": "gopher"}})
		if text := string(answer.Body); strings.Contains(text, "evil") || strings.Contains(text, "gopher") || !strings.Contains(text, h.base.API) {
			t.Errorf("%s: %s", leaf, text)
		}
	}
}

// testSAMLProviderChanges changes, and removes, the provider between the start and the answer of a login.
func testSAMLProviderChanges(t *testing.T, h *samlHouse) {
	address := h.base.API + samlPaths + h.id
	v := newVisitor(t)
	form := h.authenticate(t, v, h.c.Masters[0], "")
	ask(t, h.c, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: address, Token: superuser(t, h.c), Body: map[string]string{"description": "changed", "idp_metadata": "", "sp_base_url": ""}})
	refusedLogin(t, v, must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields)), "changed or removed")
	v = newVisitor(t)
	form = h.authenticate(t, v, h.c.Masters[0], "")
	page := must[*rig.Page](t)(v.PostFromElsewhere(t.Context(), form.Action, form.Fields))
	ask(t, h.c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: address, Token: superuser(t, h.c)})
	refusedLogin(t, v, must[*rig.Page](t)(v.Follow(t.Context(), page)), "changed or removed")
	refusedLogin(t, v, must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields)), "changed or removed")
	h.configure(t, http.MethodPut, http.StatusCreated)
	refusedLogin(t, v, must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields)), "")
}

// testSAMLForAnother takes the answer to one provider's assertion consumer service to that of another one, which trusts the same
// identity provider.
func testSAMLForAnother(t *testing.T, h *samlHouse) {
	other := &samlHouse{h.c, h.idp, "saml-other", h.c.Masters[1]}
	other.configure(t, http.MethodPut, http.StatusCreated)
	other.introduce(t)
	v := newVisitor(t)
	form := h.authenticate(t, v, h.c.Masters[0], "")
	refusedLogin(t, v, must[*rig.Page](t)(v.Post(t.Context(), other.acs(other.base), form.Fields)), "")
	own := other.authenticate(t, v, h.c.Masters[0], "")
	own.Fields.Set("SAMLResponse", form.Fields.Get("SAMLResponse"))
	refusedLogin(t, v, must[*rig.Page](t)(v.Post(t.Context(), own.Action, own.Fields)), "")
	ask(t, h.c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: h.base.API + samlPaths + other.id, Token: superuser(t, h.c)})
}

// testSAMLTampered changes answers on their way, and asks as a program, which is told in JSON.
func testSAMLTampered(t *testing.T, h *samlHouse) {
	v := newVisitor(t)
	form := h.authenticate(t, v, h.c.Masters[2], "")
	genuine := string(must[[]byte](t)(base64.StdEncoding.DecodeString(form.Fields.Get("SAMLResponse"))))
	for _, change := range [][2]string{{"alice@example.org", "admin@example.org"}, {"<ds:Signature ", "<ds:Other "}, {"<samlp:Response ", "<!DOCTYPE a><samlp:Response "}} {
		changed := strings.ReplaceAll(genuine, change[0], change[1])
		fields := url.Values{"RelayState": form.Fields["RelayState"], "SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(changed))}}
		answer := must[rig.Answer](t)(h.c.Client.Do(t.Context(), rig.Request{Method: http.MethodPost, URL: form.Action, Body: []byte(fields.Encode()),
			Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}))
		if e := jsonError(t, answer.Body); answer.Status != http.StatusUnauthorized || e.Code != "ERR_SSO_FAILED" || !strings.HasPrefix(e.Description, "SAML SSO authentication not successful. ") {
			t.Errorf("%s: status %d: %s", change[1], answer.Status, answer.Body)
		}
		if got := answer.Header.Values("Set-Cookie"); strings.Contains(strings.Join(got, " "), "dcos-acs-auth-cookie=ey") {
			t.Errorf("%s: sets %v", change[1], got)
		}
	}
	// None of that used the login up.
	loggedIn(t, h.c, v, must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields)), "alice@example.org", "/")
	for _, m := range h.c.Masters {
		if log := m.Log(); strings.Contains(log, form.Fields.Get("SAMLResponse")[:64]) || strings.Contains(log, form.Fields.Get("RelayState")) || strings.Contains(log, samlAlice.Password) {
			t.Errorf("%s has written what passes through a login to its log", m.Name)
		}
	}
}

// A new leader does not know which answers the last one took: it refuses those to requests of before its term.
func TestASAMLLoginDoesNotSurviveTheLeader(t *testing.T) {
	c := start(t, rig.Options{})
	leader := leaderOf(t, c)
	base := c.Followers(leader)[0]
	h := samlAt(t, c, base, "saml-leader", rig.SAMLOptions{NameID: "mail"})
	v := newVisitor(t)
	form := h.authenticate(t, v, base, "")
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitHealthy(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	refusedLogin(t, v, must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields)), "another leader")
	v = newVisitor(t)
	for range c.Running() {
		page := h.login(t, v, base, base, "/again")
		if page.Header.Get("Location") != "/again" {
			t.Fatalf("a new login: status %d: %s", page.Status, page.Body)
		}
	}
}

// The identity provider changes its key: with both certificates configured nobody notices.
func TestSAMLKeysRollOver(t *testing.T) {
	c := shared(t)
	h := samlAt(t, c, c.Masters[2], "saml-keys", rig.SAMLOptions{NameID: "mail"})
	login := func() *rig.Page {
		v := newVisitor(t)
		form := h.authenticate(t, v, c.Masters[0], "")
		return must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields))
	}
	set := func(o rig.SAMLOptions) {
		o.NameID, o.Users = "mail", []rig.SAMLUser{samlAlice}
		if err := h.idp.Configure(o); err != nil {
			t.Fatal(err)
		}
	}
	want := func(step string, status int) {
		if page := login(); page.Status != status {
			t.Errorf("%s: status %d, want %d: %s", step, page.Status, status, page.Body)
		}
	}
	want("first key", http.StatusSeeOther)
	set(rig.SAMLOptions{Key: 1})
	want("second key, unknown", http.StatusUnauthorized)
	set(rig.SAMLOptions{BothKeys: true, SignResponse: true})
	h.configure(t, http.MethodPatch, http.StatusNoContent)
	want("first key of two, response signed too", http.StatusSeeOther)
	set(rig.SAMLOptions{Key: 1, BothKeys: true, SignResponse: true})
	want("second key of two, response signed too", http.StatusSeeOther)
	set(rig.SAMLOptions{Key: 1})
	h.configure(t, http.MethodPatch, http.StatusNoContent)
	want("second key alone", http.StatusSeeOther)
	set(rig.SAMLOptions{})
	want("first key, gone", http.StatusUnauthorized)
	removeUser(t, c, "alice@example.org")
}
