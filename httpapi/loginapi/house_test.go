package loginapi

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/iamapi"
	"gatehouse/httpapi/login"
)

// settings is what differs between houses.
type settings struct {
	login.Options
	Edition httpapi.Edition
	Real    bool          // clocks run by themselves
	Stale   time.Duration // how old the state may be by which the second master answers without a quorum; 0: it does not
}

// house is a cluster with logins, and with the rows of iamapi for what callers do afterwards.
type house struct{ *apitest.House }

// master is one of its masters.
type master struct {
	*apitest.Master
	house     *house
	passwords *apitest.Passwords
}

func of(m *apitest.Master) *master { return m.Own.(*master) }

func (h *house) Leader() *master { return of(h.House.Leader()) }

func (h *house) follower() *master { return of(h.House.Follower()) }

func (h *house) masters() (all []*master) {
	for _, m := range h.Masters {
		all = append(all, of(m))
	}
	return all
}

// newHouse forms a cluster of that many masters, a quarter of a second past noon.
func newHouse(t testing.TB, masters int, changes ...func(*settings)) *house {
	t.Helper()
	h := &house{}
	var base settings
	for _, change := range changes {
		change(&base)
	}
	h.House = apitest.New(t, apitest.Options{
		Masters: masters, Real: base.Real,
		Routes: func(m *apitest.Master) []httpapi.Route {
			own := &master{Master: m, house: h, passwords: &apitest.Passwords{}}
			m.Own = own
			return own.routes(base)
		},
		Funnel: func(m *apitest.Master, o *httpapi.Options) {
			if m.ID() == "master-2" {
				o.LoginMaxStale = base.Stale
			}
		},
	})
	h.Clock.Advance(250 * time.Millisecond)
	return h
}

func (m *master) routes(o settings) []httpapi.Route {
	o.Submitter, o.Reader, o.Machine, o.Issuer, o.Logger = m, m, m, apitest.Issuer(), m.Logger
	if o.Now == nil {
		o.Now = m.House.Clock.Now
	}
	o.Sleep = m.House.Clock.Sleep
	if o.Passwords == nil {
		o.Passwords = m.passwords
	}
	logins := login.New(o.Options)
	return slices.Concat(
		New(Options{Login: logins, Edition: o.Edition}),
		iamapi.New(iamapi.Options{Submitter: m, Login: logins, Passwords: o.Passwords, Keys: apitest.Ring(), Logger: m.Logger, Now: o.Now}),
	)
}

const (
	loginPath = prefix + "/auth/login"
	usersPath = prefix + "/users"
)

// What logins promise, in numbers.
const (
	tick           = 250 * time.Millisecond
	pairFree       = 5
	maxPairWait    = 30 * time.Second
	staleTokenLife = 15 * time.Minute
	office         = "192.0.2.10"
	attacker       = "198.51.100.66"
)

// login posts credentials.
func (m *master) login(members ...string) apitest.Answer {
	return m.tryLogin(apitest.Object(members...))
}

func (m *master) tryLogin(body string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodPost, Path: loginPath, JSON: body})
}

// tokenOf logs in with a password.
func (m *master) tokenOf(uid, password string) string {
	m.House.T.Helper()
	return tokenIn(m.House.T, m.login("uid", uid, "password", password))
}

func (m *master) rootToken() string {
	m.House.T.Helper()
	return m.tokenOf(apitest.Root, apitest.RootPassword)
}

func tokenIn(t testing.TB, a apitest.Answer) string {
	t.Helper()
	var in loginAnswer
	a.Is(t, http.StatusOK).Into(t, &in)
	return in.Token
}

// lifetime reads iat and exp of a token without verifying it.
func lifetime(t testing.TB, raw string) (issuedAt, expires time.Time) {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(raw, claims); err != nil {
		t.Fatalf("parse %q: %v", raw, err)
	}
	iat, _ := claims.GetIssuedAt()
	exp, _ := claims.GetExpirationTime()
	return iat.UTC(), exp.UTC()
}

// own reads the caller's own permissions: any valid token will do.
func (m *master) own(token, uid string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodGet, Path: usersPath + "/" + uid + "/permissions", Token: token})
}

func (m *master) get(token, uid string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodGet, Path: usersPath + "/" + uid, Token: token})
}

func (m *master) put(token, uid, body string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodPut, Path: usersPath + "/" + uid, Token: token, JSON: body})
}

func (m *master) patch(token, uid, body string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodPatch, Path: usersPath + "/" + uid, Token: token, JSON: body})
}

// post asks for something under /gatehouse/v1.
func (m *master) post(token, path, body string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodPost, Path: "/gatehouse/v1/" + path, Token: token, JSON: body})
}

func (m *master) metrics() string {
	return m.Call(apitest.Call{Method: http.MethodGet, Path: "/metrics"}).Body
}

const wrongCredentials = `{"title":"401 Unauthorized","description":"Invalid credentials.","code":"ERR_INVALID_CREDENTIALS"}`

// people is a user of every kind.
func people() []iam.User {
	return []iam.User{
		{UID: "alice", Description: "Alice", PasswordHash: "$fake$wonderland"},
		{UID: "robot", PublicKey: apitest.PublicPEM(apitest.ServiceKey())},
		{UID: "ldapuser", ProviderType: iam.LDAP},
		{UID: "bob@example.com", ProviderType: iam.OIDC, ProviderID: "https://dcos.auth0.com/"},
	}
}

func grep(text, part string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, part) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// infoIn does what the user interface does with the info cookie.
func infoIn(t testing.TB, value string) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatalf("info cookie %q: %v", value, err)
	}
	return string(text)
}
