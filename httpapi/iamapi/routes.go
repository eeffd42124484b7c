package iamapi

import (
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/httpapi"
)

// Body limits in bytes. A user record may carry a key and a description; a password that does not fit is refused before anything is
// hashed.
const (
	userBody   = 256 << 10
	resetBody  = 64 << 10
	entityBody = 32 << 10 // a description of iam.MaxDescription, every byte of it escaped
	smallBody  = 16 << 10
)

const (
	prefix = "/acs/api/v1"
	admin  = "/gatehouse/v1"
)

func (a *api) routes() []httpapi.Route {
	return concat(a.userRoutes(), a.ownRoutes(), a.groupRoutes(), a.aclRoutes(), a.discoveryRoutes(), a.providerRoutes(), a.adminRoutes())
}

func (a *api) userRoutes() []httpapi.Route {
	const users = prefix + "/users"
	create := document("iam.users.create", http.MethodPut, users+"/:uid", userCreateSchema, a.createUser)
	update := document("iam.users.update", http.MethodPatch, users+"/:uid", userUpdateSchema, a.updateUser)
	create.BodyLimit, update.BodyLimit = userBody, userBody
	update.Access = httpapi.Self // everybody may change its own password
	return []httpapi.Route{
		read("iam.users.list", users, a.listUsers),
		read("iam.users.get", users+"/:uid", a.getUser),
		create, update,
		change("iam.users.delete", http.MethodDelete, users+"/:uid", a.deleteUser),
	}
}

func (a *api) discoveryRoutes() []httpapi.Route {
	return []httpapi.Route{
		{ID: "iam.auth.jwks", Method: http.MethodGet, Path: prefix + "/auth/jwks", Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, Handle: a.jwks},
		{ID: "iam.uiconfig", Method: http.MethodGet, Path: prefix + "/uiconfig", Access: httpapi.Public, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: a.uiConfig},
		{ID: "iam.uiconfig.metadata", Method: http.MethodGet, Path: "/dcos-metadata/ui-config.json", Access: httpapi.Public, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: a.uiConfig}, // the one path by which browsers reach it (contract 7.2)
		{ID: "iam.openapi", Method: http.MethodGet, Path: prefix + "/internal/openapispec.yaml", Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, Handle: a.openAPI},
	}
}

func (a *api) adminRoutes() []httpapi.Route {
	return []httpapi.Route{
		{ID: "gatehouse.tokens.revoke", Method: http.MethodPost, Path: admin + "/users/:uid/revoke-tokens", Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: smallBody, Handle: a.revokeUser},
		{ID: "gatehouse.tokens.revoke-all", Method: http.MethodPost, Path: admin + "/revoke-tokens", Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: smallBody, Handle: a.revokeAll},
		{ID: "gatehouse.users.forget-subject", Method: http.MethodPost, Path: admin + "/users/:uid/forget-subject", Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: httpapi.NoBody, MinLevel: command.LevelDirectory, Handle: a.forgetSubject},
		{ID: "gatehouse.keys.list", Method: http.MethodGet, Path: admin + "/keys", Access: httpapi.Superuser, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: a.listKeys},
		{ID: "gatehouse.keys.prepare", Method: http.MethodPost, Path: admin + "/keys", Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: smallBody, NoIdempotency: true, Handle: a.prepareKey},
		{ID: "gatehouse.keys.activate", Method: http.MethodPost, Path: admin + "/keys/:kid/activate", Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: smallBody, Handle: a.activateKey},
		{ID: "gatehouse.keys.retire", Method: http.MethodPost, Path: admin + "/keys/:kid/retire", Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: smallBody, Schema: retireSchema, Handle: a.retireKey},
		{ID: "gatehouse.cluster-keys.list", Method: http.MethodGet, Path: admin + "/cluster-keys", Access: httpapi.Superuser, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: a.listClusterKeys},
		{ID: "gatehouse.cluster-keys.activate", Method: http.MethodPost, Path: admin + "/cluster-keys/:id/activate", Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: smallBody, Handle: a.activateClusterKey},
		{ID: "gatehouse.masters.remove", Method: http.MethodDelete, Path: admin + "/masters/:id", Access: httpapi.Superuser, Mode: httpapi.Leader,
			BodyLimit: httpapi.NoBody, Handle: a.removeMaster},
		{ID: "gatehouse.superuser.reset", Method: http.MethodPost, Path: admin + "/reset-superuser", Access: httpapi.Internal, Mode: httpapi.Leader,
			BodyLimit: resetBody, NeedBody: true, Schema: resetSchema, NoIdempotency: true, Handle: a.resetSuperuser},
	}
}

func concat(tables ...[]httpapi.Route) (all []httpapi.Route) {
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}
