package iamapi

import "gatehouse/httpapi/apitest"

// permissionSteps are the part of the script about groups, resources and permissions. alice and robot exist.
func permissionSteps() (steps []step) {
	const groups, acls = prefix + "/groups", prefix + "/acls"
	const folder = acls + "/dcos:secrets:default:%252Fa%252Fb"
	get := func(route, path string) {
		steps = append(steps, step{route: route, Call: apitest.Call{Method: "GET", Path: path, Token: "root"}})
	}
	send := func(route, method, path, body string) {
		steps = append(steps, step{route: route, Call: apitest.Call{Method: method, Path: path, JSON: body, Token: "root"}})
	}
	send("iam.groups.create", "PUT", groups+"/tea-party", `{"description":"Who drinks <tea>"}`)
	send("iam.groups.create", "PUT", groups+"/tea-party", `{"description":""}`)
	send("iam.groups.create", "PUT", groups+"/from-ldap", `{"description":"","provider_type":"ldap"}`)
	send("iam.groups.create", "PUT", groups+"/no.dot", `{"description":""}`)
	send("iam.groups.create", "PUT", groups+"/other", `{"description":"","provider_type":"oidc"}`)
	send("iam.groups.create", "PUT", groups+"/other", `{"members":[]}`)
	send("iam.groups.create", "PUT", groups+"/other", ``)
	send("iam.groups.update", "PATCH", groups+"/tea-party", `{"description":"Tea"}`)
	send("iam.groups.update", "PATCH", groups+"/tea-party", `{}`)
	send("iam.groups.update", "PATCH", groups+"/nobodys", `{"description":"Tea"}`)
	get("iam.groups.get", groups+"/tea-party?_timestamp=1500000000000")
	get("iam.groups.get", groups+"/nobodys")
	get("iam.groups.list", groups)
	send("iam.groups.users.add", "PUT", groups+"/tea-party/users/alice?_timestamp=1500000000000", "")
	send("iam.groups.users.add", "PUT", groups+"/tea-party/users/alice", "")
	send("iam.groups.users.add", "PUT", groups+"/tea-party/users/robot", "")
	send("iam.groups.users.add", "PUT", groups+"/tea-party/users/nobody", "")
	send("iam.groups.users.add", "PUT", groups+"/nobodys/users/alice", "")
	get("iam.groups.users.list", groups+"/tea-party/users")
	get("iam.groups.users.list", groups+"/tea-party/users?type=service")
	get("iam.groups.users.list", groups+"/nobodys/users")

	send("iam.acls.create", "PUT", folder, `{"description":"A folder"}`)
	send("iam.acls.create", "PUT", folder, `{"description":"again"}`)
	send("iam.acls.create", "PUT", acls+"/dcos:a%0Ab", `{"description":""}`)
	send("iam.acls.create", "PUT", acls+"/dcos:b", `{"rid":"dcos:b"}`)
	send("iam.acls.update", "PATCH", folder, `{"description":""}`)
	send("iam.acls.update", "PATCH", acls+"/unknown", `{"description":""}`)
	get("iam.acls.get", folder)
	get("iam.acls.get", acls+"/unknown")
	get("iam.acls.list", acls+"/?type=all")
	for _, who := range []struct{ kind, known, unknown string }{{"users", "alice", "nobody"}, {"groups", "tea-party", "nobodys"}} {
		row, entry := "iam.acls."+who.kind, folder+"/"+who.kind+"/"+who.known
		get(row+".list", entry)
		get(row+".get", entry+"/read")
		send(row+".grant", "PUT", entry+"/read", "")
		send(row+".grant", "PUT", entry+"/read", "")
		send(row+".grant", "PUT", entry+"/full", "")
		send(row+".grant", "PUT", entry+"/create", "")
		send(row+".grant", "PUT", entry+"/READ", "")
		send(row+".grant", "PUT", folder+"/"+who.kind+"/"+who.unknown+"/read", "")
		send(row+".grant", "PUT", acls+"/unknown/"+who.kind+"/"+who.known+"/read", "")
		get(row+".get", entry+"/read")
		get(row+".get", entry+"/update")
		get(row+".get", entry+"/list")
		get(row+".get", folder+"/"+who.kind+"/"+who.unknown+"/read")
		get(row+".list", entry)
		get(row+".list", folder+"/"+who.kind+"/"+who.unknown)
	}
	get("iam.acls.permissions", folder+"/permissions")
	get("iam.acls.permissions", acls+"/dcos:superuser/permissions")
	get("iam.acls.permissions", acls+"/unknown/permissions")
	get("iam.groups.permissions", groups+"/tea-party/permissions")
	get("iam.groups.permissions", groups+"/from-ldap/permissions")
	get("iam.groups.permissions", groups+"/nobodys/permissions")
	get("iam.users.permissions", usersPath+"/alice/permissions")
	get("iam.users.permissions", usersPath+"/robot/permissions")
	get("iam.users.permissions", usersPath+"/nobody/permissions")
	get("iam.users.groups", usersPath+"/alice/groups")
	get("iam.users.groups", usersPath+"/bob@example.com/groups")
	get("iam.users.groups", usersPath+"/nobody/groups")

	for _, who := range []struct{ kind, known string }{{"users", "alice"}, {"groups", "tea-party"}} {
		row, entry := "iam.acls."+who.kind, folder+"/"+who.kind+"/"+who.known
		send(row+".revoke", "DELETE", entry+"/read", "")
		send(row+".revoke", "DELETE", entry+"/read", "")
		send(row+".revoke", "DELETE", entry+"/everything", "")
		send(row+".revoke-all", "DELETE", entry, "")
		send(row+".revoke-all", "DELETE", entry, "")
	}
	send("iam.acls.groups.revoke", "DELETE", acls+"/dcos:superuser/groups/superusers/full", "")
	send("iam.acls.groups.revoke-all", "DELETE", acls+"/dcos:superuser/groups/superusers", "")
	send("iam.acls.delete", "DELETE", folder, "")
	send("iam.acls.delete", "DELETE", folder, "")
	send("iam.acls.delete", "DELETE", acls+"/dcos:superuser", "")
	send("iam.groups.users.remove", "DELETE", groups+"/tea-party/users/robot", "")
	send("iam.groups.users.remove", "DELETE", groups+"/tea-party/users/robot", "")
	send("iam.groups.users.remove", "DELETE", groups+"/superusers/users/"+root, "")
	send("iam.groups.delete", "DELETE", groups+"/tea-party", "")
	send("iam.groups.delete", "DELETE", groups+"/tea-party", "")
	send("iam.groups.delete", "DELETE", groups+"/superusers", "")
	return steps
}
