//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// directory is what a correct cluster holds: users, groups and their members, resources and who may do what on them. It answers as the
// contract says.
type directory struct {
	users   map[string]bool            // uid → is a service account
	groups  map[string]map[string]bool // gid → members
	acls    map[string]map[holder]map[string]bool
	private int // makes names of descriptions
}

// holder is who holds an action on a resource.
type holder struct {
	kind string // users or groups, as in the paths
	id   string
}

func newDirectory() *directory {
	return &directory{users: map[string]bool{}, groups: map[string]map[string]bool{}, acls: map[string]map[holder]map[string]bool{}}
}

// The names that operations choose from: few, so that they meet.
var (
	modelUsers   = []string{"amy", "ben", "cat", "dog@example.com"}
	modelGroups  = []string{"devs", "ops", "all"}
	modelACLs    = []string{"dcos:model:one", "dcos:model:/two/three", "dcos:model:*"}
	modelActions = []string{"create", "read", "update", "delete", "full"}
)

// operation is one request, and what it does to a directory: it answers status and error code.
type operation struct {
	method, path string
	body         any
	apply        func(*directory) (int, string)
}

// Outcomes of the contract (0.4, 1.8).
func created() (int, string)                { return 201, "" }
func done() (int, string)                   { return 204, "" }
func refused(code string) (int, string)     { return 400, code }
func exists(code string) (int, string)      { return 409, code }
func aclURL(rid string) string              { return "/acs/api/v1/acls/" + strings.ReplaceAll(rid, "/", "%252F") }
func memberURL(gid, uid string) string      { return "/acs/api/v1/groups/" + gid + "/users/" + uid }
func grantURL(rid string, h holder) string  { return aclURL(rid) + "/" + h.kind + "/" + h.id }
func oneOf[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }
func (d *directory) knows(h holder) bool    { return d.unknown(h) == "" }
func (d *directory) text(what string) string {
	d.private++
	return fmt.Sprintf("%s %d", what, d.private)
}

// unknown is the code for a principal that is not there.
func (d *directory) unknown(h holder) string {
	if _, ok := d.users[h.id]; h.kind == "users" && !ok {
		return "ERR_UNKNOWN_USER_ID"
	}
	if d.groups[h.id] == nil && h.kind == "groups" {
		return "ERR_UNKNOWN_GROUP_ID"
	}
	return ""
}

// choose picks an operation. Creations weigh more, so that there is something to work on.
func (d *directory) choose(r *rand.Rand) operation {
	switch n := r.IntN(100); {
	case n < 12:
		return d.putUser(r)
	case n < 20:
		return d.putGroup(oneOf(r, modelGroups))
	case n < 28:
		return d.putACL(oneOf(r, modelACLs))
	case n < 42:
		return addMember(oneOf(r, modelGroups), oneOf(r, modelUsers))
	case n < 50:
		return removeMember(oneOf(r, modelGroups), oneOf(r, modelUsers))
	case n < 76:
		return grantTo(oneOf(r, modelACLs), anyHolder(r), oneOf(r, modelActions))
	case n < 86:
		return revokeFrom(oneOf(r, modelACLs), anyHolder(r), oneOf(r, modelActions))
	case n < 89:
		return revokeAll(oneOf(r, modelACLs), anyHolder(r))
	case n < 92:
		return deleteUser(oneOf(r, modelUsers))
	case n < 94:
		return deleteGroup(oneOf(r, modelGroups))
	case n < 96:
		return deleteACL(oneOf(r, modelACLs))
	case n < 98:
		return d.describe(r)
	}
	return grantTo(oneOf(r, modelACLs), anyHolder(r), "write")
}

func anyHolder(r *rand.Rand) holder {
	if r.IntN(2) == 0 {
		return holder{"users", oneOf(r, modelUsers)}
	}
	return holder{"groups", oneOf(r, modelGroups)}
}

func (d *directory) putUser(r *rand.Rand) operation {
	uid, body := oneOf(r, modelUsers), map[string]string{"provider_type": "ldap", "description": d.text("user")}
	return operation{"PUT", "/acs/api/v1/users/" + uid, body, func(d *directory) (int, string) {
		if _, ok := d.users[uid]; ok {
			return exists("ERR_USER_EXISTS")
		}
		d.users[uid] = false
		return created()
	}}
}

func (d *directory) putGroup(gid string) operation {
	return operation{"PUT", "/acs/api/v1/groups/" + gid, map[string]string{"description": d.text("group")}, func(d *directory) (int, string) {
		if d.groups[gid] != nil {
			return exists("ERR_GROUP_EXISTS")
		}
		d.groups[gid] = map[string]bool{}
		return created()
	}}
}

func (d *directory) putACL(rid string) operation {
	return operation{"PUT", aclURL(rid), map[string]string{"description": d.text("resource")}, func(d *directory) (int, string) {
		if d.acls[rid] != nil {
			return exists("ERR_ACL_EXISTS")
		}
		d.acls[rid] = map[holder]map[string]bool{}
		return created()
	}}
}

// membership refuses what is not there: first the group, then the user.
func (d *directory) membership(gid, uid string) (int, string) {
	for _, h := range []holder{{"groups", gid}, {"users", uid}} {
		if !d.knows(h) {
			return refused(d.unknown(h))
		}
	}
	return 0, ""
}

func addMember(gid, uid string) operation {
	return operation{"PUT", memberURL(gid, uid), nil, func(d *directory) (int, string) {
		if status, code := d.membership(gid, uid); code != "" {
			return status, code
		}
		if d.groups[gid][uid] {
			return exists("ERR_USER_ALREADY_IN_GROUP")
		}
		d.groups[gid][uid] = true
		return done()
	}}
}

func removeMember(gid, uid string) operation {
	return operation{"DELETE", memberURL(gid, uid), nil, func(d *directory) (int, string) {
		if status, code := d.membership(gid, uid); code != "" {
			return status, code
		}
		if !d.groups[gid][uid] {
			return refused("ERR_USER_NOT_IN_GROUP")
		}
		delete(d.groups[gid], uid)
		return done()
	}}
}

// entry refuses what is not there: first the action, then the resource, then the principal.
func (d *directory) entry(rid string, h holder, action string) (int, string) {
	switch {
	case action != "" && !slices.Contains(modelActions, action):
		return refused("ERR_INVALID_ACTION")
	case d.acls[rid] == nil:
		return refused("ERR_UNKNOWN_RESOURCE_ID")
	case !d.knows(h):
		return refused(d.unknown(h))
	}
	return 0, ""
}

func grantTo(rid string, h holder, action string) operation {
	return operation{"PUT", grantURL(rid, h) + "/" + action, nil, func(d *directory) (int, string) {
		if status, code := d.entry(rid, h, action); code != "" {
			return status, code
		}
		if d.acls[rid][h][action] {
			return exists("ERR_PERMISSION_EXISTS")
		}
		if d.acls[rid][h] == nil {
			d.acls[rid][h] = map[string]bool{}
		}
		d.acls[rid][h][action] = true
		return done()
	}}
}

func revokeFrom(rid string, h holder, action string) operation {
	return operation{"DELETE", grantURL(rid, h) + "/" + action, nil, func(d *directory) (int, string) {
		if status, code := d.entry(rid, h, action); code != "" {
			return status, code
		}
		if !d.acls[rid][h][action] {
			return refused("ERR_ACTION_NOT_YET_STORED")
		}
		if delete(d.acls[rid][h], action); len(d.acls[rid][h]) == 0 {
			delete(d.acls[rid], h)
		}
		return done()
	}}
}

func revokeAll(rid string, h holder) operation {
	return operation{"DELETE", grantURL(rid, h), nil, func(d *directory) (int, string) {
		if status, code := d.entry(rid, h, ""); code != "" {
			return status, code
		}
		if d.acls[rid][h] == nil {
			return refused(map[string]string{"users": "ERR_USER_NOT_IN_ACL", "groups": "ERR_GROUP_NOT_IN_ACL"}[h.kind])
		}
		delete(d.acls[rid], h)
		return done()
	}}
}

// forget drops what hangs off a principal.
func (d *directory) forget(h holder) {
	for _, entries := range d.acls {
		delete(entries, h)
	}
	for _, members := range d.groups {
		if h.kind == "users" {
			delete(members, h.id)
		}
	}
}

func deleteUser(uid string) operation {
	return operation{"DELETE", "/acs/api/v1/users/" + uid, nil, func(d *directory) (int, string) {
		if _, ok := d.users[uid]; !ok {
			return refused("ERR_UNKNOWN_USER_ID")
		}
		delete(d.users, uid)
		d.forget(holder{"users", uid})
		return done()
	}}
}

func deleteGroup(gid string) operation {
	return operation{"DELETE", "/acs/api/v1/groups/" + gid, nil, func(d *directory) (int, string) {
		if d.groups[gid] == nil {
			return refused("ERR_UNKNOWN_GROUP_ID")
		}
		delete(d.groups, gid)
		d.forget(holder{"groups", gid})
		return done()
	}}
}

func deleteACL(rid string) operation {
	return operation{"DELETE", aclURL(rid), nil, func(d *directory) (int, string) {
		if d.acls[rid] == nil {
			return refused("ERR_UNKNOWN_RESOURCE_ID")
		}
		delete(d.acls, rid)
		return done()
	}}
}

// describe changes a description.
func (d *directory) describe(r *rand.Rand) operation {
	body := map[string]string{"description": d.text("described")}
	switch r.IntN(3) {
	case 0:
		h := holder{"users", oneOf(r, modelUsers)}
		return operation{"PATCH", "/acs/api/v1/users/" + h.id, body, func(d *directory) (int, string) { return d.changed(d.unknown(h)) }}
	case 1:
		h := holder{"groups", oneOf(r, modelGroups)}
		return operation{"PATCH", "/acs/api/v1/groups/" + h.id, body, func(d *directory) (int, string) { return d.changed(d.unknown(h)) }}
	}
	rid := oneOf(r, modelACLs)
	return operation{"PATCH", aclURL(rid), body, func(d *directory) (int, string) {
		_, code := d.entry(rid, holder{"", ""}, "")
		return d.changed(code)
	}}
}

func (d *directory) changed(code string) (int, string) {
	if code != "" {
		return refused(code)
	}
	return done()
}

// allowed is the decision (contract 3.1): directly or through a group, by that action or by full.
func (d *directory) allowed(uid, rid, action string) bool {
	has := func(h holder) bool { return d.acls[rid][h][action] || d.acls[rid][h]["full"] }
	if has(holder{"users", uid}) {
		return true
	}
	for gid, members := range d.groups {
		if members[uid] && has(holder{"groups", gid}) {
			return true
		}
	}
	return false
}

// members lists a group in order.
func (d *directory) members(gid string) []string { return slices.Sorted(maps.Keys(d.groups[gid])) }

// actions lists what a principal holds, in the order of the API.
func (d *directory) actions(rid string, h holder) (names []string) {
	for _, a := range modelActions {
		if d.acls[rid][h][a] {
			names = append(names, a)
		}
	}
	return names
}
