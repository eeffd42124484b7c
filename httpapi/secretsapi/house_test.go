package secretsapi

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/keyring/barrier"
)

// house is a cluster with a store that is open on all masters.
type house struct {
	*apitest.House
	root []byte
}

// parts are what the handlers of a master are made of, and its keyholder.
type parts struct {
	*barrier.Barrier
	hub    *Hub
	house  *house
	lacks  atomic.Bool // the keyholder gets no keys
	ensure atomic.Int64
}

func of(m *apitest.Master) *parts { return m.Own.(*parts) }

// Ensure installs the root key, as from a peer.
func (p *parts) Ensure(_ context.Context, store string) error {
	p.ensure.Add(1)
	epoch, _ := p.Open(store)
	if p.lacks.Load() || p.Install(store, epoch, p.house.root) != nil {
		return sealed(store)
	}
	return nil
}

func specsOf(s *state.State) (specs []barrier.Spec) {
	for st := range s.Stores() {
		if st.Seal == nil {
			continue
		}
		spec := barrier.Spec{Cluster: s.Meta().ClusterID, Store: st.Name, RootID: st.Seal.RootID, Epoch: st.Epoch, Sealed: st.Sealed, Check: st.Seal.Check}
		for _, k := range st.Seal.Keys {
			spec.Keys = append(spec.Keys, barrier.WrappedKey{Term: k.Term, Wrapped: k.Wrapped})
		}
		specs = append(specs, spec)
	}
	return specs
}

// newHouse forms a cluster of that many masters.
func newHouse(t testing.TB, masters int, settings ...func(*Options, *apitest.Options)) *house {
	t.Helper()
	h := &house{}
	var own Options
	o := apitest.Options{Masters: masters}
	for _, set := range settings {
		set(&own, &o)
	}
	o.OnPublish = func(m *apitest.Master, s *state.State) {
		of(m).Follow(specsOf(s))
		of(m).hub.Published(s)
	}
	o.Routes = func(m *apitest.Master) []httpapi.Route {
		p := &parts{Barrier: barrier.New(), hub: NewHub(), house: h}
		m.Own = p
		mine := own
		mine.Submitter, mine.Machine, mine.Barrier, mine.Keyholder, mine.Hub = m, m, p, p, p.hub
		mine.Logger, mine.Now = m.Logger, m.House.Clock.Now
		return New(mine)
	}
	h.House = apitest.New(t, o)
	if o.Level == 0 {
		h.open(secret.Default)
	}
	return h
}

// open makes a store that is open.
func (h *house) open(store string) {
	fresh, err := barrier.NewSeal("cluster-1", store)
	if err != nil {
		h.T.Fatal(err)
	}
	h.root = fresh.Root
	h.Do(command.CreateStore{Store: secret.Store{Name: store, Driver: secret.Vault, MaxVersions: 3, Undelete: 3600, Seal: &secret.Seal{
		RootID: fresh.RootID, Shares: 1, Threshold: 1, Check: fresh.Check,
		Keys: []secret.DataKey{{Term: fresh.Key.Term, Wrapped: fresh.Key.Wrapped, Created: apitest.Noon}},
	}}})
}

const base = "/secrets/v1/secret/default/"

// jsonOf is a JSON body that holds the value.
func jsonOf(value string) []byte {
	body, _ := json.Marshal(map[string]string{"value": value})
	return body
}

// user sends requests of one user to one master.
type user struct {
	*apitest.Master
	token string
}

func (h *house) as(uid string, m *apitest.Master) user { return user{m, h.Token(uid)} }

// superuser asks the leader.
func (h *house) superuser() user { return h.as(apitest.Root, h.Leader()) }

func (u user) do(method, path string, body []byte, header ...string) apitest.Answer {
	c := apitest.Call{Method: method, Path: path, Body: body, Token: u.token, Header: map[string]string{}}
	if body != nil {
		c.Type = jsonType
	}
	for i := 0; i < len(header); i += 2 {
		c.Header[header[i]] = header[i+1]
	}
	return u.Call(c)
}

func (u user) get(path string, header ...string) apitest.Answer {
	return u.do(http.MethodGet, path, nil, header...)
}

// put creates a secret.
func (u user) put(t testing.TB, path, value string) apitest.Answer {
	t.Helper()
	return u.do(http.MethodPut, base+path, jsonOf(value)).OK(t, http.StatusCreated)
}

// value is the value of a secret that is there.
func (u user) value(t testing.TB, path string) string {
	t.Helper()
	var got struct{ Value string }
	u.get(base+path).OK(t, http.StatusOK).Into(t, &got)
	return got.Value
}

// names lists a directory.
func (u user) names(t testing.TB, dir string) []string {
	t.Helper()
	var got struct{ Array []string }
	u.get(base+dir+"?list=true").OK(t, http.StatusOK).Into(t, &got)
	return got.Array
}

// reader makes a user with rights to read.
func (h *house) reader(uid string, rids ...string) {
	h.T.Helper()
	h.Put(uid)
	h.Grant(uid, iam.Read, rids...)
}
