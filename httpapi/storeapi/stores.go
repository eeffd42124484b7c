package storeapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
)

// backend is a store as clients of the original know it (contract 6.2).
type backend struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Driver      string `json:"driver"`
	Initialized bool   `json:"initialized"`
	Sealed      bool   `json:"sealed"`
}

func (a *API) backend(ctx context.Context, s *secret.Store) backend {
	return backend{Name: s.Name, Description: s.Description, Driver: s.Driver, Initialized: s.Initialized(), Sealed: !a.open(ctx, s)}
}

func (a *API) listStores(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	list := struct {
		Array []backend `json:"array"`
	}{make([]backend, r.State.StoreCount())}
	var all sync.WaitGroup
	i := 0
	for s := range r.State.Stores() {
		row := &list.Array[i]
		all.Go(func() { *row = a.backend(ctx, s) }) // one may have to be got from another master
		i++
	}
	all.Wait()
	return &httpapi.Response{Body: list}, nil
}

func (a *API) getStore(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := find(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: a.backend(ctx, s)}, nil
}

// createStore makes a store, with keys of its own if it can unseal by itself: that is what "create and initialize" comes to.
func (a *API) createStore(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Description string `json:"description"`
		Driver      string `json:"driver"`
	}
	if r.JSON {
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
	}
	if in.Driver != "" && in.Driver != secret.Vault {
		return nil, fault.New(fault.UnknownDriver, "The driver %.100q does not exist; there is %q.", in.Driver, secret.Vault)
	}
	name := named(r)
	if err := secret.StoreName(name); err != nil {
		return nil, err
	}
	if _, exists := r.State.Store(name); exists {
		return nil, fault.New(fault.StoreExists, "The store `%s` exists already.", name)
	}
	fresh, err := a.NewStore(ctx, r.State.Meta().ClusterID, name, in.Description)
	if err != nil {
		return nil, err
	}
	defer fresh.Wipe()
	outcome, err := a.submit(ctx, r, http.StatusCreated, command.CreateStore{Store: *fresh.Store})
	if err != nil {
		return nil, err
	}
	a.Opened(ctx, name, fresh.Root())
	created, _ := a.Machine.State().Store(name)
	if created == nil {
		created = fresh.Store
	}
	return &httpapi.Response{Status: http.StatusCreated, Body: a.backend(ctx, created), Index: outcome.Index}, nil
}

// FreshStore is a store that is about to be created, with the root key that it will have.
type FreshStore struct {
	Store *secret.Store
	keys  *freshKeys // nil: it is not initialised
}

// Root is the root key; nil if the store is not initialised.
func (f *FreshStore) Root() []byte {
	if f.keys == nil {
		return nil
	}
	return f.keys.root()
}

// Wipe overwrites the root key.
func (f *FreshStore) Wipe() {
	if f.keys != nil {
		f.keys.wipe()
	}
}

// NewStore makes the record of a new store: initialised, open, and with a root key that only the auto-unseal method opens; or
// not initialised where auto-unseal is off.
func (a *API) NewStore(ctx context.Context, cluster, name, description string) (*FreshStore, error) {
	s := &secret.Store{Name: name, Description: description, Driver: secret.Vault,
		MaxVersions: secret.DefaultMaxVersions, Undelete: int64(secret.DefaultUndelete / time.Second)}
	if a.Auto == nil {
		return &FreshStore{Store: s}, nil
	}
	keys, err := a.newKeys(ctx, cluster, name, &division{shares: 1, threshold: 1, auto: true})
	if err != nil {
		return nil, err
	}
	s.Seal = keys.seal
	return &FreshStore{Store: s, keys: keys}, nil
}

// Opened brings the root key of a store that was just opened into the barrier, and to the other masters, for a second at most.
// Whoever could not be reached fetches it when it is back. It returns their names.
func (a *API) Opened(ctx context.Context, name string, root []byte) (unreached []string) {
	s, ok := a.Machine.State().Store(name)
	if !ok || root == nil {
		return nil
	}
	if err := a.Barrier.Install(name, s.Epoch, root); err != nil {
		a.Logger.Warn("store not opened: it was sealed again at once", "store", name, "error", err)
		return nil
	}
	a.Logger.Info("store opened", "store", name, "epoch", s.Epoch)
	ctx, cancel := context.WithTimeout(ctx, distributePatience)
	defer cancel()
	return a.Keys.Distribute(ctx, name, s.Epoch)
}

// distributePatience bounds how long other masters are waited for.
const distributePatience = time.Second

func (a *API) deleteStore(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := find(r)
	if err != nil {
		return nil, err
	}
	if s.Name == secret.Default {
		return nil, fault.New(fault.Forbidden, "The store `%s` cannot be deleted.", s.Name)
	}
	outcome, err := a.submit(ctx, r, http.StatusNoContent, command.DeleteStore{Name: s.Name, Force: r.Query.Get("force") == "true"})
	if err != nil {
		return nil, err
	}
	a.desk.forget(s.Name)
	return &httpapi.Response{Status: http.StatusNoContent, Index: outcome.Index}, nil
}

// details is all there is to tell of a store.
type details struct {
	backend
	Created     time.Time `json:"created"`
	Epoch       uint64    `json:"epoch"`
	Shares      int       `json:"shares"`
	Threshold   int       `json:"threshold"`
	MaxVersions int       `json:"max_versions"`
	Undelete    string    `json:"undelete"`
	AutoUnseal  string    `json:"auto_unseal,omitempty"`
	Terms       []uint32  `json:"terms"`
	Secrets     int       `json:"secrets"`
	Deleted     int       `json:"deleted"`
	Versions    int       `json:"versions"`
	Bytes       int64     `json:"bytes"`
}

func (a *API) describeStore(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := find(r)
	if err != nil {
		return nil, err
	}
	n := r.State.StoreCounts(s.Name)
	d := details{backend: a.backend(ctx, s), Created: s.Created, Epoch: s.Epoch, MaxVersions: s.MaxVersions,
		Undelete: (time.Duration(s.Undelete) * time.Second).String(), Terms: []uint32{},
		Secrets: n.Live, Deleted: n.Deleted, Versions: n.Versions, Bytes: n.Bytes}
	if s.Seal != nil {
		d.Shares, d.Threshold = s.Seal.Shares, s.Seal.Threshold
		for _, k := range s.Seal.Keys {
			d.Terms = append(d.Terms, k.Term)
		}
		if s.Seal.Auto != nil {
			d.AutoUnseal = s.Seal.Auto.Method
		}
	}
	return &httpapi.Response{Body: d}, nil
}

func (a *API) updateStore(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Description *string         `json:"description"`
		MaxVersions *int            `json:"max_versions"`
		Undelete    json.RawMessage `json:"undelete"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s, err := find(r)
	if err != nil {
		return nil, err
	}
	update := command.UpdateStore{Name: s.Name, Description: in.Description, MaxVersions: in.MaxVersions}
	if in.Undelete != nil {
		seconds, err := parseSeconds(in.Undelete)
		if err != nil {
			return nil, err
		}
		update.Undelete = &seconds
	}
	if update.Description == nil && update.MaxVersions == nil && update.Undelete == nil {
		return nil, fault.New(fault.InvalidData, "Give at least one of `description`, `max_versions`, `undelete`.")
	}
	outcome, err := a.submit(ctx, r, http.StatusNoContent, update)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Status: http.StatusNoContent, Index: outcome.Index}, nil
}

// parseSeconds reads a duration: text such as "168h" or "600", or a number of seconds.
func parseSeconds(raw json.RawMessage) (int64, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return seconds, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d%time.Second != 0 {
		return 0, fault.New(fault.InvalidData, "`undelete` must be a duration of whole seconds, such as \"168h\" or 600.")
	}
	return int64(d / time.Second), nil
}
