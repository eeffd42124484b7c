package conformance

import (
	"context"

	"gatehouse/httpapi/login/ldap"
)

// directory is one with the user newcomer, and the group staff that newcomer is the only member of. With others it is slow.
type directory struct{}

func (directory) FindUser(_ context.Context, _ *ldap.Config, name string) (ldap.Entry, error) {
	if name != "newcomer" {
		return ldap.Entry{}, ldap.ErrNoSuchUser
	}
	return ldap.Entry{UID: name, DN: "uid=newcomer,dc=example,dc=org", CN: "New Comer"}, nil
}

func (directory) FindGroup(_ context.Context, _ *ldap.Config, name string) (ldap.Group, error) {
	switch name {
	case "staff":
		return ldap.Group{Name: name, Members: []string{"newcomer"}}, nil
	case "crowd":
		return ldap.Group{Name: name, Members: []string{"newcomer"}, Truncated: true}, nil
	}
	return ldap.Group{}, ldap.ErrNoSuchGroup
}

func (d directory) ResolveMembers(ctx context.Context, c *ldap.Config, members []string, each func(ldap.Entry) error) error {
	for _, name := range members {
		if e, err := d.FindUser(ctx, c, name); err == nil {
			if err := each(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (directory) BaseExists(context.Context, *ldap.Config) error { return nil }

// Probe reaches the directory for everybody but somebody who is called offline.
func (directory) Probe(_ context.Context, _ *ldap.Config, username, _ string) ldap.Result {
	if username == "offline" {
		return ldap.Result{Code: "DIRECTORY_UNREACHABLE", Description: "Error during authentication process: …"}
	}
	return ldap.Result{Code: "TEST_PASSED", Description: "Directory back-end reached and all tests passed.", OK: true}
}

func directoryPath(name string) string { return prefix + "/ldap/" + name }

// directoryConfig is the configuration of contract 4.1.
const directoryConfig = `{"host":"ldap.example.org","port":389,"use-ldaps":false,"enforce-starttls":true,"lookup-dn":"cn=lookup,dc=example,dc=org",
	"lookup-password":"a lookup password","user-search":{"search-base":"dc=example,dc=org","search-filter-template":"(uid=%(username)s)"},
	"group-search":{"search-base":"dc=example,dc=org","search-filter-template":"(cn=%(groupname)s)","member-attributes":["memberuid"]}}`

// directoryLines are the rows of the directory, which is configured.
func directoryLines() []line {
	const sync = "/gatehouse/v1/ldap/sync"
	return []line{
		{id: "iam.ldap.config.get", rule: superuser, method: "GET", target: directoryPath("config"), status: 200},
		{id: "iam.ldap.config.put", rule: superuser, method: "PUT", target: directoryPath("config"), body: directoryConfig, status: 200},
		{id: "iam.ldap.config.delete", rule: superuser, method: "DELETE", target: directoryPath("config"), status: 204},
		{id: "iam.ldap.config.test", rule: superuser, method: "POST", target: directoryPath("config/test"), body: object("uid", "newcomer", "password", "x"), status: 200},
		{id: "iam.ldap.import.user", rule: superuser, method: "POST", target: directoryPath("importuser"), body: object("username", "newcomer"), status: 201},
		{id: "iam.ldap.import.group", rule: superuser, method: "POST", target: directoryPath("importgroup"), body: object("groupname", "staff"), status: 201},
		{id: "gatehouse.ldap.sync", rule: superuser, method: "POST", target: sync, body: `{"force":false}`, status: 200},
		{id: "gatehouse.ldap.sync.get", rule: superuser, method: "GET", target: sync, status: 200},
	}
}

// driveDirectory asks for everything about the directory, before there is one and with one.
func driveDirectory() []step {
	config, test, user, group := directoryPath("config"), directoryPath("config/test"), directoryPath("importuser"), directoryPath("importgroup")
	credentials := object("uid", "newcomer", "password", "x")
	return []step{
		{"GET", config, "", 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE"},
		{"DELETE", config, "", 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE"},
		{"POST", test, credentials, 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE"},
		{"POST", user, object("username", "newcomer"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE"},
		{"POST", group, object("groupname", "staff"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE"},
		{"PUT", config, `{"host":"ldap.example.org"}`, 400, "ERR_LDAP_CONFIG_INVALID"},
		{"PUT", config, directoryConfig, 200, ""},
		{"GET", config, "", 200, ""},
		{"POST", test, credentials, 200, "TEST_PASSED"},
		{"POST", test, object("uid", "offline", "password", "x"), 502, "DIRECTORY_UNREACHABLE"},
		{"POST", test, object("uid", "newcomer", "password", ""), 400, ""},
		{"POST", user, object("username", "nobody"), 400, "ERR_LDAP_IMPORT_USER_NOT_FOUND"},
		{"POST", user, object("username", "newcomer"), 201, ""},
		{"POST", user, object("username", "newcomer"), 409, "ERR_USER_EXISTS"},
		{"POST", user, object("username", "new comer"), 400, "ERR_INVALID_USER_ID"},
		{"POST", group, object("groupname", "nobody"), 400, "ERR_LDAP_IMPORT_GROUP_NOT_FOUND"},
		{"POST", group, object("groupname", "staff"), 201, ""},
		{"POST", group, object("groupname", "staff"), 409, "ERR_GROUP_EXISTS"},
		{"POST", group, object("groupname", "crowd"), 202, ""},
		{"DELETE", config, "", 204, ""},
	}
}
