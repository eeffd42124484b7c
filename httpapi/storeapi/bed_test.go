package storeapi

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/keyholder"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/barrier"
)

const (
	root  = apitest.Root
	other = "other" // a user without rights
)

// bed is a cluster whose masters keep keys of stores.
type bed struct {
	*apitest.House
	method autounseal.Method
	dirs   map[string]string // data directories of masters by their ids: they outlive restarts
}

// member is what this package keeps of a master.
type member struct {
	*apitest.Master
	barrier *barrier.Barrier
	keys    *keyholder.Holder
	api     *API
}

// newBed forms a cluster of so many masters; the first leads. With auto the store default is open on it.
func newBed(t testing.TB, masters int, auto bool) *bed {
	t.Helper()
	b := &bed{dirs: map[string]string{}}
	if auto {
		b.method = autounseal.KeyFile(apitest.Ring())
	}
	b.House = apitest.New(t, apitest.Options{
		Masters: masters, Level: command.LevelSecrets,
		Routes:    func(m *apitest.Master) []httpapi.Route { return b.newMember(m).api.Routes() },
		OnPublish: func(m *apitest.Master, s *state.State) { of(m).keys.Follow(s) },
		Funnel: func(m *apitest.Master, o *httpapi.Options) {
			o.LeaderWait, o.Collectors = 2*time.Second, of(m).api.Collectors()
		},
		Peer: func(m *apitest.Master, funnel http.Handler) http.Handler { return apitest.KeyDoors(of(m).keys, funnel) },
	})
	b.Put(other)
	if auto {
		b.call(0, "PUT", "/secrets/v1/store/default", root, `{}`).Is(t, 201)
	} else {
		b.Do(command.CreateStore{Store: secret.Store{Name: "default", Driver: secret.Vault, MaxVersions: 10, Undelete: 60}})
	}
	return b
}

func (b *bed) newMember(core *apitest.Master) *member {
	if b.dirs[core.ID()] == "" {
		b.dirs[core.ID()] = core.House.T.TempDir()
	}
	m := &member{Master: core, barrier: barrier.New()}
	core.Own = m
	var err error
	m.keys, err = keyholder.New(keyholder.Options{
		Cluster: apitest.KeyCluster{Master: core}, Machine: core, Barrier: m.barrier, Auto: b.method, DataDir: b.dirs[core.ID()], Logger: core.Logger,
	})
	if err != nil {
		core.House.T.Fatal(err)
	}
	m.api = New(Options{Submitter: core, Machine: core, Barrier: m.barrier, Keys: m.keys, Auto: b.method, Logger: core.Logger, Now: core.House.Clock.Now})
	return m
}

func of(m *apitest.Master) *member { return m.Own.(*member) }

// at is the master in that place.
func (b *bed) at(i int) *member { return of(b.Masters[i]) }

func (b *bed) leader() *member { return of(b.Leader()) }

// call asks a master; "" is nobody.
func (b *bed) call(i int, method, path, uid, body string) apitest.Answer {
	b.T.Helper()
	c := apitest.Call{Method: method, Path: path, JSON: body}
	if uid != "" {
		c.Token = b.Token(uid)
	}
	return b.Masters[i].Call(c)
}

// socket asks the admin socket of a master.
func (b *bed) socket(i int, method, path string) apitest.Answer {
	return b.Masters[i].Admin(apitest.Call{Method: method, Path: path})
}

// status is the seal status as a master tells it.
func (b *bed) status(i int) (s status) {
	b.T.Helper()
	b.call(i, "GET", "/secrets/v1/seal-status/default", root, "").Is(b.T, 200).Into(b.T, &s)
	return s
}

// initialise gives the store default shares in clear. It is sealed then.
func (b *bed) initialise(shares, threshold int) []string {
	b.T.Helper()
	var in initAnswer
	b.call(0, "PUT", "/secrets/v1/init/default", root, fmt.Sprintf(`{"shares":%d,"threshold":%d}`, shares, threshold)).Is(b.T, 200).Into(b.T, &in)
	return in.Keys
}

// give sends a share to a master.
func (b *bed) give(i int, share string) apitest.Answer {
	b.T.Helper()
	return b.call(i, "PUT", "/secrets/v1/unseal/default", root, fmt.Sprintf(`{"key":%q}`, share))
}

// openOn reports whether a master has the keys of the store default in the epoch of the cluster.
func (b *bed) openOn(i int) bool {
	s, _ := b.Leader().State().Store("default")
	epoch, open := b.at(i).barrier.Open("default")
	return open && epoch == s.Epoch
}
