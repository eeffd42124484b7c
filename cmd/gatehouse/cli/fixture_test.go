package cli

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/httpapi/client"
)

const pubPEM = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf\n9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n-----END PUBLIC KEY-----\n"

// full is a master with something of everything.
func full(t *testing.T) *master {
	day := 24 * time.Hour
	alice := client.User{UID: "alice", Description: "Alice \x1b[31min 東京", URL: "/acs/api/v1/users/alice", ProviderType: "internal"}
	carol := client.User{UID: "carol@example.com", URL: "/acs/api/v1/users/carol@example.com", IsRemote: true, ProviderType: "oidc", ProviderID: "example-idp"}
	ops := client.Group{GID: "ops", Description: "Operations", URL: "/acs/api/v1/groups/ops", ProviderType: "internal"}
	supers := client.Group{GID: "superusers", Description: "Superuser group", URL: "/acs/api/v1/groups/superusers", ProviderType: "internal"}
	action := func(principal string, names ...string) (actions []client.Action) {
		for _, name := range names {
			actions = append(actions, client.Action{Name: name, URL: "/acs/api/v1/acls/" + principal + "/" + name})
		}
		return actions
	}
	jobs := client.Permission{RID: "dcos:service:metronome:metronome:jobs:/prod", Description: "Jobs\x1b[2J", ACLURL: "/acs/api/v1/acls/dcos:service:metronome:metronome:jobs:%252Fprod",
		Actions: action("dcos:service:metronome:metronome:jobs:%252Fprod/users/alice", "read", "update")}
	mesos := client.Permission{RID: "dcos:adminrouter:ops:mesos", ACLURL: "/acs/api/v1/acls/dcos:adminrouter:ops:mesos",
		Actions: action("dcos:adminrouter:ops:mesos/groups/ops", "full")}
	mesosOfAlice := mesos
	mesosOfAlice.GID, mesosOfAlice.MembershipURL = "ops", "/acs/api/v1/groups/ops/users/alice"
	svc := client.User{UID: "deployer", Description: "Deploys", URL: "/acs/api/v1/users/deployer", IsService: true, ProviderType: "internal", PublicKey: pubPEM}
	m := newMaster(t, map[string]any{
		"GET /acs/api/v1/users":                         list(carol, alice),
		"GET /acs/api/v1/users?type=service":            list(svc),
		"GET /acs/api/v1/users/alice":                   alice,
		"GET /acs/api/v1/users/deployer":                svc,
		"GET /acs/api/v1/users/nobody":                  no{400, `{"title":"400 Bad Request","description":"User with uid ` + "`nobody`" + ` not known.","code":"ERR_UNKNOWN_USER_ID"}`},
		"GET /acs/api/v1/users/alice/groups":            list(map[string]any{"membershipurl": "/acs/api/v1/groups/ops/users/alice", "group": ops}),
		"GET /acs/api/v1/users/alice/permissions":       client.Permissions{Direct: []client.Permission{jobs}, Groups: []client.Permission{mesosOfAlice}},
		"GET /acs/api/v1/users/admin/groups":            list(map[string]any{"membershipurl": "/acs/api/v1/groups/superusers/users/admin", "group": supers}),
		"GET /acs/api/v1/users/admin/permissions":       client.Permissions{Direct: []client.Permission{}, Groups: []client.Permission{}},
		"GET /acs/api/v1/users/deployer/groups":         list[any](),
		"GET /acs/api/v1/users/deployer/permissions":    client.Permissions{Direct: []client.Permission{}, Groups: []client.Permission{}},
		"GET /acs/api/v1/groups":                        list(supers, ops),
		"GET /acs/api/v1/groups/ops":                    ops,
		"GET /acs/api/v1/groups/ops/users":              list(map[string]any{"membershipurl": "", "user": alice}),
		"GET /acs/api/v1/groups/ops/users?type=service": list(map[string]any{"membershipurl": "", "user": svc}),
		"GET /acs/api/v1/groups/ops/permissions":        list(mesos),
		"PUT /acs/api/v1/groups/new":                    nil, "PATCH /acs/api/v1/groups/ops": nil, "DELETE /acs/api/v1/groups/ops": nil,
		"PUT /acs/api/v1/groups/ops/users/alice": nil, "PUT /acs/api/v1/groups/ops/users/deployer": nil, "DELETE /acs/api/v1/groups/ops/users/alice": nil,
		"GET /acs/api/v1/acls": list(
			client.ACL{RID: jobs.RID, Description: jobs.Description, URL: jobs.ACLURL}, client.ACL{RID: mesos.RID, URL: mesos.ACLURL}),
		"GET /acs/api/v1/acls/dcos:adminrouter:ops:mesos": client.ACL{RID: mesos.RID, URL: mesos.ACLURL},
		"GET /acs/api/v1/acls/dcos:adminrouter:ops:mesos/permissions": client.ACLPermissions{
			Groups: []client.GroupGrant{{GID: "ops", GroupURL: ops.URL, Actions: mesos.Actions}},
			Users:  []client.UserGrant{{UID: "alice", UserURL: alice.URL, Actions: action("dcos:adminrouter:ops:mesos/users/alice", "create", "read")}}},
		"PUT /acs/api/v1/acls/dcos:%252Fnew": nil, "PATCH /acs/api/v1/acls/dcos:adminrouter:ops:mesos": nil, "DELETE /acs/api/v1/acls/dcos:adminrouter:ops:mesos": nil,
		"PUT /acs/api/v1/acls/dcos:adminrouter:ops:mesos/users/alice/read":    nil,
		"PUT /acs/api/v1/acls/dcos:adminrouter:ops:mesos/users/alice/update":  nil,
		"PUT /acs/api/v1/acls/dcos:adminrouter:ops:mesos/groups/ops/full":     no{409, `{"title":"409 Conflict","code":"ERR_PERMISSION_EXISTS"}`},
		"DELETE /acs/api/v1/acls/dcos:adminrouter:ops:mesos/users/alice/read": nil, "DELETE /acs/api/v1/acls/dcos:adminrouter:ops:mesos/groups/ops": nil,
		explainRow("admin", "dcos:superuser", "full"):             client.Decision{Query: client.Query{UID: "admin", RID: "dcos:superuser", Action: "full"}, Allowed: true, Superuser: true, Paths: []client.GrantPath{{RID: "dcos:superuser", Actions: []string{"full"}, GID: "superusers"}}},
		explainRow("admin", "dcos:x", "read"):                     client.Decision{Query: client.Query{UID: "admin", RID: "dcos:x", Action: "read"}, Allowed: true, Superuser: true, Paths: []client.GrantPath{{RID: "dcos:superuser", Actions: []string{"full"}, GID: "superusers"}}},
		explainRow("alice", "dcos:adminrouter:ops:mesos", "read"): client.Decision{Query: client.Query{UID: "alice", RID: "dcos:adminrouter:ops:mesos", Action: "read"}, Allowed: true, Paths: []client.GrantPath{{RID: "dcos:adminrouter:ops:mesos", Actions: []string{"create", "read"}}, {RID: "dcos:adminrouter:ops:mesos", Actions: []string{"full"}, GID: "ops"}}},
		explainRow("alice", jobs.RID, "delete"):                   client.Decision{Query: client.Query{UID: "alice", RID: jobs.RID, Action: "delete"}},
		explainRow("alice", "dcos:x", "read"):                     client.Decision{Query: client.Query{UID: "alice", RID: "dcos:x", Action: "read"}},
		explainRow("deployer", "dcos:x", "read"):                  client.Decision{Query: client.Query{UID: "deployer", RID: "dcos:x", Action: "read"}},
		explainRow("nobody", "dcos:x", "read"):                    no{400, `{"title":"400 Bad Request","code":"ERR_UNKNOWN_USER_ID"}`},
		"PUT /acs/api/v1/users/bob":                               nil, "PATCH /acs/api/v1/users/alice": nil, "DELETE /acs/api/v1/users/alice": nil,
		"POST /gatehouse/v1/users/alice/revoke-tokens":  client.Revocation{UID: "alice", NotBefore: noon},
		"POST /gatehouse/v1/users/alice/forget-subject": nil, "POST /gatehouse/v1/users/carol@example.com/forget-subject": nil,
		"POST /gatehouse/v1/users/nobody/forget-subject": no{400, `{"title":"400 Bad Request","description":"User with uid ` + "`nobody`" + ` not known.","code":"ERR_UNKNOWN_USER_ID"}`},
		"POST /gatehouse/v1/revoke-tokens":               client.Revocation{NotBefore: noon},
		"GET /gatehouse/v1/masters": list(
			client.Master{ID: "026d3dbe15a1e269", Name: "m1", API: "https://m1.example", Peer: "10.0.0.1:8102", State: "leader", Leader: true, Version: "0.5.0", Level: 1, AppliedIndex: 1234},
			client.Master{ID: "3b8ca8187639ba1d", Name: "m2", API: "https://m2.example", Peer: "10.0.0.2:8102", State: "unreachable"}),
		"DELETE /gatehouse/v1/masters/3b8ca8187639ba1d": nil,
		"GET /gatehouse/v1/health":                      client.HealthReport{Healthy: true, Reasons: []string{}, ID: "026d3dbe15a1e269", State: "leader", Leader: "026d3dbe15a1e269", Term: 3},
		"GET /gatehouse/v1/health/leader":               no{503, `{"healthy":false,"reasons":["starting","not the leader"],"id":"026d3dbe15a1e269","state":"follower","leader":"","term":3}`},
		"GET /gatehouse/v1/keys": list(
			client.SigningKey{KID: strings.Repeat("3f0a", 16), Status: "active", CreatedAt: noon.Add(-3 * day), ActivatedAt: noon.Add(-2 * day)},
			client.SigningKey{KID: strings.Repeat("9bd4", 16), Status: "retiring", CreatedAt: noon.Add(-90 * day), ActivatedAt: noon.Add(-90 * day), RetiringAt: noon.Add(-2 * day), TokensExpireAt: noon.Add(3 * day)}),
		"POST /gatehouse/v1/keys": client.SigningKey{KID: strings.Repeat("77aa", 16), Status: "prepared", CreatedAt: noon},
		"POST /gatehouse/v1/keys/" + strings.Repeat("3f0a", 16) + "/activate": map[string]string{"kid": "3f0a", "description": "Restart it."},
		"POST /gatehouse/v1/keys/" + strings.Repeat("9bd4", 16) + "/retire":   nil,
		"GET /gatehouse/v1/cluster-keys":                                      list(client.ClusterKey{ID: "3f0a5c71d2e94b68", Primary: true, Masters: []string{"026d3dbe15a1e269"}, Unconfirmed: []string{"3b8ca8187639ba1d"}, SigningKeys: 2}),
		"POST /gatehouse/v1/cluster-keys/3f0a5c71d2e94b68/activate":           map[string]string{"id": "3f0a5c71d2e94b68", "description": "Keep the old key."},
	})
	addSecrets(m)
	addIdentities(m)
	return m
}

// explainRow is how a decision is asked for.
func explainRow(uid, rid, action string) string {
	return "GET /gatehouse/v1/explain?" + url.Values{"uid": {uid}, "rid": {rid}, "action": {action}}.Encode()
}

func list[T any](items ...T) map[string]any { return map[string]any{"array": items} }
