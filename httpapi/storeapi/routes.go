package storeapi

import (
	"net/http"
	"slices"

	"gatehouse/fsm/command"
	"gatehouse/httpapi"
)

// Body limits in bytes. An init carries a public key for each share.
const (
	smallBody = 64 << 10
	keysBody  = 1 << 20
)

const (
	prefix = "/secrets/v1"
	ours   = "/gatehouse/v1/secrets/:store"
)

// Routes are the rows of this package.
func (a *API) Routes() []httpapi.Route {
	routes := slices.Concat(a.pingRoutes(), a.storeRoutes(), a.sealRoutes(), a.rekeyRoutes())
	for i := range routes {
		if routes[i].ID != "secrets.ping" {
			routes[i].MinLevel = command.LevelSecrets
		}
	}
	return routes
}

func (a *API) pingRoutes() []httpapi.Route {
	return []httpapi.Route{
		{ID: "secrets.ping", Method: http.MethodGet, Path: prefix + "/ping", Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, NoStore: true, Handle: ping},
		{ID: "secrets.ping.backend", Method: http.MethodGet, Path: prefix + "/ping/backends/:backend", Access: httpapi.Public,
			Mode: httpapi.Linearizable, BodyLimit: httpapi.NoBody, NoStore: true, Handle: pingBackend},
	}
}

func (a *API) storeRoutes() []httpapi.Route {
	const stores = prefix + "/store"
	create := change("secrets.stores.create", http.MethodPut, stores+"/:backend", a.createStore)
	create.Schema = storeSchema
	update := change("gatehouse.secrets.store.update", http.MethodPatch, ours, a.updateStore)
	update.NeedBody, update.Schema = true, settingsSchema
	return []httpapi.Route{
		read("secrets.stores.list", stores, httpapi.Linearizable, a.listStores),
		read("secrets.stores.get", stores+"/:backend", httpapi.Linearizable, a.getStore),
		create,
		change("secrets.stores.delete", http.MethodDelete, stores+"/:backend", a.deleteStore),
		read("gatehouse.secrets.store.get", ours, httpapi.Linearizable, a.describeStore),
		update,
	}
}

func (a *API) sealRoutes() []httpapi.Route {
	initialise := change("secrets.init", http.MethodPut, prefix+"/init/:store", a.initStore)
	initialise.BodyLimit, initialise.NeedBody, initialise.Schema = keysBody, true, divisionSchema
	unseal := change("secrets.unseal", http.MethodPut, prefix+"/unseal/:store", a.unseal)
	unseal.NeedBody, unseal.Schema = true, shareSchema
	auto := change("secrets.auto-unseal", http.MethodPut, prefix+"/auto-unseal/:store", a.autoUnseal)
	auto.Schema = shareSchema
	seal := change("secrets.seal", http.MethodPut, prefix+"/seal/:store", a.seal)
	rows := []httpapi.Route{initialise, unseal, auto}
	for i := range rows { // their answers hold shares, or what counts is in memory only
		rows[i].NoIdempotency, rows[i].Sensitive = true, true
	}
	return append(rows, seal,
		read("secrets.init.get", prefix+"/init/:store", httpapi.Linearizable, a.getInit),
		read("secrets.seal-status", prefix+"/seal-status/:store", httpapi.Leader, a.sealStatus),
		httpapi.Route{ID: "gatehouse.secrets.local-seal", Method: http.MethodPost, Path: ours + "/local-seal", Access: httpapi.Internal,
			Mode: httpapi.Local, BodyLimit: httpapi.NoBody, NoIdempotency: true, Handle: a.sealHere},
	)
}

func (a *API) rekeyRoutes() []httpapi.Route {
	const rekey = ours + "/rekey"
	begin := change("gatehouse.secrets.rekey.begin", http.MethodPost, rekey, a.beginRekey)
	begin.BodyLimit, begin.NeedBody, begin.Schema = keysBody, true, divisionSchema
	give := change("gatehouse.secrets.rekey.share", http.MethodPut, rekey, a.rekeyShare)
	verify := change("gatehouse.secrets.rekey.verify", http.MethodPut, rekey+"/verify", a.verifyRekey)
	cancel := change("gatehouse.secrets.rekey.cancel", http.MethodDelete, rekey, a.cancelRekey)
	rows := []httpapi.Route{begin, give, verify, cancel}
	for i := range rows {
		rows[i].NoIdempotency, rows[i].Sensitive = true, true
		if rows[i].Method == http.MethodPut {
			rows[i].NeedBody, rows[i].Schema = true, rekeyShareSchema
		}
	}
	return append(rows, read("gatehouse.secrets.rekey.get", rekey, httpapi.Leader, a.rekeyStatus),
		change("gatehouse.secrets.rotate", http.MethodPost, ours+"/rotate", a.rotate))
}

// read is a row that only superusers may ask.
func read(id, path string, mode httpapi.Mode, h httpapi.Handler) httpapi.Route {
	return httpapi.Route{ID: id, Method: http.MethodGet, Path: path, Access: httpapi.Superuser, Mode: mode, BodyLimit: httpapi.NoBody,
		NoStore: true, Handle: h}
}

// change is a row by which superusers change something.
func change(id, method, path string, h httpapi.Handler) httpapi.Route {
	return httpapi.Route{ID: id, Method: method, Path: path, Access: httpapi.Superuser, Mode: httpapi.Leader, BodyLimit: smallBody,
		NoStore: true, Handle: h}
}

// The bodies. Members that are not listed are ignored (contract 9: 30).
var (
	storeSchema = &httpapi.Schema{Members: []httpapi.Member{
		{Name: "description", Type: httpapi.String, Nullable: true}, {Name: "driver", Type: httpapi.String, Nullable: true}}}
	settingsSchema = &httpapi.Schema{Members: []httpapi.Member{
		{Name: "description", Type: httpapi.String}, {Name: "max_versions", Type: httpapi.Integer}}}
	divisionSchema = &httpapi.Schema{Members: []httpapi.Member{
		{Name: "shares", Type: httpapi.Integer, Required: true}, {Name: "threshold", Type: httpapi.Integer, Required: true},
		{Name: "pgp_keys", Type: httpapi.Array, Nullable: true}, {Name: "auto_unseal", Type: httpapi.Bool}}}
	shareSchema = &httpapi.Schema{Members: []httpapi.Member{
		{Name: "key", Type: httpapi.String, Nullable: true}, {Name: "reset", Type: httpapi.Bool}}}
	rekeyShareSchema = &httpapi.Schema{Members: []httpapi.Member{
		{Name: "nonce", Type: httpapi.String, Required: true}, {Name: "key", Type: httpapi.String, Nullable: true}, {Name: "auto", Type: httpapi.Bool}}}
)
