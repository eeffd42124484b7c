package client_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/client"
)

const slashes = "dcos:service:marathon:marathon:services:/a/b*"

var alice, ops = client.UserPrincipal("alice"), client.GroupPrincipal("ops")

// changes are the methods that change groups, resources and permissions, and what they send.
var changes = []struct {
	request string
	body    string
	do      func(t *testing.T, c *client.Client) error
}{
	{"PUT /acs/api/v1/groups/ops", `{"description":""}`, func(t *testing.T, c *client.Client) error {
		return c.CreateGroup(t.Context(), client.NewGroup{GID: "ops"})
	}},
	{"PATCH /acs/api/v1/groups/ops", `{"description":"x"}`, func(t *testing.T, c *client.Client) error { return c.UpdateGroup(t.Context(), "ops", "x") }},
	{"DELETE /acs/api/v1/groups/ops", ``, func(t *testing.T, c *client.Client) error { return c.DeleteGroup(t.Context(), "ops") }},
	{"PUT /acs/api/v1/groups/ops/users/alice", ``, func(t *testing.T, c *client.Client) error { return c.AddMember(t.Context(), "ops", "alice") }},
	{"DELETE /acs/api/v1/groups/ops/users/alice", ``, func(t *testing.T, c *client.Client) error { return c.RemoveMember(t.Context(), "ops", "alice") }},
	{"PUT /acs/api/v1/acls/dcos:service:marathon:marathon:services:%252Fa%252Fb%2A", `{"description":"x"}`,
		func(t *testing.T, c *client.Client) error { return c.CreateACL(t.Context(), slashes, "x") }},
	{"PATCH /acs/api/v1/acls/dcos:x", `{"description":""}`, func(t *testing.T, c *client.Client) error { return c.UpdateACL(t.Context(), "dcos:x", "") }},
	{"DELETE /acs/api/v1/acls/dcos:x", ``, func(t *testing.T, c *client.Client) error { return c.DeleteACL(t.Context(), "dcos:x") }},
	{"PUT /acs/api/v1/acls/dcos:%252Fx%252F/users/alice/read", ``, func(t *testing.T, c *client.Client) error { return c.Grant(t.Context(), "dcos:/x/", alice, "read") }},
	{"PUT /acs/api/v1/acls/dcos:x/groups/ops/full", ``, func(t *testing.T, c *client.Client) error { return c.Grant(t.Context(), "dcos:x", ops, "full") }},
	{"DELETE /acs/api/v1/acls/dcos:x/groups/ops/full", ``, func(t *testing.T, c *client.Client) error { return c.Revoke(t.Context(), "dcos:x", ops, "full") }},
	{"DELETE /acs/api/v1/acls/dcos:x/users/alice", ``, func(t *testing.T, c *client.Client) error { return c.RevokeAll(t.Context(), "dcos:x", alice) }},
}

func TestChangesOfAccessAreSentWithAKeyAndRepeated(t *testing.T) {
	for _, tt := range changes {
		m := startMaster(t, hangsUp, fine)
		if err := tt.do(t, newClient(t, client.Options{Addresses: []string{m.URL}})); err != nil {
			t.Errorf("%s: %v", tt.request, err)
		}
		seen := m.seen()
		if len(seen) != 2 || seen[0] != seen[1] || seen[0].key == "" {
			t.Fatalf("%s: got %+v, want the same twice with a key", tt.request, seen)
		}
		if got := seen[0].method + " " + seen[0].path; got != tt.request || seen[0].body != tt.body {
			t.Errorf("got %s with %q, want %s with %q", got, seen[0].body, tt.request, tt.body)
		}
	}
}

// answers is a master that answers paths from a table.
func answers(t *testing.T, table map[string]string) (*master, *client.Client) {
	m := startMaster(t, func(w http.ResponseWriter, r *http.Request) {
		body, known := table[r.Method+" "+r.URL.RequestURI()]
		if !known {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, body)
	})
	return m, newClient(t, client.Options{Addresses: []string{m.URL}})
}

func TestAccessIsRead(t *testing.T) {
	const read = `[{"name":"read","url":"/acs/api/v1/acls/dcos:x/users/alice/read"}]`
	_, c := answers(t, map[string]string{
		"GET /acs/api/v1/groups":                                                     `{"array":[{"gid":"ops","description":"d","url":"u","provider_type":"internal"}]}`,
		"GET /acs/api/v1/groups/ops":                                                 `{"gid":"ops"}`,
		"GET /acs/api/v1/groups/ops/users":                                           `{"array":[{"membershipurl":"m","user":{"uid":"alice"}}]}`,
		"GET /acs/api/v1/groups/ops/users?type=service":                              `{"array":[{"membershipurl":"m","user":{"uid":"robot","is_service":true}}]}`,
		"GET /acs/api/v1/groups/ops/permissions":                                     `{"array":[{"rid":"dcos:x","description":"d","aclurl":"a","actions":` + read + `}]}`,
		"GET /acs/api/v1/users/alice/groups":                                         `{"array":[{"membershipurl":"m","group":{"gid":"ops"}}]}`,
		"GET /acs/api/v1/users/alice/permissions":                                    `{"direct":[],"groups":[{"rid":"dcos:x","gid":"ops","membershipurl":"m","actions":` + read + `}]}`,
		"GET /acs/api/v1/acls":                                                       `{"array":[{"rid":"dcos:x","description":"d","url":"u"}]}`,
		"GET /acs/api/v1/acls/dcos:%252Fx":                                           `{"rid":"dcos:/x"}`,
		"GET /acs/api/v1/acls/dcos:x/permissions":                                    `{"groups":[{"gid":"ops","groupurl":"g","actions":` + read + `}],"users":[]}`,
		"GET /acs/api/v1/acls/dcos:x/users/alice":                                    `{"array":` + read + `}`,
		"GET /acs/api/v1/acls/dcos:x/users/alice/read":                               `{"allowed":true}`,
		"GET /acs/api/v1/internal/policyquery?action=read&rid=dcos%3A%2Fx&uid=alice": `{"allowed":true}`,
		"GET /gatehouse/v1/explain?action=read&rid=dcos%3Ax&uid=alice":               `{"allowed":true,"uid":"alice","rid":"dcos:x","action":"read","paths":[{"rid":"dcos:x","actions":["read"],"gid":"ops"}]}`,
	})
	ctx := t.Context()
	actions := []client.Action{{Name: "read", URL: "/acs/api/v1/acls/dcos:x/users/alice/read"}}
	query := client.Query{UID: "alice", RID: "dcos:x", Action: "read"}
	for name, row := range map[string]struct {
		got  func() (any, error)
		want any
	}{
		"groups":      {func() (any, error) { return c.Groups(ctx) }, []client.Group{{GID: "ops", Description: "d", URL: "u", ProviderType: "internal"}}},
		"group":       {func() (any, error) { return c.Group(ctx, "ops") }, client.Group{GID: "ops"}},
		"members":     {func() (any, error) { return c.Members(ctx, "ops") }, []client.User{{UID: "alice"}, {UID: "robot", IsService: true}}},
		"of a group":  {func() (any, error) { return c.PermissionsOfGroup(ctx, "ops") }, []client.Permission{{RID: "dcos:x", Description: "d", ACLURL: "a", Actions: actions}}},
		"groups of":   {func() (any, error) { return c.GroupsOf(ctx, "alice") }, []client.Group{{GID: "ops"}}},
		"permissions": {func() (any, error) { return c.PermissionsOf(ctx, "alice") }, client.Permissions{Direct: []client.Permission{}, Groups: []client.Permission{{RID: "dcos:x", GID: "ops", MembershipURL: "m", Actions: actions}}}},
		"acls":        {func() (any, error) { return c.ACLs(ctx) }, []client.ACL{{RID: "dcos:x", Description: "d", URL: "u"}}},
		"acl":         {func() (any, error) { return c.ACL(ctx, "dcos:/x") }, client.ACL{RID: "dcos:/x"}},
		"on":          {func() (any, error) { return c.PermissionsOn(ctx, "dcos:x") }, client.ACLPermissions{Groups: []client.GroupGrant{{GID: "ops", GroupURL: "g", Actions: actions}}, Users: []client.UserGrant{}}},
		"granted":     {func() (any, error) { return c.Granted(ctx, "dcos:x", alice) }, actions},
		"is granted":  {func() (any, error) { return c.IsGranted(ctx, "dcos:x", alice, "read") }, true},
		"allowed":     {func() (any, error) { return c.Allowed(ctx, client.Query{UID: "alice", RID: "dcos:/x", Action: "read"}) }, true},
		"explain": {func() (any, error) { return c.Explain(ctx, query) }, client.Decision{Query: query, Allowed: true,
			Paths: []client.GrantPath{{RID: "dcos:x", Actions: []string{"read"}, GID: "ops"}}}},
	} {
		got, err := row.got()
		if diff := cmp.Diff(row.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
}

// More questions than fit into one request are asked in several, and lost answers are asked for again.
func TestManyDecisionsAreAskedTogether(t *testing.T) {
	m := startMaster(t, hangsUp,
		func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"array":[%s]}`, strings.TrimSuffix(strings.Repeat(`{"allowed":true},`, client.MaxQueries), ","))
		},
		func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"array":[{"allowed":false}]}`) })
	c, err := client.New(client.Options{Addresses: []string{m.URL}}) // nobody is logged in, as at the internal listener
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Decide(t.Context(), make([]client.Query, client.MaxQueries+1))
	if err != nil || len(got) != client.MaxQueries+1 || slices.Index(got, false) != client.MaxQueries {
		t.Errorf("got %d answers, %v", len(got), err)
	}
	if seen := m.seen(); len(seen) != 3 || seen[2].body != `{"queries":[{"uid":"","rid":"","action":""}]}` || seen[0].token != "" || seen[0].key != "" {
		t.Errorf("got %d requests, the last %q", len(seen), seen[len(seen)-1].body)
	}
}

func TestPrincipalsSayWhoTheyAre(t *testing.T) {
	if alice.Group() || !ops.Group() || alice.ID() != "alice" || fmt.Sprint(alice, ", ", ops) != "user alice, group ops" {
		t.Errorf("got %v and %v", alice, ops)
	}
}
