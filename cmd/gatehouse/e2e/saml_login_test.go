//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

const samlPaths = "/acs/api/v1/auth/saml/providers/"

// samlAlice has an account at the identity provider of every test.
var samlAlice = rig.SAMLUser{Name: "alice", Password: "the-passphrase-of-alice",
	Attributes: map[string][]string{"uid": {"alice"}, "mail": {"alice@example.org"}, "displayName": {"Alice Example"}}}

// samlHouse is a cluster with a SAML identity provider.
type samlHouse struct {
	c    *rig.Cluster
	idp  *rig.SimpleSAML
	id   string      // of the provider
	base *rig.Master // to which the identity provider sends answers
}

// samlAt starts an identity provider and configures it in the cluster, and the reverse. Names of users are that of NameID.
func samlAt(t *testing.T, c *rig.Cluster, base *rig.Master, id string, o rig.SAMLOptions) *samlHouse {
	t.Helper()
	if o.Users == nil {
		o.Users = []rig.SAMLUser{samlAlice}
	}
	idp := must[*rig.SimpleSAML](t)(rig.StartSimpleSAML(t.Context(), t.TempDir(), o))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the identity provider says:\n%.4000s", idp.Log())
		}
		idp.Close()
	})
	h := &samlHouse{c, idp, id, base}
	h.configure(t, http.MethodPut, http.StatusCreated)
	token := superuser(t, c)
	t.Cleanup(func() {
		_, _ = c.Client.Do(context.Background(), rig.Request{Method: http.MethodDelete, URL: base.API + samlPaths + id, Token: token})
	})
	h.introduce(t)
	return h
}

// configure tells the cluster of the identity provider.
func (h *samlHouse) configure(t *testing.T, method string, status int) {
	t.Helper()
	metadata := must[string](t)(h.idp.Metadata(t.Context()))
	ask(t, h.c, status, rig.Request{Method: method, URL: h.base.API + samlPaths + h.id, Token: superuser(t, h.c),
		Body: map[string]string{"description": "Sign in with SAML", "idp_metadata": metadata, "sp_base_url": h.base.API}})
}

// introduce tells the identity provider of the cluster, in the cluster's own words.
func (h *samlHouse) introduce(t *testing.T) {
	t.Helper()
	answer := ask(t, h.c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: h.base.API + samlPaths + h.id + "/sp-metadata", Token: superuser(t, h.c)})
	if got := answer.Header.Get("Content-Type"); got != "application/samlmetadata+xml" {
		t.Errorf("our metadata is %s", got)
	}
	if err := h.idp.Register(h.id, string(answer.Body)); err != nil {
		t.Fatal(err)
	}
}

func newVisitor(t *testing.T) *rig.Visitor {
	t.Helper()
	v := must[*rig.Visitor](t)(rig.NewVisitor())
	t.Cleanup(v.Close)
	return v
}

// start is the address at which a login begins.
func (h *samlHouse) start(m *rig.Master, target string) string {
	q := url.Values{"saml-provider": {h.id}}
	if target != "" {
		q.Set("target", target)
	}
	return m.API + "/acs/api/v1/auth/login?" + q.Encode()
}

// authenticate goes from a master to the identity provider and returns its answer, not yet posted.
func (h *samlHouse) authenticate(t *testing.T, v *rig.Visitor, from *rig.Master, target string) rig.Form {
	t.Helper()
	form := must[rig.Form](t)(h.idp.Authenticate(t.Context(), v, h.start(from, target), samlAlice))
	if want := h.base.API + samlPaths + h.id + "/acs-callback"; form.Action != want {
		t.Fatalf("the answer goes to %s, want %s", form.Action, want)
	}
	return form
}

// acs is where a master takes answers.
func (h *samlHouse) acs(m *rig.Master) string { return m.API + samlPaths + h.id + "/acs-callback" }

// login goes through a whole login that begins and ends at the given masters, as browsers do, and returns the last page.
func (h *samlHouse) login(t *testing.T, v *rig.Visitor, from, to *rig.Master, target string) *rig.Page {
	t.Helper()
	form := h.authenticate(t, v, from, target)
	page := must[*rig.Page](t)(v.PostFromElsewhere(t.Context(), h.acs(to), form.Fields))
	back := must[string](t)(page.Redirect())
	if page.Status != http.StatusSeeOther || !strings.Contains(back, "/acs-callback?handle=") {
		t.Fatalf("the answer without a cookie: status %d, to %q: %s", page.Status, back, page.Body)
	}
	return must[*rig.Page](t)(v.Get(t.Context(), back))
}

// loggedIn wants the visitor redirected to target, with the cookies of a login of that user, and returns its token.
func loggedIn(t *testing.T, c *rig.Cluster, v *rig.Visitor, page *rig.Page, uid, target string) string {
	t.Helper()
	if got := page.Header.Get("Location"); page.Status != http.StatusSeeOther || got != target {
		t.Fatalf("status %d, to %q, want 303 to %q: %s", page.Status, got, target, page.Body)
	}
	var token string
	var info struct {
		UID      string
		IsRemote bool `json:"is_remote"`
	}
	for _, cookie := range must[[]*http.Cookie](t)(v.Cookies(page.URL.String())) {
		switch cookie.Name {
		case "dcos-acs-auth-cookie":
			token = cookie.Value
		case "dcos-acs-info-cookie":
			decode(t, must[[]byte](t)(base64.URLEncoding.DecodeString(cookie.Value)), &info)
		}
	}
	if info.UID != uid || !info.IsRemote {
		t.Errorf("the info cookie says %+v, want %s, remote", info, uid)
	}
	for _, m := range c.Masters {
		ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: ownURL(m, uid), Token: token})
	}
	return token
}

// refusedLogin wants a page that says why nobody is logged in, and no cookie of a login.
func refusedLogin(t *testing.T, v *rig.Visitor, page *rig.Page, why string) {
	t.Helper()
	if page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, "SAML SSO authentication not successful.") || !strings.Contains(page.Body, why) {
		t.Errorf("status %d, want 401 and %q: %s", page.Status, why, page.Body)
	}
	for _, cookie := range must[[]*http.Cookie](t)(v.Cookies(page.URL.String())) {
		if strings.HasPrefix(cookie.Name, "dcos-acs-") {
			t.Errorf("a refused login sets %s", cookie.Name)
		}
	}
}

// A login begins at one master, and its answer comes to another, whichever leads.
func TestASAMLLoginMayGoToAnyMasters(t *testing.T) {
	c := shared(t)
	h := samlAt(t, c, c.Masters[0], "saml-any", rig.SAMLOptions{NameID: "mail"})
	for i, from := range c.Masters {
		to := c.Masters[(i+1)%len(c.Masters)]
		v := newVisitor(t)
		page := h.login(t, v, from, to, "/mesos?a=b")
		loggedIn(t, c, v, page, "alice@example.org", "/mesos?a=b")
	}
	var u struct {
		Description  string
		ProviderType string `json:"provider_type"`
		ProviderID   string `json:"provider_id"`
		IsRemote     bool   `json:"is_remote"`
	}
	answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(c.Masters[1], "alice@example.org"), Token: superuser(t, c)})
	decode(t, answer.Body, &u)
	if got := fmt.Sprint(u); got != "{Alice Example saml saml-any true}" {
		t.Errorf("the user is %s", got)
	}
	removeUser(t, c, "alice@example.org")
}

func removeUser(t *testing.T, c *rig.Cluster, uid string) {
	t.Helper()
	ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: userURL(c.Masters[0], uid), Token: superuser(t, c)})
}

// With the cookie of the login, as within one site, the answer ends it at once; the page for the command line sets no cookies.
func TestASAMLAnswerWithItsCookieEndsTheLoginAtOnce(t *testing.T) {
	c := shared(t)
	h := samlAt(t, c, c.Masters[1], "saml-once", rig.SAMLOptions{NameID: "uid"})
	v := newVisitor(t)
	form := h.authenticate(t, v, c.Masters[0], "")
	loggedIn(t, c, v, must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields)), "alice@example.org", "/")
	v = newVisitor(t)
	page := h.login(t, v, c.Masters[2], c.Masters[0], "dcos:authenticationresponse:html")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "eyJ") || !strings.Contains(page.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("the token page: status %d, %v: %s", page.Status, page.Header, page.Body)
	}
	for _, cookie := range page.Header.Values("Set-Cookie") {
		if strings.HasPrefix(cookie, "dcos-acs-") {
			t.Errorf("the token page sets %s", cookie)
		}
	}
	removeUser(t, c, "alice@example.org")
}

// The uid follows contract 5.6, and a transient name is none.
func TestSAMLNamesPeopleByTheContract(t *testing.T) {
	c := shared(t)
	users := []rig.SAMLUser{samlAlice}
	h := samlAt(t, c, c.Masters[0], "saml-names", rig.SAMLOptions{NameID: "mail"})
	for _, tt := range []struct {
		name, nameID, uid string
		attributes        map[string][]string
	}{
		{"NameID", "mail", "alice@example.org", nil},
		{"mail attribute", "uid", "alice@example.org", nil},
		{"NameID that is no address", "uid", "saml_alice_", map[string][]string{"uid": {"saml/alice?"}}},
		{"transient", "missing", "", nil},
		{"two addresses", "uid", "", map[string][]string{"uid": {"alice"}, "mail": {"alice@example.org", "admin@example.org"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			users[0] = samlAlice
			if tt.attributes != nil {
				users[0].Attributes = tt.attributes
			}
			if err := h.idp.Configure(rig.SAMLOptions{NameID: tt.nameID, Users: users}); err != nil {
				t.Fatal(err)
			}
			v := newVisitor(t)
			form := h.authenticate(t, v, c.Masters[1], "")
			page := must[*rig.Page](t)(v.Post(t.Context(), form.Action, form.Fields))
			switch tt.name {
			case "transient":
				refusedLogin(t, v, page, "Could not extract the subject identity from the SAML response.")
			case "two addresses": // hostile M24
				refusedLogin(t, v, page, "more than one value")
			default:
				loggedIn(t, c, v, page, tt.uid, "/")
				removeUser(t, c, tt.uid)
			}
		})
	}
}

// A login of a known user changes nothing in the state. Entries that have nothing to do with it may come between, so one login of
// some must come without any.
func TestASAMLLoginOfAKnownUserWritesNothing(t *testing.T) {
	c := shared(t)
	h := samlAt(t, c, c.Masters[0], "saml-known", rig.SAMLOptions{NameID: "mail"})
	v := newVisitor(t)
	loggedIn(t, c, v, h.login(t, v, c.Masters[0], c.Masters[1], ""), "alice@example.org", "/")
	index := func() uint64 {
		return ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(c.Masters[0], rig.Superuser), Token: superuser(t, c)}).Index
	}
	quiet := false
	for range 5 {
		before := index()
		v := newVisitor(t)
		page := h.login(t, v, c.Masters[1], c.Masters[2], "")
		after := index()
		loggedIn(t, c, v, page, "alice@example.org", "/")
		quiet = quiet || before == after
	}
	if !quiet {
		t.Error("the log grew with every one of five logins of a known user")
	}
	removeUser(t, c, "alice@example.org")
}

// jsonError is an error as programs get it.
func jsonError(t *testing.T, body []byte) (e struct{ Title, Description, Code string }) {
	t.Helper()
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return e
}
