//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// ssoHouse is a cluster of its own with an OpenID provider, to which browsers come back at the master back.
type ssoHouse struct {
	c    *rig.Cluster
	p    *rig.OIDCProvider
	back *rig.Master
}

// newSSOHouse starts both and makes them know each other.
func newSSOHouse(t *testing.T) *ssoHouse {
	t.Helper()
	c := start(t, rig.Options{Flags: []string{"--allow-insecure-providers"}}) // that of the test is on loopback
	h := &ssoHouse{c: c, back: c.Followers(leaderOf(t, c))[1]}
	h.p = must[*rig.OIDCProvider](t)(rig.StartOIDCProvider(t.Context(), t.TempDir(), rig.OIDCOptions{
		RedirectURIs: []string{h.back.API + "/acs/api/v1/auth/oidc/callback"},
		Accounts:     map[string]map[string]any{"alice": {"email": "alice@example.com", "email_verified": true}},
	}))
	t.Cleanup(h.p.Close)
	ask(t, c, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: h.provider(), Token: superuser(t, c), Body: h.p.Configuration(h.back.API)})
	return h
}

func (h *ssoHouse) provider() string { return h.back.API + "/acs/api/v1/auth/oidc/providers/company" }

func (h *ssoHouse) visitor(t *testing.T) *rig.Visitor {
	t.Helper()
	v := must[*rig.Visitor](t)(rig.NewVisitor(h.p.Authority.PEM))
	t.Cleanup(v.Close)
	return v
}

// sentBack goes from a master through the provider, to the address at which the browser comes back.
func (h *ssoHouse) sentBack(t *testing.T, v *rig.Visitor, from *rig.Master, target string) string {
	t.Helper()
	q := url.Values{"oidc-provider": {"company"}}
	if target != "" {
		q.Set("target", target)
	}
	page := must[*rig.Page](t)(v.Get(t.Context(), from.API+"/acs/api/v1/auth/login?"+q.Encode()))
	if page.Status != http.StatusFound {
		t.Fatalf("start: status %d: %s", page.Status, page.Body)
	}
	page = must[*rig.Page](t)(h.p.LogIn(t.Context(), v, page, "alice"))
	return must[string](t)(page.Redirect())
}

// other is a master that the browser neither comes back to nor leads.
func (h *ssoHouse) other(t *testing.T) *rig.Master {
	t.Helper()
	for _, m := range h.c.Followers(leaderOf(t, h.c)) {
		if m != h.back {
			return m
		}
	}
	t.Fatal("no other follower")
	return nil
}

// A login that began at one follower ends at another one, once, and writes nothing when the user is known. A new configuration of the
// provider, and a new leader, end the logins that are under way, and no others.
func TestALoginThroughAProviderEndsOnceAndInItsTerm(t *testing.T) {
	h := newSSOHouse(t)
	v := h.visitor(t)
	back := h.sentBack(t, v, h.other(t), "/x")
	page := must[*rig.Page](t)(v.Get(t.Context(), back))
	if page.Status != http.StatusSeeOther || page.Header.Get("Location") != "/x" {
		t.Fatalf("the first login: status %d: %s", page.Status, page.Body)
	}
	h.refused(t, must[*rig.Page](t)(v.Get(t.Context(), back)), "has not begun the login") // its cookie is gone
	h.knownUserWritesNothing(t)

	v = h.visitor(t)
	back = h.sentBack(t, v, h.other(t), "")
	ask(t, h.c, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: h.provider(), Token: superuser(t, h.c), Body: map[string]any{"description": "new"}})
	h.refused(t, must[*rig.Page](t)(v.Get(t.Context(), back)), "changed or removed")

	v = h.visitor(t)
	back = h.sentBack(t, v, h.other(t), "")
	if err := leaderOf(t, h.c).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := h.c.AwaitHealthy(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	h.refused(t, must[*rig.Page](t)(v.Get(t.Context(), back)), "another leader")
	if page = must[*rig.Page](t)(v.Get(t.Context(), h.sentBack(t, v, h.back, ""))); page.Status != http.StatusSeeOther {
		t.Errorf("a new login: status %d: %s", page.Status, page.Body)
	}
}

func (h *ssoHouse) refused(t *testing.T, page *rig.Page, why string) {
	t.Helper()
	if page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, why) {
		t.Errorf("status %d, want 401 and %q: %s", page.Status, why, page.Body)
	}
	for _, c := range (&http.Response{Header: page.Header}).Cookies() {
		if c.MaxAge >= 0 {
			t.Errorf("a refusal sets the cookie %s", c.Name)
		}
	}
}

// knownUserWritesNothing: what else the cluster writes may come between, so one login of some must come without an entry.
func (h *ssoHouse) knownUserWritesNothing(t *testing.T) {
	t.Helper()
	index := func() uint64 {
		return ask(t, h.c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(h.back, rig.Superuser), Token: superuser(t, h.c)}).Index
	}
	for range 5 {
		v := h.visitor(t)
		before := index()
		page := must[*rig.Page](t)(v.Get(t.Context(), h.sentBack(t, v, h.other(t), "")))
		if page.Status != http.StatusSeeOther {
			t.Fatalf("status %d: %s", page.Status, page.Body)
		}
		if index() == before {
			return
		}
	}
	t.Error("the log grew with every one of five logins of a known user")
}

// tokenText finds a token in a page.
var tokenText = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)

// listed is the provider in the list that command lines choose from. Masters answer that by themselves, so a new one appears a little later.
func (h *ssoHouse) listed(t *testing.T) (entry listEntry) {
	t.Helper()
	await(t, 20*time.Second, "the provider is in the list", func(ctx context.Context) error {
		answer, err := h.c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: h.back.API + "/acs/api/v1/auth/providers"})
		if err != nil {
			return err
		}
		var list map[string]listEntry
		if err := json.Unmarshal(answer.Body, &list); err != nil {
			return err
		}
		var ok bool
		if entry, ok = list["company"]; !ok {
			return errors.New("it is not")
		}
		return nil
	})
	return entry
}

// listEntry is what command lines read of a provider.
type listEntry struct {
	Method string `json:"client-method"`
	Config struct {
		Start string `json:"start_flow_url"`
	} `json:"config"`
}

// TestTheDCOSCommandLineLogsInThroughAProvider does what the dcos command line does with a provider of the method
// browser-prompt-authtoken (contract 5.1, 5.2, 8): it opens the URL that the list has, takes the token that a person copies from the
// page, and tries it.
func TestTheDCOSCommandLineLogsInThroughAProvider(t *testing.T) {
	h := newSSOHouse(t)
	entry := h.listed(t)
	if entry.Method != "browser-prompt-authtoken" {
		t.Fatalf("the provider is listed as %+v", entry)
	}
	v := h.visitor(t)
	page := must[*rig.Page](t)(v.Get(t.Context(), h.back.API+entry.Config.Start))
	page = must[*rig.Page](t)(h.p.LogIn(t.Context(), v, page, "alice"))
	page = must[*rig.Page](t)(v.Get(t.Context(), must[string](t)(page.Redirect())))
	token := tokenText.FindString(page.Body)
	if page.Status != http.StatusOK || token == "" || len(page.Header["Set-Cookie"]) != 0 {
		t.Fatalf("the token page: status %d, %v: %s", page.Status, page.Header, page.Body)
	}
	for _, m := range h.c.Masters {
		got := must[rig.Answer](t)(h.c.Client.Do(t.Context(), rig.Request{Method: http.MethodHead, URL: m.API + "/pkgpanda/active.buildinfo.full.json", Token: token}))
		if got.Status != http.StatusOK && got.Status != http.StatusForbidden {
			t.Errorf("%s: the token is answered with %d, want 200 or 403", m.Name, got.Status)
		}
	}
}
