//go:build e2e

package e2e

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/client"
)

// rids are resources that are hard to write into a path.
var rids = []string{"dcos:x", "dcos:service:marathon:marathon:services:/a/b", "dcos:mesos:agent:task:app_id:*", "/", "//a/", "a b", "a?b#c;d,e&f=g+h", "100%", "東京/é", `"'\<>{}|^` + "`"}

// Each change goes to one master, and is read at another as soon as it is acknowledged.
func TestTheClientPackageManagesAccessThroughEveryMaster(t *testing.T) {
	c := shared(t)
	var at []*client.Client
	for _, m := range c.Masters {
		at = append(at, asSuperuser(t, m.API))
	}
	ctx, uid, gid := t.Context(), named(t, "u"), named(t, "g")[20:]
	turn := 0
	next := func() *client.Client { turn++; return at[turn%len(at)] }
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	do("user", next().CreateUser(ctx, client.NewUser{UID: uid, Password: "a passphrase"}))
	do("group", next().CreateGroup(ctx, client.NewGroup{GID: gid, Description: "one"}))
	do("describe", next().UpdateGroup(ctx, gid, "two"))
	want := client.Group{GID: gid, Description: "two", URL: "/acs/api/v1/groups/" + gid, ProviderType: "internal"}
	if got := must[client.Group](t)(next().Group(ctx, gid)); got != want || !slices.Contains(must[[]client.Group](t)(next().Groups(ctx)), want) {
		t.Errorf("got the group %+v, want %+v, which is in the list", got, want)
	}
	do("join", next().AddMember(ctx, gid, uid))
	if err := next().AddMember(ctx, gid, uid); !client.IsCode(err, "ERR_USER_ALREADY_IN_GROUP") {
		t.Errorf("join again: %v", err)
	}
	members := must[[]client.User](t)(next().Members(ctx, gid))
	if groups := must[[]client.Group](t)(next().GroupsOf(ctx, uid)); len(members) != 1 || members[0].UID != uid || !slices.Equal(groups, []client.Group{want}) {
		t.Errorf("got the members %+v of %+v", members, groups)
	}
	for _, suffix := range rids {
		manageOne(t, next, named(t, suffix), uid, gid)
	}
	do("leave", next().RemoveMember(ctx, gid, uid))
	if err := next().RemoveMember(ctx, gid, uid); !client.IsCode(err, "ERR_USER_NOT_IN_GROUP") {
		t.Errorf("leave again: %v", err)
	}
	do("delete the group", next().DeleteGroup(ctx, gid))
	do("delete the user", next().DeleteUser(ctx, uid))
}

// manageOne takes one resource through its life.
func manageOne(t *testing.T, next func() *client.Client, rid, uid, gid string) {
	t.Helper()
	ctx, user, group := t.Context(), client.UserPrincipal(uid), client.GroupPrincipal(gid)
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %s: %v", rid, what, err)
		}
	}
	refused := func(code string, err error) {
		t.Helper()
		if !client.IsCode(err, code) {
			t.Errorf("%s: got %v, want %s", rid, err, code)
		}
	}
	allowed := func(action string, want bool) {
		t.Helper()
		q := client.Query{UID: uid, RID: rid, Action: action}
		got, err := next().Allowed(ctx, q)
		many, errMany := next().Decide(ctx, []client.Query{q, q})
		why, errWhy := next().Explain(ctx, q)
		if err != nil || errMany != nil || errWhy != nil || got != want || !slices.Equal(many, []bool{want, want}) || why.Allowed != want || why.Query != q {
			t.Errorf("%s: %s: got %v %v, %v %v, %+v %v; want %v", rid, action, got, err, many, errMany, why, errWhy, want)
		}
	}
	refused("ERR_UNKNOWN_RESOURCE_ID", next().Grant(ctx, rid, user, "read"))
	do("create", next().CreateACL(ctx, rid, "one"))
	refused("ERR_ACL_EXISTS", next().CreateACL(ctx, rid, "two"))
	do("describe", next().UpdateACL(ctx, rid, ""))
	acl := must[client.ACL](t)(next().ACL(ctx, rid))
	if acl.RID != rid || acl.Description != "" || !slices.Contains(must[[]client.ACL](t)(next().ACLs(ctx)), acl) {
		t.Errorf("%s: got %+v, which must be in the list", rid, acl)
	}
	allowed("update", false)
	refused("ERR_USER_NOT_IN_ACL", next().RevokeAll(ctx, rid, user))
	do("grant", next().Grant(ctx, rid, user, "read"))
	refused("ERR_PERMISSION_EXISTS", next().Grant(ctx, rid, user, "read"))
	refused("ERR_ACTION_NOT_YET_STORED", next().Revoke(ctx, rid, user, "update"))
	refused("ERR_INVALID_ACTION", next().Grant(ctx, rid, user, "see"))
	do("grant to the group", next().Grant(ctx, rid, group, "full"))
	allowed("update", true)
	shown(t, next(), rid, user, []string{"read"})
	shown(t, next(), rid, group, []string{"full"})
	p := must[client.Permissions](t)(next().PermissionsOf(ctx, uid))
	of := must[[]client.Permission](t)(next().PermissionsOfGroup(ctx, gid))
	on := must[client.ACLPermissions](t)(next().PermissionsOn(ctx, rid))
	if len(p.Direct) != 1 || len(p.Groups) != 1 || len(of) != 1 || len(on.Users) != 1 || len(on.Groups) != 1 ||
		p.Direct[0].RID != rid || p.Groups[0].GID != gid || of[0].RID != rid || on.Users[0].UID != uid || on.Groups[0].GID != gid {
		t.Errorf("%s: got %+v, %+v and %+v", rid, p, of, on)
	}
	do("revoke", next().Revoke(ctx, rid, group, "full"))
	allowed("update", false)
	allowed("read", true)
	do("revoke all", next().RevokeAll(ctx, rid, user))
	allowed("read", false)
	do("delete", next().DeleteACL(ctx, rid))
	refused("ERR_UNKNOWN_RESOURCE_ID", next().DeleteACL(ctx, rid))
}

// shown looks at what is stored for a principal.
func shown(t *testing.T, c *client.Client, rid string, p client.Principal, want []string) {
	t.Helper()
	var got []string
	for _, action := range must[[]client.Action](t)(c.Granted(t.Context(), rid, p)) {
		got = append(got, action.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s (-want +got)\n%s", rid, p, diff)
	}
	for _, action := range client.Actions() {
		if is := must[bool](t)(c.IsGranted(t.Context(), rid, p, action)); is != slices.Contains(want, action) {
			t.Errorf("%s: %s: %s is granted: %v", rid, p, action, is)
		}
	}
}
