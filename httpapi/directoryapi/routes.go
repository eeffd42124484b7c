package directoryapi

import (
	"net/http"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/httpapi"
)

const (
	prefix = "/acs/api/v1/ldap"
	ours   = "/gatehouse/v1/ldap"
	// configBody bounds a configuration, in bytes: certificates are the largest part.
	configBody = 1 << 20
	// smallBody bounds a name and a password.
	smallBody = 16 << 10
	// writing is how long an import may take for its entries, after the directory was asked.
	writing = time.Minute
)

// The bodies (LDAPTestCredentials, LDAPImportUserObject and LDAPImportGroupObject of the published description).
var (
	testSchema        = closed(httpapi.Member{Name: "uid", Type: httpapi.String, Required: true}, httpapi.Member{Name: "password", Type: httpapi.String, Required: true})
	importUserSchema  = closed(httpapi.Member{Name: "username", Type: httpapi.String, Required: true})
	importGroupSchema = closed(httpapi.Member{Name: "groupname", Type: httpapi.String, Required: true})
	// configSchema accepts every object: what is wrong with a configuration has a code of its own.
	configSchema = &httpapi.Schema{}
	syncSchema   = closed(httpapi.Member{Name: "force", Type: httpapi.Bool})
)

func closed(members ...httpapi.Member) *httpapi.Schema {
	return &httpapi.Schema{Closed: true, Members: members}
}

// Routes are for superusers alone, whatever else is delegated: who chooses the directory can log in as anybody in it, and makes
// this master connect to whatever he names.
func (a *API) Routes() []httpapi.Route {
	rows := []httpapi.Route{
		{ID: "iam.ldap.config.get", Method: http.MethodGet, Path: prefix + "/config", Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Audited: true, Handle: a.getConfig},
		{ID: "iam.ldap.config.put", Method: http.MethodPut, Path: prefix + "/config", Mode: httpapi.Leader,
			BodyLimit: configBody, NeedBody: true, Schema: configSchema, NoIdempotency: true, Handle: a.putConfig},
		{ID: "iam.ldap.config.delete", Method: http.MethodDelete, Path: prefix + "/config", Mode: httpapi.Leader,
			BodyLimit: httpapi.NoBody, Handle: a.deleteConfig},
		{ID: "iam.ldap.config.test", Method: http.MethodPost, Path: prefix + "/config/test", Mode: httpapi.Linearizable, ReadOnly: true,
			BodyLimit: smallBody, NeedBody: true, Schema: testSchema, Handle: a.testConfig},
		{ID: "iam.ldap.import.user", Method: http.MethodPost, Path: prefix + "/importuser", Mode: httpapi.Leader,
			BodyLimit: smallBody, NeedBody: true, Schema: importUserSchema, NoIdempotency: true, Handle: a.importUser},
		{ID: "iam.ldap.import.group", Method: http.MethodPost, Path: prefix + "/importgroup", Mode: httpapi.Leader, Takes: a.ImportLimit + writing,
			BodyLimit: smallBody, NeedBody: true, Schema: importGroupSchema, NoIdempotency: true, Handle: a.importGroup},
		{ID: "gatehouse.ldap.sync", Method: http.MethodPost, Path: ours + "/sync", Mode: httpapi.Leader, Takes: syncLimit + writing,
			BodyLimit: smallBody, Schema: syncSchema, NoIdempotency: true, Handle: a.syncNow},
		{ID: "gatehouse.ldap.sync.get", Method: http.MethodGet, Path: ours + "/sync", Mode: httpapi.Leader,
			BodyLimit: httpapi.NoBody, Handle: a.syncStatus},
	}
	for i := range rows {
		rows[i].Access, rows[i].NoStore, rows[i].MinLevel = httpapi.Superuser, true, command.LevelDirectory
	}
	return rows
}
