package ssoapi

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/iamapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/login/oidc"
	"gatehouse/httpapi/login/saml"
	configuration "gatehouse/httpapi/provider"
)

// base is the address of the cluster in the configurations of providers.
const base = "https://dcos.example/"

// house is a cluster with the providers dex (OpenID Connect) and adfs (SAML), which are fakes.
type house struct {
	*apitest.House
	idp *idp
}

// idp is both identity providers. It vouches for whoever the code, or the answer, says.
type idp struct {
	mu        sync.Mutex                        // guards what follows
	verifiers map[string]string                 // by nonce
	exchange  func(code string) (string, error) // to a uid; nil takes the code for it
	subject   string                            // of everybody; "": another one for every code
	during    func()                            // runs while a code is exchanged
	iss       []string
	exchanges int
	fields    map[string]string // makes SAML requests forms
	failure   error             // of a start
	checks    []oidc.Check
	verifying func() // runs while a SAML answer is verified
}

func (p *idp) AuthURL(_ context.Context, c oidc.Config, state, nonce, verifier string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.verifiers[nonce] = verifier
	if c.ClientSecret != "s3cret" || p.failure != nil {
		return "", p.failure
	}
	return "https://idp.example/authorize?" + url.Values{"state": {state}, "nonce": {nonce}, "challenge": {flow.Challenge(verifier)}}.Encode(), nil
}

func (p *idp) Exchange(_ context.Context, c oidc.Config, code, iss, nonce, verifier string) (oidc.Identity, error) {
	p.mu.Lock()
	known := p.verifiers[nonce]
	exchange, during := p.exchange, p.during
	p.exchanges++
	p.iss = append(p.iss, iss)
	p.mu.Unlock()
	if during != nil {
		during()
	}
	if known == "" || known != verifier || c.ID != "dex" {
		return oidc.Identity{}, &oidc.RefusedError{Reason: "The nonce is another one."}
	}
	if exchange == nil {
		return oidc.Identity{UID: code, Subject: cmp.Or(p.subject, "sub of "+code), Name: "Alice"}, nil
	}
	uid, err := exchange(code)
	return oidc.Identity{UID: uid, Subject: "1"}, err
}

func (p *idp) Test(context.Context, oidc.Config) []oidc.Check { return p.checks }

func (p *idp) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exchanges
}

// serviceProvider is the SAML of the houses: answers are JSON.
type serviceProvider struct{ *idp }

// response is the answer of a SAML identity provider here.
type response struct{ ID, UID, To string }

func (p serviceProvider) Start(_ saml.Config, requestID, relayState string, _ time.Time) (saml.Request, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fields != nil {
		return saml.Request{URL: "https://idp.example/sso", Fields: map[string]string{"RelayState": relayState, "SAMLRequest": requestID}}, p.failure
	}
	return saml.Request{URL: "https://idp.example/sso?" + url.Values{"RelayState": {relayState}, "SAMLRequest": {requestID}}.Encode()}, p.failure
}

func (p serviceProvider) Verify(c saml.Config, text []byte, requestID string, now time.Time) (saml.Assertion, error) {
	if p.verifying != nil {
		p.verifying()
	}
	var in response
	if json.Unmarshal(text, &in) != nil || in.To != requestID {
		return saml.Assertion{}, &saml.RefusedError{Reason: "The answer belongs to another request.", Detail: "planted detail"}
	}
	return saml.Assertion{ID: in.ID, UID: in.UID, Description: "Alice", NotOnOrAfter: now.Add(5 * time.Minute)}, nil
}

func (p serviceProvider) Metadata(c saml.Config) ([]byte, error) {
	return []byte(`<EntityDescriptor entityID="` + saml.EntityID(c) + `"/>`), nil
}

func (p serviceProvider) Test(c saml.Config, _ time.Time) []saml.Check {
	return []saml.Check{{Name: "metadata", OK: true, Detail: "one certificate"}}
}

// newHouse forms a cluster of that many masters.
func newHouse(t testing.TB, masters int, settings ...func(*Options)) *house {
	t.Helper()
	return newHouseAt(t, command.LevelDirectory, masters, settings...)
}

// newHouseAt is newHouse at another level.
func newHouseAt(t testing.TB, level, masters int, settings ...func(*Options)) *house {
	t.Helper()
	h := &house{idp: &idp{verifiers: map[string]string{}}}
	h.House = apitest.New(t, apitest.Options{Masters: masters, Level: level, Routes: func(m *apitest.Master) []httpapi.Route {
		clock := m.House.Clock
		o := Options{OIDC: h.idp, SAML: serviceProvider{h.idp}, Keys: apitest.Ring(), Logger: m.Logger, Login: login.New(login.Options{
			Submitter: m, Reader: m, Machine: m, Issuer: apitest.Issuer(), Logger: m.Logger, Now: clock.Now,
			Sleep: clock.Sleep,
		})}
		for _, set := range settings {
			set(&o)
		}
		users := iamapi.New(iamapi.Options{Submitter: m, Login: o.Login, Keys: apitest.Ring(), Logger: m.Logger, Now: clock.Now})
		return append(New(o), users...)
	}})
	h.Do(command.CreateProvider{Provider: *dex()})
	h.Do(command.CreateProvider{Provider: *adfs()})
	return h
}

func dex() *iam.Provider { return openID("dex") }

// openID is an OpenID Connect provider of that id.
func openID(id string) *iam.Provider {
	c := configuration.OIDC{Description: "Dex", Issuer: "https://idp.example", BaseURL: base, ClientID: "gatehouse", ClientSecret: "s3cret"}
	return c.Record(id, nil, apitest.Ring())
}

func adfs() *iam.Provider {
	return &iam.Provider{ID: "adfs", Description: "ADFS", SAML: &iam.SAMLProvider{Metadata: "<x/>", BaseURL: "https://dcos.example"}}
}

// touch changes a provider.
func (h *house) touch(id string) {
	h.T.Helper()
	p, _ := h.Leader().State().Provider(id)
	changed := *p
	changed.Description += "!"
	h.Do(command.UpdateProvider{Provider: changed})
}

// forget has a superuser make the masters forget what the provider calls a user.
func (h *house) forget(uid string) {
	h.T.Helper()
	h.Follower().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/users/" + uid + "/forget-subject", Token: h.Token(apitest.Root)}).OK(h.T, http.StatusNoContent)
}

// know makes users of a provider.
func (h *house) know(providerType, providerID string, uids ...string) {
	h.T.Helper()
	for _, uid := range uids {
		h.Do(command.CreateUser{User: iam.User{UID: uid, ProviderType: providerType, ProviderID: providerID}})
	}
}

// browser keeps cookies, and sends them to whatever master it is told to.
type browser struct {
	t       testing.TB
	cookies map[string]string
	accept  string
	from    string // its address
	last    apitest.Answer
}

func newBrowser(t testing.TB) *browser { return &browser{t: t, cookies: map[string]string{}} }

// same is another tab of the browser: it has the cookies that this one has now.
func (b *browser) same() *browser {
	return &browser{t: b.t, cookies: maps.Clone(b.cookies), accept: b.accept, from: b.from}
}

// html is what browsers accept.
const html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func (b *browser) do(m *apitest.Master, c apitest.Call) apitest.Answer {
	b.t.Helper()
	c.Header, c.From = map[string]string{}, b.from
	var pairs []string
	for name, value := range b.cookies {
		pairs = append(pairs, name+"="+value)
	}
	if pairs != nil {
		c.Header["Cookie"] = strings.Join(pairs, "; ")
	}
	if b.accept != "" {
		c.Header["Accept"] = b.accept
	}
	got := m.Call(c)
	b.last = got
	for _, set := range (&http.Response{Header: got.Header}).Cookies() {
		if set.MaxAge < 0 {
			delete(b.cookies, set.Name)
		} else {
			b.cookies[set.Name] = set.Value
		}
	}
	return got
}

func (b *browser) get(m *apitest.Master, path string) apitest.Answer {
	b.t.Helper()
	return b.do(m, apitest.Call{Method: "GET", Path: path})
}

// start begins a login and returns the query with which the browser arrives at the provider.
func (b *browser) start(m *apitest.Master, query string) url.Values {
	b.t.Helper()
	got := b.get(m, startPath+"?"+query).OK(b.t, http.StatusFound)
	return location(b.t, got).Query()
}

const startPath = "/acs/api/v1/auth/login"

func location(t testing.TB, a apitest.Answer) *url.URL {
	t.Helper()
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || u.String() == "" {
		t.Fatalf("Location %q: %v", a.Header.Get("Location"), err)
	}
	return u
}

// callbackOf is the path with which dex sends a browser back.
func callbackOf(state, code string) string {
	return callback + "?" + url.Values{"state": {state}, "code": {code}, "iss": {"https://idp.example"}}.Encode()
}

// login goes the whole way through dex.
func (b *browser) login(start, end *apitest.Master, query, uid string) apitest.Answer {
	b.t.Helper()
	return b.get(end, callbackOf(b.start(start, query).Get("state"), uid))
}

const acsPath = "/acs/api/v1/auth/saml/providers/adfs/acs-callback"

// post sends the form by which a SAML identity provider answers, from another site: without the cookies of this one.
func (b *browser) post(m *apitest.Master, path, relayState string, r response) apitest.Answer {
	b.t.Helper()
	stranger := &browser{t: b.t, cookies: map[string]string{}, accept: b.accept, from: b.from}
	return stranger.submit(m, path, relayState, r)
}

// submit sends the same form with the cookies.
func (b *browser) submit(m *apitest.Master, path, relayState string, r response) apitest.Answer {
	b.t.Helper()
	text, _ := json.Marshal(r)
	form := url.Values{"SAMLResponse": {string(text)}, "RelayState": {relayState}}
	return b.do(m, apitest.Call{Method: "POST", Path: path, Body: []byte(form.Encode()), Type: "application/x-www-form-urlencoded"})
}

// question is the field of that name on a page.
var question = regexp.MustCompile(`name="question" value="([^"]+)"`)

// agree presses a button of the page that asks about a command line.
func (b *browser) agree(m *apitest.Master, asked apitest.Answer, answer string) apitest.Answer {
	b.t.Helper()
	found := question.FindStringSubmatch(asked.Body)
	if found == nil {
		b.t.Fatalf("no question in:\n%s", asked.Body)
	}
	form := url.Values{"question": {found[1]}, "answer": {answer}}
	return b.do(m, apitest.Call{Method: "POST", Path: confirmPath, Body: []byte(form.Encode()), Type: "application/x-www-form-urlencoded"})
}

// refusedWith fails the test unless the answer is the refusal of a login that holds the text.
func refusedWith(t testing.TB, a apitest.Answer, text string) {
	t.Helper()
	var p apitest.Problem
	a.Want(t, http.StatusUnauthorized, "ERR_SSO_FAILED").Into(t, &p)
	if !strings.Contains(p.Description, text) {
		t.Errorf("description %q lacks %q", p.Description, text)
	}
	if len(a.Header["Www-Authenticate"]) > 0 || p.Title != "401 Unauthorized" {
		t.Errorf("%v %q, want no challenge", a.Header, p.Title)
	}
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if c.MaxAge >= 0 {
			t.Errorf("a refusal sets the cookie %s", c)
		}
	}
}
