package client

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Actions are what can be granted on a resource, in the order in which people read them. Full includes the others.
func Actions() []string { return []string{"create", "read", "update", "delete", "full"} }

// Principal is whom a permission is granted to.
type Principal struct {
	kind string // "users" or "groups"
	id   string
}

// UserPrincipal is a user or a service account.
func UserPrincipal(uid string) Principal { return Principal{"users", uid} }

// GroupPrincipal is a group.
func GroupPrincipal(gid string) Principal { return Principal{"groups", gid} }

// Group reports whether it is a group.
func (p Principal) Group() bool { return p.kind == "groups" }

// ID is the uid or the gid.
func (p Principal) ID() string { return p.id }

// String is for people: "user alice", "group ops".
func (p Principal) String() string { return strings.TrimSuffix(p.kind, "s") + " " + p.id }

func groupPath(gid string) string { return iamPrefix + "/groups/" + url.PathEscape(gid) }

func memberPath(gid, uid string) string { return groupPath(gid) + "/users/" + url.PathEscape(uid) }

// aclPath writes the slashes of a rid as %252F (contract 0.6).
func aclPath(rid string) string {
	return iamPrefix + "/acls/" + url.PathEscape(strings.ReplaceAll(rid, "/", "%2F"))
}

func grantPath(rid string, p Principal) string {
	return aclPath(rid) + "/" + p.kind + "/" + url.PathEscape(p.id)
}

// description is the body of what has nothing else.
type description struct {
	Description string `json:"description"`
}

// Groups lists the groups.
func (c *Client) Groups(ctx context.Context) ([]Group, error) {
	return getList[Group](ctx, c, Request{Path: iamPrefix + "/groups"})
}

// Group reads one group. An unknown one is ERR_UNKNOWN_GROUP_ID.
func (c *Client) Group(ctx context.Context, gid string) (Group, error) {
	var g Group
	return g, c.send(ctx, http.MethodGet, groupPath(gid), nil, &g)
}

// CreateGroup adds a group; it never changes one (ERR_GROUP_EXISTS).
func (c *Client) CreateGroup(ctx context.Context, g NewGroup) error {
	return c.send(ctx, http.MethodPut, groupPath(g.GID), g, nil)
}

// UpdateGroup changes a description.
func (c *Client) UpdateGroup(ctx context.Context, gid, text string) error {
	return c.send(ctx, http.MethodPatch, groupPath(gid), description{text}, nil)
}

// DeleteGroup removes a group with its memberships and permissions. The group superusers stays (ERR_IS_SUPERUSER_GROUP).
func (c *Client) DeleteGroup(ctx context.Context, gid string) error {
	return c.send(ctx, http.MethodDelete, groupPath(gid), nil, nil)
}

// Members lists who is in a group: users, then service accounts, which the API keeps apart.
func (c *Client) Members(ctx context.Context, gid string) ([]User, error) {
	var members []User
	for _, query := range []url.Values{nil, {"type": {"service"}}} {
		some, err := getList[struct{ User User }](ctx, c, Request{Path: groupPath(gid) + "/users", Query: query})
		if err != nil {
			return nil, err
		}
		for _, m := range some {
			members = append(members, m.User)
		}
	}
	return members, nil
}

// AddMember puts a user or a service account into a group (ERR_USER_ALREADY_IN_GROUP).
func (c *Client) AddMember(ctx context.Context, gid, uid string) error {
	return c.send(ctx, http.MethodPut, memberPath(gid, uid), nil, nil)
}

// RemoveMember takes a user or a service account out of a group (ERR_USER_NOT_IN_GROUP). The last superuser stays
// (ERR_NO_MORE_SUPERUSERS).
func (c *Client) RemoveMember(ctx context.Context, gid, uid string) error {
	return c.send(ctx, http.MethodDelete, memberPath(gid, uid), nil, nil)
}

// GroupsOf lists the groups that a user or a service account is in. Everybody may ask for its own.
func (c *Client) GroupsOf(ctx context.Context, uid string) ([]Group, error) {
	memberships, err := getList[struct{ Group Group }](ctx, c, Request{Path: userPath(uid) + "/groups"})
	groups := make([]Group, len(memberships))
	for i, m := range memberships {
		groups[i] = m.Group
	}
	return groups, err
}

// PermissionsOf lists what a user or a service account may do, by itself and through its groups. Everybody may ask for its own.
func (c *Client) PermissionsOf(ctx context.Context, uid string) (Permissions, error) {
	var p Permissions
	return p, c.send(ctx, http.MethodGet, userPath(uid)+"/permissions", nil, &p)
}

// PermissionsOfGroup lists what the members of a group may do.
func (c *Client) PermissionsOfGroup(ctx context.Context, gid string) ([]Permission, error) {
	return getList[Permission](ctx, c, Request{Path: groupPath(gid) + "/permissions"})
}

// ACLs lists the protected resources.
func (c *Client) ACLs(ctx context.Context) ([]ACL, error) {
	return getList[ACL](ctx, c, Request{Path: iamPrefix + "/acls"})
}

// ACL reads one protected resource. An unknown one is ERR_UNKNOWN_RESOURCE_ID.
func (c *Client) ACL(ctx context.Context, rid string) (ACL, error) {
	var a ACL
	return a, c.send(ctx, http.MethodGet, aclPath(rid), nil, &a)
}

// CreateACL adds a protected resource; it never changes one (ERR_ACL_EXISTS).
func (c *Client) CreateACL(ctx context.Context, rid, text string) error {
	return c.send(ctx, http.MethodPut, aclPath(rid), description{text}, nil)
}

// UpdateACL changes a description.
func (c *Client) UpdateACL(ctx context.Context, rid, text string) error {
	return c.send(ctx, http.MethodPatch, aclPath(rid), description{text}, nil)
}

// DeleteACL removes a protected resource with everything that is granted on it. dcos:superuser stays (ERR_IS_SUPERUSER_ACL).
func (c *Client) DeleteACL(ctx context.Context, rid string) error {
	return c.send(ctx, http.MethodDelete, aclPath(rid), nil, nil)
}

// PermissionsOn lists who may do what to a resource. Superusers may do everything to it and are not listed.
func (c *Client) PermissionsOn(ctx context.Context, rid string) (ACLPermissions, error) {
	var p ACLPermissions
	return p, c.send(ctx, http.MethodGet, aclPath(rid)+"/permissions", nil, &p)
}

// Grant lets a principal do something to a resource. Resource and principal must exist; what was granted before is ERR_PERMISSION_EXISTS.
func (c *Client) Grant(ctx context.Context, rid string, p Principal, action string) error {
	return c.send(ctx, http.MethodPut, grantPath(rid, p)+"/"+url.PathEscape(action), nil, nil)
}

// Revoke ends what Grant began. What was not granted is ERR_ACTION_NOT_YET_STORED.
func (c *Client) Revoke(ctx context.Context, rid string, p Principal, action string) error {
	return c.send(ctx, http.MethodDelete, grantPath(rid, p)+"/"+url.PathEscape(action), nil, nil)
}

// RevokeAll ends everything that a principal may do to a resource. Nothing granted is ERR_USER_NOT_IN_ACL or ERR_GROUP_NOT_IN_ACL.
func (c *Client) RevokeAll(ctx context.Context, rid string, p Principal) error {
	return c.send(ctx, http.MethodDelete, grantPath(rid, p), nil, nil)
}

// Granted lists the actions that are granted to a principal on a resource, by itself. Nothing granted is an error as for RevokeAll.
func (c *Client) Granted(ctx context.Context, rid string, p Principal) ([]Action, error) {
	return getList[Action](ctx, c, Request{Path: grantPath(rid, p)})
}

// IsGranted reports whether exactly that action is granted to a principal on a resource, by itself. It is no decision: Allowed is.
func (c *Client) IsGranted(ctx context.Context, rid string, p Principal, action string) (bool, error) {
	var answer struct{ Allowed bool }
	err := c.send(ctx, http.MethodGet, grantPath(rid, p)+"/"+url.PathEscape(action), nil, &answer)
	return answer.Allowed, err
}

// Allowed decides whether a user may do something to a resource (contract 3.5). Everybody may ask about itself; on the internal listener
// nobody needs a token. Unknown users and resources are not allowed anything, and no error.
func (c *Client) Allowed(ctx context.Context, q Query) (bool, error) {
	var answer struct{ Allowed bool }
	_, err := c.Do(ctx, Request{Method: http.MethodGet, Path: queryPath, Into: &answer, Public: c.tokenless(),
		Query: url.Values{"uid": {q.UID}, "rid": {q.RID}, "action": {q.Action}}})
	return answer.Allowed, err
}

// MaxQueries is how many questions Decide sends at once.
const MaxQueries = 1000

// Decide is Allowed for many questions; the answers are in their order. One answer comes from one state, but more than MaxQueries are asked
// in several requests.
func (c *Client) Decide(ctx context.Context, queries []Query) ([]bool, error) {
	var allowed []bool
	for some := range slices.Chunk(queries, MaxQueries) {
		var answers list[struct{ Allowed bool }]
		body := map[string][]Query{"queries": some}
		if _, err := c.Do(ctx, Request{Method: http.MethodPost, Path: queryPath, Body: body, Into: &answers, Public: c.tokenless()}); err != nil {
			return nil, err
		}
		for _, a := range answers.Array {
			allowed = append(allowed, a.Allowed)
		}
	}
	return allowed, nil
}

const queryPath = iamPrefix + "/internal/policyquery"

// tokenless reports whether there is no token to be had: the internal listener needs none.
func (c *Client) tokenless() bool {
	t, _, _ := c.session.usable(c.options.Now())
	return c.options.Credentials == nil && t.Raw == ""
}

// Explain decides like Allowed, and says why. Everybody may ask about itself.
func (c *Client) Explain(ctx context.Context, q Query) (Decision, error) {
	var d Decision
	_, err := c.Do(ctx, Request{Method: http.MethodGet, Path: adminPrefix + "/explain", Into: &d,
		Query: url.Values{"uid": {q.UID}, "rid": {q.RID}, "action": {q.Action}}})
	return d, err
}
