package iamapi

import (
	"context"
	"encoding/pem"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/loginapi"
	"gatehouse/keyring/token"
)

const (
	root         = apitest.Root
	rootPassword = apitest.RootPassword
)

// noon is when every house begins, and a quarter of a second: whole seconds would hide what rounds.
var noon = time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)

// house is a cluster with the rows of this package, and with those by which its callers log in.
type house struct {
	*apitest.House
	masters []*master
	removed []string
	needed  error // why no master may be removed
	holders []KeyHolder
}

// master is one of the masters, and what the API sees of its cluster.
type master struct {
	*apitest.Master
	house     *house
	passwords *apitest.Passwords
	api       *api
	rows      []httpapi.Route
}

// newHouse forms a cluster of that many masters with one superuser.
func newHouse(t testing.TB, masters int, settings ...func(*Options)) *house {
	t.Helper()
	return newHouseAt(t, 0, masters, settings...)
}

// newHouseAt forms a cluster of that level; 0 is the newest.
func newHouseAt(t testing.TB, level, masters int, settings ...func(*Options)) *house {
	t.Helper()
	h := &house{}
	h.House = apitest.New(t, apitest.Options{
		Masters: masters, Level: level, Start: noon.Add(250 * time.Millisecond),
		Routes: func(m *apitest.Master) []httpapi.Route { return h.newMaster(m, settings).rows },
		Funnel: func(m *apitest.Master, o *httpapi.Options) { o.Edition = of(m).api.Edition },
	})
	return h
}

// crowd is a house with people.
func crowd(t testing.TB, masters int) *house {
	t.Helper()
	h := newHouse(t, masters)
	h.PutUsers(people()...)
	return h
}

func (h *house) newMaster(core *apitest.Master, settings []func(*Options)) *master {
	m := &master{Master: core, house: h, passwords: &apitest.Passwords{}}
	clock := core.House.Clock
	logins := login.New(login.Options{
		Submitter: m, Reader: m, Machine: m, Passwords: m.passwords, Issuer: apitest.Issuer(), Logger: m.Logger, Now: clock.Now, Sleep: clock.Sleep,
	})
	o := Options{Submitter: m, Login: logins, Passwords: m.passwords, Keys: apitest.Ring(), Masters: m, Logger: m.Logger, Now: clock.Now}
	for _, set := range settings {
		set(&o)
	}
	m.api = newAPI(o)
	m.rows = slices.Concat(m.api.routes(), loginapi.New(loginapi.Options{Login: logins}))
	core.Own, h.masters = m, append(h.masters, m)
	return m
}

func of(m *apitest.Master) *master { return m.Own.(*master) }

func (h *house) leader() *master { return of(h.Leader()) }

func (m *master) HasServer(id string) bool {
	known := slices.ContainsFunc(m.house.masters, func(m *master) bool { return m.ID() == id })
	return known && !slices.Contains(m.house.removed, id)
}

func (m *master) KeyHolders(context.Context) []KeyHolder { return m.house.holders }

func (m *master) MayRemove(string) error { return m.house.needed }

func (m *master) RemoveServer(_ context.Context, id string) error {
	m.house.removed = append(m.house.removed, id)
	return nil
}

// otherSigningKey is a key that no house begins with.
var otherSigningKey = sync.OnceValue(func() *iam.SigningKey { return must(token.GenerateSigningKey(apitest.Ring(), noon)) })

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// people is a user of every kind.
func people() []iam.User {
	return []iam.User{
		{UID: "alice", Description: "Alice", PasswordHash: "$fake$wonderland"},
		{UID: "robot", PublicKey: apitest.PublicPEM(apitest.ServiceKey())},
		{UID: "ldapuser", ProviderType: iam.LDAP},
		{UID: "bob@example.com", ProviderType: iam.OIDC, ProviderID: "https://dcos.auth0.com/"},
	}
}

const (
	loginPath        = "/acs/api/v1/auth/login"
	wrongCredentials = `{"title":"401 Unauthorized","description":"Invalid credentials.","code":"ERR_INVALID_CREDENTIALS"}`
)

// login posts credentials; the result is the raw answer.
func (m *master) login(members ...string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodPost, Path: loginPath, JSON: apitest.Object(members...)})
}

// tokenOf logs in with a password.
func (m *master) tokenOf(uid, password string) string {
	m.house.T.Helper()
	var got struct{ Token string }
	m.login("uid", uid, "password", password).Is(m.house.T, http.StatusOK).Into(m.house.T, &got)
	return got.Token
}

func (m *master) rootToken() string {
	m.house.T.Helper()
	return m.tokenOf(root, rootPassword)
}

// issuedAt reads the iat of a token without verifying it.
func issuedAt(t testing.TB, raw string) time.Time {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(raw, claims); err != nil {
		t.Fatalf("parse %q: %v", raw, err)
	}
	iat, _ := claims.GetIssuedAt()
	return iat.UTC()
}
