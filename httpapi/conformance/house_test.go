package conformance

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/auditapi"
	"gatehouse/httpapi/cutoff"
	"gatehouse/httpapi/dcosapi"
	"gatehouse/httpapi/declareapi"
	"gatehouse/httpapi/directoryapi"
	"gatehouse/httpapi/iamapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/loginapi"
	"gatehouse/httpapi/pageapi"
	"gatehouse/httpapi/policyapi"
	"gatehouse/httpapi/ssoapi"
)

const (
	root         = apitest.Root
	rootPassword = apitest.RootPassword
)

// house is a cluster with the rows of the whole product, and with the store that every cluster has.
type house struct {
	*apitest.House
	look func(apitest.Call, apitest.Answer) // sees every answer
	turn atomic.Int64                       // of the masters
}

// newHouse forms a cluster. What masters are made of is decided here, the rest by the options.
func newHouse(t testing.TB, o apitest.Options) *house {
	t.Helper()
	o.Routes = func(m *apitest.Master) []httpapi.Route { return routes(m, o) }
	o.OnPublish = func(m *apitest.Master, s *state.State) { safeOf(m).follow(s) }
	o.Peer = func(m *apitest.Master, funnel http.Handler) http.Handler {
		return apitest.KeyDoors(safeOf(m).keys, funnel)
	}
	h := &house{House: apitest.New(t, o)}
	h.addDefaultStore()
	return h
}

// any is another master each time.
func (h *house) any() *apitest.Master {
	return h.Masters[int(h.turn.Add(1))%len(h.Masters)]
}

// routes are the rows of the whole product, as cmd/gatehouse puts them together.
func routes(m *apitest.Master, o apitest.Options) []httpapi.Route {
	clock, keys, passwords, logger := m.House.Clock, apitest.Ring(), &apitest.Passwords{}, m.Logger
	logins := login.New(login.Options{
		Submitter: m, Reader: m, Machine: m, Passwords: passwords, Issuer: apitest.Issuer(), Logger: logger, Now: clock.Now, Sleep: clock.Sleep,
	})
	return slices.Concat(
		iamapi.New(iamapi.Options{Submitter: m, Login: logins, Passwords: passwords, Keys: keys, Masters: members{m}, Logger: logger,
			Now: clock.Now, Edition: o.Edition}),
		loginapi.New(loginapi.Options{Login: logins, Edition: o.Edition}),
		ssoapi.New(ssoapi.Options{Login: logins, OIDC: party{}, Keys: keys, Logger: logger}),
		pageapi.New(pageapi.Options{Login: logins, Keys: keys}).Routes(),
		openSafe(m).routes(m),
		directoryapi.New(directoryapi.Options{Submitter: m, Machine: m, Keys: keys, Directory: directory{}, Logger: logger,
			TokenLife: cutoff.LongestTokenLife, Now: clock.Now}).Routes(),
		policyapi.New(policyapi.Options{Open: o.Authorization == httpapi.AuthorizationOpen}).Routes(),
		auditapi.New(auditapi.Options{Submitter: m, Log: m.Auditor, Master: m.ID(), Now: clock.Now}),
		declareapi.New(declareapi.Options{Submitter: m, TokenLife: cutoff.LongestTokenLife, Now: clock.Now}),
		dcosapi.Routes(dcosapi.Options{Edition: o.Edition, CA: func() []byte { return []byte("a certificate") }}),
	)
}

// members is what the IAM sees of the cluster: all masters have all keys, and none is needed.
type members struct{ *apitest.Master }

func (m members) HasServer(id string) bool { return id == m.ID() || slices.Contains(m.Others(), id) }

func (m members) KeyHolders(context.Context) (holders []iamapi.KeyHolder) {
	for _, other := range m.House.Masters {
		holders = append(holders, iamapi.KeyHolder{ID: other.ID(), Name: other.ID(), Answered: true, KeyIDs: apitest.Ring().KeyIDs()})
	}
	return holders
}

func (members) MayRemove(string) error                     { return nil }
func (members) RemoveServer(context.Context, string) error { return nil }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func mustDo(err error) {
	if err != nil {
		panic(err)
	}
}
