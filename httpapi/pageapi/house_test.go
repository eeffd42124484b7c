package pageapi_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/dcosapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/pageapi"
	"gatehouse/keyring/token"
)

// passwords are right when they are "right".
type passwords struct{}

func (passwords) Hash(context.Context, string) (string, error) { return "$fake$", nil }
func (passwords) Dummy(context.Context, string) error          { return nil }
func (passwords) Verify(_ context.Context, hash, text string) (ok, old bool, err error) {
	return text == "right", hash == "$old$", nil
}

// bed is a house whose masters serve pages.
type bed struct{ *apitest.House }

func newBed(t *testing.T, masters int, edit ...func(*pageapi.Options)) *bed {
	t.Helper()
	b := &bed{apitest.New(t, apitest.Options{Masters: masters, Routes: func(m *apitest.Master) []httpapi.Route {
		o := pageapi.Options{Keys: apitest.Ring(), ClusterName: "Production", Login: login.New(login.Options{
			Submitter: m, Reader: m, Machine: m, Passwords: passwords{}, Issuer: token.NewIssuer(apitest.Ring(), 0), Logger: m.Logger,
			Cookies: login.CookieOptions{Secure: true},
			Now:     func() time.Time { return m.House.Clock.Now() }, Sleep: func(context.Context, time.Duration) error { return nil },
		})}
		for _, f := range edit {
			f(&o)
		}
		pages := pageapi.New(o)
		return slices.Concat(pages.Routes(), dcosapi.Routes(dcosapi.Options{Browser: pages.Home}))
	}})}
	return b.catchUp()
}

// catchUp has all masters apply what is in the log. A master whose listeners are open knows its cluster.
func (b *bed) catchUp() *bed {
	for _, m := range b.Masters {
		_ = m.WaitIndex(context.Background(), b.Leader().AppliedIndex())
	}
	return b
}

// visitor is a browser: it keeps cookies.
type visitor struct {
	t       *testing.T
	cookies map[string]*http.Cookie
}

func newVisitor(t *testing.T) *visitor { return &visitor{t, map[string]*http.Cookie{}} }

// browserAccept is what browsers accept when they go somewhere.
const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// send sends a request as the browser would; header replaces what it says by itself.
func (v *visitor) send(m *apitest.Master, method, target string, form url.Values, header map[string]string) apitest.Answer {
	c := apitest.Call{Method: method, Path: target, Header: map[string]string{"Accept": browserAccept}}
	if form != nil {
		c.Body, c.Type = []byte(form.Encode()), "application/x-www-form-urlencoded"
		c.Header["Sec-Fetch-Site"], c.Header["Origin"] = "same-origin", "http://example.com"
	}
	var pairs []string
	for name, cookie := range v.cookies {
		pairs = append(pairs, name+"="+cookie.Value)
	}
	if len(pairs) > 0 {
		slices.Sort(pairs)
		c.Header["Cookie"] = strings.Join(pairs, "; ")
	}
	for name, value := range header {
		c.Header[name] = value
	}
	got := m.Call(c)
	for _, cookie := range (&http.Response{Header: got.Header}).Cookies() {
		if cookie.MaxAge < 0 || !cookie.Expires.IsZero() && cookie.Expires.Before(apitest.Noon) {
			delete(v.cookies, cookie.Name)
			continue
		}
		v.cookies[cookie.Name] = cookie
	}
	return got
}

func (v *visitor) get(m *apitest.Master, target string) apitest.Answer {
	return v.send(m, http.MethodGet, target, nil, nil)
}

// open gets the login page and answers its form, ready to be filled in.
func (v *visitor) open(m *apitest.Master, target string) url.Values {
	v.t.Helper()
	got := v.get(m, target)
	if got.Status != http.StatusOK {
		v.t.Fatalf("GET %s: %d %s", target, got.Status, got.Body)
	}
	return formOf(v.t, got)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// formOf is the hidden part of a form.
func formOf(t *testing.T, page apitest.Answer) url.Values {
	t.Helper()
	form := url.Values{}
	for _, found := range hidden.FindAllStringSubmatch(page.Body, -1) {
		form.Set(found[1], found[2])
	}
	if form.Get("form") == "" {
		t.Fatalf("no form in %d %s", page.Status, page.Body)
	}
	return form
}

// submit fills the form in and sends it.
func (v *visitor) submit(m *apitest.Master, form url.Values, uid, password string) apitest.Answer {
	form.Set("uid", uid)
	form.Set("password", password)
	return v.send(m, http.MethodPost, "/login", form, nil)
}

func (b *bed) provider(id, description, kind string) {
	p := iam.Provider{ID: id, Description: description}
	if kind == iam.SAML {
		p.SAML = &iam.SAMLProvider{Metadata: "<x/>", BaseURL: "https://cluster.example"}
	} else {
		p.OIDC = &iam.OIDCProvider{Issuer: "https://idp.example", BaseURL: "https://cluster.example", ClientID: "c", SealedSecret: []byte("s")}
	}
	b.Do(command.CreateProvider{Provider: p})
}

// says fails the test unless the page has that status and contains all of the texts.
func says(t *testing.T, got apitest.Answer, status int, texts ...string) {
	t.Helper()
	if got.Status != status {
		t.Errorf("got %d %s, want %d", got.Status, got.Body, status)
	}
	if kind := got.Header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Errorf("the page is %s", kind)
	}
	for _, text := range texts {
		if !strings.Contains(got.Body, text) {
			t.Errorf("the page lacks %q:\n%s", text, got.Body)
		}
	}
}
