package secretsapi

import (
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

const (
	prefix = "/secrets/v1"
	admin  = "/gatehouse/v1/secrets/:store"

	// smallBody bounds bodies that hold a duration.
	smallBody = 16 << 10
	// escaped is by how much JSON may lengthen a text: six characters for one byte.
	escaped = 6
	// aroundValue is what a body may hold beside the value: names, spaces, members that nobody knows.
	aroundValue = 64 << 10
)

func (a *api) routes() []httpapi.Route {
	rows := append(a.secretRoutes(), a.historyRoutes()...)
	for i := range rows {
		rows[i].MinLevel = command.LevelSecrets
	}
	return rows
}

// secretRoutes are the documented rows (contract 6.1).
func (a *api) secretRoutes() []httpapi.Route {
	const store = prefix + "/secret/:store"
	const path = store + "/*path"
	value := func(id, method string, action iam.Actions, h httpapi.Handler) httpapi.Route {
		row := change(id, method, path, action, h)
		row.Files, row.BodyLimit = true, escaped*a.Limits.Secret+aroundValue
		row.NoIdempotency = true // who has the hash of a request could guess a short value
		return row
	}
	read := func(id, path string) httpapi.Route {
		return httpapi.Route{ID: id, Method: http.MethodGet, Path: path, Access: httpapi.Granted, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Grants: readOrList, Handle: a.readOrList}
	}
	renew := change("secrets.renew", http.MethodPut, prefix+"/renew/:store/*path", iam.Update, a.renew)
	renew.BodyLimit, renew.NeedBody, renew.Schema = smallBody, true, renewSchema
	return []httpapi.Route{
		read("secrets.list", store), // the root, without the slash
		read("secrets.read", path),
		value("secrets.create", http.MethodPut, iam.Create, a.create),
		value("secrets.update", http.MethodPatch, iam.Update, a.update),
		change("secrets.delete", http.MethodDelete, path, iam.Delete, a.delete),
		renew,
		change("secrets.revoke", http.MethodPut, prefix+"/revoke/:store/*path", iam.Delete, a.revoke),
	}
}

// historyRoutes are what the original never had.
func (a *api) historyRoutes() []httpapi.Route {
	read := func(id, path string, grants func(*httpapi.Request) (httpapi.Grant, error), h httpapi.Handler) httpapi.Route {
		return httpapi.Route{ID: id, Method: http.MethodGet, Path: admin + path, Access: httpapi.Granted, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Grants: grants, Handle: h}
	}
	return []httpapi.Route{
		read("gatehouse.secrets.versions", "/versions/*path", onSecret(iam.Read), a.versions),
		read("gatehouse.secrets.deleted", "/deleted/*path", onDirectory, a.deleted),
		read("gatehouse.secrets.watch", "/watch", onWatch, a.watch),
		change("gatehouse.secrets.undelete", http.MethodPost, admin+"/undelete/*path", iam.Create, a.undelete),
		change("gatehouse.secrets.purge", http.MethodPost, admin+"/purge/*path", iam.Delete, a.purge),
		{ID: "gatehouse.secrets.space", Method: http.MethodGet, Path: admin + "/space", Access: httpapi.User, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: a.space},
	}
}

// change is a row that changes the secret in its path.
func change(id, method, path string, action iam.Actions, h httpapi.Handler) httpapi.Route {
	return httpapi.Route{ID: id, Method: method, Path: path, Access: httpapi.Granted, Mode: httpapi.Leader, BodyLimit: httpapi.NoBody,
		Grants: onSecret(action), Handle: h}
}
