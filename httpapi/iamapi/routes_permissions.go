package iamapi

import (
	"net/http"

	"gatehouse/httpapi"
)

// The rows of users' groups and permissions are for the users themselves, too: the user interface asks with every page what
// it may show (contract 1.9, decision 16).
func (a *api) ownRoutes() []httpapi.Route {
	own := func(id, path string, h httpapi.Handler) httpapi.Route {
		return httpapi.Route{ID: id, Method: http.MethodGet, Path: prefix + "/users/:uid" + path, Access: httpapi.Self, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: h}
	}
	return []httpapi.Route{
		own("iam.users.groups", "/groups", a.listGroupsOfUser),
		own("iam.users.permissions", "/permissions", a.listUserPermissions),
	}
}

func (a *api) groupRoutes() []httpapi.Route {
	const groups = prefix + "/groups"
	return []httpapi.Route{
		read("iam.groups.list", groups, a.listGroups),
		read("iam.groups.get", groups+"/:gid", a.getGroup),
		document("iam.groups.create", http.MethodPut, groups+"/:gid", groupCreateSchema, a.createGroup),
		document("iam.groups.update", http.MethodPatch, groups+"/:gid", descriptionSchema, a.updateGroup),
		change("iam.groups.delete", http.MethodDelete, groups+"/:gid", a.deleteGroup),
		read("iam.groups.permissions", groups+"/:gid/permissions", a.listGroupPermissions),
		read("iam.groups.users.list", groups+"/:gid/users", a.listMembers),
		change("iam.groups.users.add", http.MethodPut, groups+"/:gid/users/:uid", a.addMember),
		change("iam.groups.users.remove", http.MethodDelete, groups+"/:gid/users/:uid", a.removeMember),
	}
}

func (a *api) aclRoutes() []httpapi.Route {
	const acls = prefix + "/acls"
	rows := []httpapi.Route{
		read("iam.acls.list", acls, a.listACLs),
		read("iam.acls.get", acls+"/:rid", a.getACL),
		document("iam.acls.create", http.MethodPut, acls+"/:rid", descriptionSchema, a.createACL),
		document("iam.acls.update", http.MethodPatch, acls+"/:rid", descriptionSchema, a.updateACL),
		change("iam.acls.delete", http.MethodDelete, acls+"/:rid", a.deleteACL),
		read("iam.acls.permissions", acls+"/:rid/permissions", a.listACLPermissions),
	}
	rows = append(rows, grants{a, false}.routes("iam.acls.users", acls+"/:rid/users/:uid")...)
	return append(rows, grants{a, true}.routes("iam.acls.groups", acls+"/:rid/groups/:gid")...)
}

func (g grants) routes(id, path string) []httpapi.Route {
	return []httpapi.Route{
		read(id+".list", path, g.list),
		change(id+".revoke-all", http.MethodDelete, path, g.revokeAll),
		read(id+".get", path+"/:action", g.get),
		change(id+".grant", http.MethodPut, path+"/:action", g.grant),
		change(id+".revoke", http.MethodDelete, path+"/:action", g.revoke),
	}
}

// read is a row that shows what is stored.
func read(id, path string, h httpapi.Handler) httpapi.Route {
	return httpapi.Route{ID: id, Method: http.MethodGet, Path: path, Access: httpapi.IAM, Mode: httpapi.Stale, BodyLimit: httpapi.NoBody, Handle: h}
}

// change is a row that needs nothing but its path: clients send no body with it, nor a Content-Type (contract 0.1).
func change(id, method, path string, h httpapi.Handler) httpapi.Route {
	return httpapi.Route{ID: id, Method: method, Path: path, Access: httpapi.IAM, Mode: httpapi.Leader, BodyLimit: httpapi.NoBody, Handle: h}
}

// document is a row that needs a body.
func document(id, method, path string, schema *httpapi.Schema, h httpapi.Handler) httpapi.Route {
	row := change(id, method, path, h)
	row.BodyLimit, row.NeedBody, row.Schema = entityBody, true, schema
	return row
}
