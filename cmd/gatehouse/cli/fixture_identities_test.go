package cli

import "time"

// addIdentities adds a provider of each type, and a directory.
func addIdentities(m *master) {
	oidc := map[string]any{"description": "Company \u001b[2J", "issuer": "https://idp.example", "base_url": "https://cluster.example/", "client_id": "gatehouse",
		"client_secret": "hunter2", "verify_server_certificate": true, "ca_certs": "pem"}
	saml := map[string]any{"description": "ADFS", "idp_metadata": "<EntityDescriptor/>", "sp_base_url": "https://cluster.example"}
	directory := map[string]any{"host": "ldap.example", "port": 636, "use-ldaps": true, "enforce-starttls": false, "lookup-dn": "cn=gatehouse,dc=example", "lookup-password": "hunter2",
		"user-search":  map[string]any{"search-base": "ou=people,dc=example", "search-filter-template": "(uid=%(username)s)"},
		"group-search": map[string]any{"search-base": "ou=groups,dc=example", "search-filter-template": "(cn=%(groupname)s)", "member-attributes": []string{"member", "memberuid"}}}
	report := map[string]any{"groups_removed": 0, "users_removed": 1, "users_created": 2, "members_added": 3, "members_removed": 0, "skipped": []string{"the last superuser stays"}}
	for request, answer := range map[string]any{
		"GET /acs/api/v1/auth/oidc/providers":            map[string]string{"company": "Company \u001b[2J"},
		"GET /acs/api/v1/auth/saml/providers":            map[string]string{"adfs": "ADFS"},
		"GET /acs/api/v1/auth/oidc/providers/company":    oidc,
		"GET /acs/api/v1/auth/saml/providers/adfs":       saml,
		"PUT /acs/api/v1/auth/oidc/providers/new":        nil,
		"PUT /acs/api/v1/auth/saml/providers/new":        nil,
		"PATCH /acs/api/v1/auth/oidc/providers/company":  nil,
		"PATCH /acs/api/v1/auth/saml/providers/adfs":     nil,
		"DELETE /acs/api/v1/auth/oidc/providers/company": nil,
		"POST /gatehouse/v1/providers/company/test":      map[string]any{"ok": true, "checks": []any{map[string]any{"name": "discovery", "ok": true, "detail": "found \u001b[2J"}}},
		"POST /gatehouse/v1/providers/adfs/test":         map[string]any{"ok": false, "checks": []any{map[string]any{"name": "certificate", "ok": false, "detail": "expired"}}},
		"GET /acs/api/v1/ldap/config":                    directory,
		"PUT /acs/api/v1/ldap/config":                    map[string]any{},
		"DELETE /acs/api/v1/ldap/config":                 nil,
		"POST /acs/api/v1/ldap/config/test":              map[string]string{"code": "TEST_PASSED", "description": "Directory back-end reached and all tests passed."},
		"POST /acs/api/v1/ldap/importuser":               map[string]any{},
		"POST /acs/api/v1/ldap/importgroup":              map[string]int{"imported_user_count": 17},
		"POST /gatehouse/v1/ldap/sync":                   report,
		"GET /gatehouse/v1/ldap/sync": map[string]any{"running": false, "last": map[string]any{"started": noon.Add(-time.Minute), "finished": noon.Add(-time.Minute),
			"by": "alice", "result": "ok", "report": report}},
	} {
		m.answer(request, answer)
	}
}
