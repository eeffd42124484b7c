package conformance

import "slices"

// rule is who may ask a row, as the contract has it. It is written down here once more, so that a row whose access
// changes by mistake fails.
type rule int

const (
	public    rule = iota // anybody, with whatever token
	anyone                // every authenticated caller
	managers              // superusers and holders of full on dcos:adminrouter:acs; with --authorization open every authenticated caller
	owner                 // as managers, and whoever asks about itself
	superuser             // superusers
	asked                 // policy queries: superusers, and whoever asks about itself; on the internal listener and the admin socket anybody
	operator              // the admin socket, without any token
	granted               // superusers, and holders of the right on the secret or directory in the path (contract 3.6)
)

// line is a row of the table of routes and a request for it that succeeds.
type line struct {
	id     string
	rule   rule
	method string
	target string
	body   string
	status int    // of an answer to somebody who may
	ghost  string // the same request for what does not exist; "" if there is no such thing
	own    string // the same request about the caller, whose uid replaces CALLER
}

const targetRID, ghostRID = "dcos:thing:/a/b", "dcos:nothing:/a/b"

// lines has every row of the table of routes once. A new row without a line fails.
func lines() []line {
	const ours, internal = "/gatehouse/v1", prefix + "/internal"
	const read = "&action=read&rid=dcos:thing:%2Fa%2Fb"
	return slices.Concat([]line{
		{id: "iam.users.list", rule: managers, method: "GET", target: prefix + "/users", status: 200},
		{id: "iam.users.get", rule: managers, method: "GET", target: userPath("target"), status: 200, ghost: userPath("ghost")},
		{id: "iam.users.create", rule: managers, method: "PUT", target: userPath("new"), body: `{"password":"password"}`, status: 201, ghost: userPath("target")},
		{id: "iam.users.update", rule: owner, method: "PATCH", target: userPath("target"), body: `{"description":"x"}`, status: 204, ghost: userPath("ghost")},
		{id: "iam.users.delete", rule: managers, method: "DELETE", target: userPath("target"), status: 204, ghost: userPath("ghost")},
		{id: "iam.users.groups", rule: owner, method: "GET", target: userPath("target") + "/groups", status: 200, ghost: userPath("ghost") + "/groups", own: userPath("CALLER") + "/groups"},
		{id: "iam.users.permissions", rule: owner, method: "GET", target: userPath("target") + "/permissions", status: 200, ghost: userPath("ghost") + "/permissions", own: userPath("CALLER") + "/permissions"},
		{id: "iam.groups.list", rule: managers, method: "GET", target: prefix + "/groups", status: 200},
		{id: "iam.groups.get", rule: managers, method: "GET", target: groupPath("team"), status: 200, ghost: groupPath("ghost")},
		{id: "iam.groups.create", rule: managers, method: "PUT", target: groupPath("new"), body: `{"description":""}`, status: 201, ghost: groupPath("team")},
		{id: "iam.groups.update", rule: managers, method: "PATCH", target: groupPath("team"), body: `{"description":"x"}`, status: 204, ghost: groupPath("ghost")},
		{id: "iam.groups.delete", rule: managers, method: "DELETE", target: groupPath("team"), status: 204, ghost: groupPath("ghost")},
		{id: "iam.groups.users.list", rule: managers, method: "GET", target: groupPath("team") + "/users", status: 200, ghost: groupPath("ghost") + "/users"},
		{id: "iam.groups.permissions", rule: managers, method: "GET", target: groupPath("team") + "/permissions", status: 200, ghost: groupPath("ghost") + "/permissions"},
		{id: "iam.groups.users.add", rule: managers, method: "PUT", target: memberPath("team", "target-robot"), status: 204, ghost: memberPath("ghost", "ghost")},
		{id: "iam.groups.users.remove", rule: managers, method: "DELETE", target: memberPath("team", "target"), status: 204, ghost: memberPath("team", "ghost")},
		{id: "iam.acls.list", rule: managers, method: "GET", target: prefix + "/acls", status: 200},
		{id: "iam.acls.get", rule: managers, method: "GET", target: aclPath(targetRID), status: 200, ghost: aclPath(ghostRID)},
		{id: "iam.acls.create", rule: managers, method: "PUT", target: aclPath("dcos:new"), body: `{"description":""}`, status: 201, ghost: aclPath(targetRID)},
		{id: "iam.acls.update", rule: managers, method: "PATCH", target: aclPath(targetRID), body: `{"description":"x"}`, status: 204, ghost: aclPath(ghostRID)},
		{id: "iam.acls.delete", rule: managers, method: "DELETE", target: aclPath(targetRID), status: 204, ghost: aclPath(ghostRID)},
		{id: "iam.acls.permissions", rule: managers, method: "GET", target: aclPath(targetRID) + "/permissions", status: 200, ghost: aclPath(ghostRID) + "/permissions"},
	}, grantLines("users", "target"), grantLines("groups", "team"), secretLines(), storeLines(), directoryLines(), []line{
		{id: "iam.auth.login", rule: public, method: "POST", target: loginPath, body: object("uid", root, "password", rootPassword), status: 200},
		{id: "iam.auth.start", rule: public, method: "GET", target: loginPath, status: 400},
		{id: "iam.auth.logout", rule: public, method: "GET", target: prefix + "/auth/logout", status: 200},
		{id: "iam.auth.jwks", rule: public, method: "GET", target: prefix + "/auth/jwks", status: 200},
		{id: "iam.auth.providers", rule: public, method: "GET", target: prefix + "/auth/providers", status: 200},
		{id: "iam.auth.oidc.providers", rule: public, method: "GET", target: prefix + "/auth/oidc/providers", status: 200},
		{id: "iam.auth.saml.providers", rule: public, method: "GET", target: prefix + "/auth/saml/providers", status: 200},
		{id: "iam.auth.oidc.get", rule: superuser, method: "GET", target: oidcPath("target"), status: 200, ghost: oidcPath("ghost")},
		{id: "iam.auth.oidc.create", rule: superuser, method: "PUT", target: oidcPath("new"), body: dex, status: 201, ghost: oidcPath("target")},
		{id: "iam.auth.oidc.update", rule: superuser, method: "PATCH", target: oidcPath("target"), body: `{"description":"x"}`, status: 204, ghost: oidcPath("ghost")},
		{id: "iam.auth.oidc.delete", rule: superuser, method: "DELETE", target: oidcPath("target"), status: 204, ghost: oidcPath("ghost")},
		{id: "iam.auth.saml.get", rule: superuser, method: "GET", target: samlPath("target-saml"), status: 200, ghost: samlPath("ghost")},
		{id: "iam.auth.saml.create", rule: superuser, method: "PUT", target: samlPath("new"), body: adfs, status: 201, ghost: samlPath("target-saml")},
		{id: "iam.auth.saml.update", rule: superuser, method: "PATCH", target: samlPath("target-saml"), body: `{"description":"x"}`, status: 204, ghost: samlPath("ghost")},
		{id: "iam.auth.saml.delete", rule: superuser, method: "DELETE", target: samlPath("target-saml"), status: 204, ghost: samlPath("ghost")},
		{id: "iam.auth.oidc.callback", rule: public, method: "GET", target: prefix + "/auth/oidc/callback", status: 401},
		{id: "iam.auth.saml.acs", rule: public, method: "POST", target: samlPath("target-saml") + "/acs-callback", body: "{}", status: 401},
		{id: "iam.auth.saml.acs.finish", rule: public, method: "GET", target: samlPath("target-saml") + "/acs-callback", status: 401},
		{id: "iam.auth.confirm", rule: public, method: "POST", target: prefix + "/auth/confirm", body: "{}", status: 401},
		{id: "iam.auth.saml.acs-url", rule: managers, method: "GET", target: samlPath("target-saml") + "/acs-callback-url", status: 200, ghost: samlPath("ghost") + "/acs-callback-url"},
		{id: "iam.auth.saml.metadata", rule: managers, method: "GET", target: samlPath("target-saml") + "/sp-metadata", status: 200, ghost: samlPath("ghost") + "/sp-metadata"},
		{id: "gatehouse.login.code", rule: public, method: "POST", target: ours + "/login/code", body: `{"code":"","verifier":""}`, status: 401},
		{id: "gatehouse.providers.test", rule: superuser, method: "POST", target: ours + "/providers/target/test", status: 200, ghost: ours + "/providers/ghost/test"},
		{id: "iam.uiconfig", rule: public, method: "GET", target: prefix + "/uiconfig", status: 200},
		{id: "iam.uiconfig.metadata", rule: public, method: "GET", target: "/dcos-metadata/ui-config.json", status: 200},
		{id: "iam.openapi", rule: public, method: "GET", target: internal + "/openapispec.yaml", status: 200},
		{id: "iam.policyquery", rule: asked, method: "GET", target: internal + "/policyquery?uid=target" + read, status: 200,
			ghost: internal + "/policyquery?uid=ghost" + read, own: internal + "/policyquery?uid=CALLER" + read},
		{id: "iam.policyquery.batch", rule: asked, method: "POST", target: internal + "/policyquery", status: 200,
			body: `{"queries":[{"uid":"target","rid":"dcos:thing:/a/b","action":"read"}]}`},
		{id: "gatehouse.authorize", rule: superuser, method: "GET", target: ours + "/authorize?action=full&rid=dcos:superuser", status: 200,
			ghost: ours + "/authorize?action=full&rid=dcos:nothing", own: ours + "/authorize?action=read&rid=dcos:everybody"},
		{id: "gatehouse.authorize.batch", rule: anyone, method: "POST", target: ours + "/authorize", status: 200,
			body: `{"queries":[{"rid":"dcos:thing:/a/b","action":"read"}]}`},
		{id: "gatehouse.authorize.path", rule: anyone, method: "DELETE", target: ours + "/authorize/a", status: 400}, // no rules
		{id: "gatehouse.explain", rule: owner, method: "GET", target: ours + "/explain?uid=target" + read, status: 200,
			ghost: ours + "/explain?uid=ghost" + read, own: ours + "/explain?uid=CALLER" + read},
		// These masters keep no audit trail in files: 409.
		{id: "gatehouse.audit.heads", rule: superuser, method: "GET", target: ours + "/audit/heads", status: 200},
		{id: "gatehouse.audit.records", rule: superuser, method: "GET", target: ours + "/audit/records", status: 409},
		{id: "gatehouse.audit.socket-heads", rule: operator, method: "GET", target: ours + "/audit/socket/heads", status: 200},
		{id: "gatehouse.audit.rotate", rule: operator, method: "POST", target: ours + "/audit/rotate", status: 409},
		{id: "gatehouse.audit.tell", rule: operator, method: "POST", target: ours + "/audit/tell", body: `{"heads":[]}`, status: 204},
		{id: "gatehouse.iam.export", rule: superuser, method: "GET", target: ours + "/iam/export", status: 200},
		{id: "gatehouse.iam.apply", rule: superuser, method: "POST", target: ours + "/iam/apply", status: 204,
			body: `{"changes":[{"group":{"gid":"declared","description":""}}]}`},
		{id: "gatehouse.tokens.revoke", rule: superuser, method: "POST", target: ours + "/users/target/revoke-tokens", status: 200, ghost: ours + "/users/ghost/revoke-tokens"},
		{id: "gatehouse.users.forget-subject", rule: superuser, method: "POST", target: ours + "/users/target/forget-subject", status: 204, ghost: ours + "/users/ghost/forget-subject"},
		{id: "gatehouse.tokens.revoke-all", rule: superuser, method: "POST", target: ours + "/revoke-tokens", status: 200},
		{id: "gatehouse.keys.list", rule: superuser, method: "GET", target: ours + "/keys", status: 200},
		{id: "gatehouse.keys.activate", rule: superuser, method: "POST", target: ours + "/keys/KID/activate", status: 409, ghost: ours + "/keys/ghost/activate"},
		{id: "gatehouse.keys.prepare", rule: superuser, method: "POST", target: ours + "/keys", body: "{", status: 400}, // a key takes its time
		{id: "gatehouse.keys.retire", rule: superuser, method: "POST", target: ours + "/keys/KID/retire", status: 409, ghost: ours + "/keys/ghost/retire"},
		{id: "gatehouse.cluster-keys.list", rule: superuser, method: "GET", target: ours + "/cluster-keys", status: 200},
		{id: "gatehouse.cluster-keys.activate", rule: superuser, method: "POST", target: ours + "/cluster-keys/RING/activate", status: 409, ghost: ours + "/cluster-keys/ghost/activate"},
		{id: "gatehouse.masters.remove", rule: superuser, method: "DELETE", target: ours + "/masters/master-2", status: 204, ghost: ours + "/masters/ghost"},
		{id: "gatehouse.superuser.reset", rule: operator, method: "POST", target: ours + "/reset-superuser", body: object("uid", "target", "password", "password"), status: 200},
		{id: "dcos.root", rule: public, method: "GET", target: "/", status: 200},
		{id: "dcos.version", rule: public, method: "GET", target: "/dcos-metadata/dcos-version.json", status: 200},
		{id: "dcos.ca", rule: public, method: "GET", target: "/ca/dcos-ca.crt", status: 200},
		{id: "dcos.buildinfo", rule: anyone, method: "GET", target: "/pkgpanda/active.buildinfo.full.json", status: 200},
		{id: "dcos.metadata", rule: anyone, method: "GET", target: "/metadata", status: 200},
		{id: "dcos.state-summary", rule: anyone, method: "GET", target: "/mesos/state-summary", status: 200},
		{id: "dcos.acs", rule: anyone, method: "GET", target: prefix, status: 404}, // a token is what is asked for
		{id: "page.login", rule: public, method: "GET", target: "/login", status: 200},
		{id: "page.login.form", rule: public, method: "POST", target: "/login", status: 403}, // without a form
		{id: "page.logout", rule: public, method: "POST", target: "/logout", status: 303},
		{id: "ops.health", rule: public, method: "GET", target: ours + "/health", status: 200},
		{id: "ops.health.leader", rule: public, method: "GET", target: ours + "/health/leader", status: 200},
		{id: "ops.health.strict", rule: public, method: "GET", target: ours + "/health/strict", status: 200},
		{id: "ops.masters", rule: public, method: "GET", target: ours + "/masters", status: 200},
		{id: "ops.metrics", rule: public, method: "GET", target: "/metrics", status: 200},
		{id: "ops.openapi", rule: public, method: "GET", target: ours + "/openapi.yaml", status: 200},
	})
}

// grantLines are the five rows for a kind of principal, one of which has the action read on the target.
func grantLines(kind, principal string) []line {
	entry, ghost := aclPath(targetRID)+"/"+kind+"/"+principal, aclPath(targetRID)+"/"+kind+"/ghost"
	return []line{
		{id: "iam.acls." + kind + ".list", rule: managers, method: "GET", target: entry, status: 200, ghost: ghost},
		{id: "iam.acls." + kind + ".revoke-all", rule: managers, method: "DELETE", target: entry, status: 204, ghost: ghost},
		{id: "iam.acls." + kind + ".get", rule: managers, method: "GET", target: entry + "/read", status: 200, ghost: ghost + "/read"},
		{id: "iam.acls." + kind + ".grant", rule: managers, method: "PUT", target: entry + "/update", status: 204, ghost: ghost + "/read"},
		{id: "iam.acls." + kind + ".revoke", rule: managers, method: "DELETE", target: entry + "/read", status: 204, ghost: ghost + "/read"},
	}
}

// secretLines are the rows of secrets. There are target/one and target/deleted, which is.
func secretLines() []line {
	const ours = "/gatehouse/v1/secrets/default"
	value := object("value", "x")
	return []line{
		{id: "secrets.read", rule: granted, method: "GET", target: secretPath("target/one"), status: 200, ghost: secretPath("target/ghost")},
		{id: "secrets.list", rule: granted, method: "GET", target: secretsPrefix + "/secret/default?list=true", status: 200},
		{id: "secrets.create", rule: granted, method: "PUT", target: secretPath("target/new"), body: value, status: 201, ghost: secretPath("target/one")},
		{id: "secrets.update", rule: granted, method: "PATCH", target: secretPath("target/one"), body: value, status: 204, ghost: secretPath("target/ghost")},
		{id: "secrets.delete", rule: granted, method: "DELETE", target: secretPath("target/one"), status: 204, ghost: secretPath("target/ghost")},
		{id: "secrets.renew", rule: granted, method: "PUT", target: leasePath("renew", "target/one"), body: `{"duration":"1h"}`, status: 204, ghost: leasePath("renew", "ghost")},
		{id: "secrets.revoke", rule: granted, method: "PUT", target: leasePath("revoke", "target/one"), status: 204, ghost: leasePath("revoke", "ghost")},
		{id: "gatehouse.secrets.versions", rule: granted, method: "GET", target: ours + "/versions/target/one", status: 200, ghost: ours + "/versions/ghost"},
		{id: "gatehouse.secrets.deleted", rule: granted, method: "GET", target: ours + "/deleted/", status: 200, ghost: ours + "/deleted/ghost"},
		{id: "gatehouse.secrets.watch", rule: granted, method: "GET", target: ours + "/watch?prefix=target", status: 200, ghost: ours + "/watch?prefix=ghost"},
		{id: "gatehouse.secrets.undelete", rule: granted, method: "POST", target: ours + "/undelete/target/deleted", status: 204, ghost: ours + "/undelete/ghost"},
		{id: "gatehouse.secrets.purge", rule: granted, method: "POST", target: ours + "/purge/target/deleted", status: 204, ghost: ours + "/purge/ghost"},
		{id: "gatehouse.secrets.space", rule: anyone, method: "GET", target: ours + "/space?service=/target&path=target/one", status: 200},
	}
}

// storeLines are the rows of stores. Beside default there is spare, which is empty.
func storeLines() []line {
	const ours, ghost = "/gatehouse/v1/secrets/spare", "/gatehouse/v1/secrets/ghost"
	const share, shares = `{"key":"x"}`, `{"shares":3,"threshold":2}`
	return []line{
		{id: "secrets.ping", rule: public, method: "GET", target: secretsPrefix + "/ping", status: 200},
		{id: "secrets.ping.backend", rule: public, method: "GET", target: storePath("ping/backends", "all"), status: 200},
		{id: "secrets.stores.list", rule: superuser, method: "GET", target: secretsPrefix + "/store", status: 200},
		{id: "secrets.stores.get", rule: superuser, method: "GET", target: storePath("store", "spare"), status: 200, ghost: storePath("store", "ghost")},
		{id: "secrets.stores.create", rule: superuser, method: "PUT", target: storePath("store", "new"), body: `{"driver":"vault"}`, status: 201, ghost: storePath("store", "spare")},
		{id: "secrets.stores.delete", rule: superuser, method: "DELETE", target: storePath("store", "spare"), status: 204, ghost: storePath("store", "ghost")},
		{id: "secrets.init", rule: superuser, method: "PUT", target: storePath("init", "spare"), body: shares, status: 200, ghost: storePath("init", "ghost")},
		{id: "secrets.init.get", rule: superuser, method: "GET", target: storePath("init", "spare"), status: 200, ghost: storePath("init", "ghost")},
		{id: "secrets.seal-status", rule: superuser, method: "GET", target: storePath("seal-status", "spare"), status: 200, ghost: storePath("seal-status", "ghost")},
		{id: "secrets.seal", rule: superuser, method: "PUT", target: storePath("seal", "spare"), status: 200, ghost: storePath("seal", "ghost")},
		{id: "secrets.unseal", rule: superuser, method: "PUT", target: storePath("unseal", "spare"), body: share, status: 200, ghost: storePath("unseal", "ghost")}, // it is open
		{id: "secrets.auto-unseal", rule: superuser, method: "PUT", target: storePath("auto-unseal", "spare"), status: 200, ghost: storePath("auto-unseal", "ghost")},
		{id: "gatehouse.secrets.store.get", rule: superuser, method: "GET", target: ours, status: 200, ghost: ghost},
		{id: "gatehouse.secrets.store.update", rule: superuser, method: "PATCH", target: ours, body: `{"max_versions":5}`, status: 204, ghost: ghost},
		{id: "gatehouse.secrets.rekey.begin", rule: superuser, method: "POST", target: ours + "/rekey", body: `{"shares":1}`, status: 400, ghost: ghost + "/rekey"},
		{id: "gatehouse.secrets.rekey.get", rule: superuser, method: "GET", target: ours + "/rekey", status: 200, ghost: ghost + "/rekey"},
		{id: "gatehouse.secrets.rekey.share", rule: superuser, method: "PUT", target: ours + "/rekey", body: `{"nonce":"x","key":"x"}`, status: 409, ghost: ghost + "/rekey"},
		{id: "gatehouse.secrets.rekey.verify", rule: superuser, method: "PUT", target: ours + "/rekey/verify", body: `{"nonce":"x","key":"x"}`, status: 409, ghost: ghost + "/rekey/verify"},
		{id: "gatehouse.secrets.rekey.cancel", rule: superuser, method: "DELETE", target: ours + "/rekey", status: 204, ghost: ghost + "/rekey"},
		{id: "gatehouse.secrets.rotate", rule: superuser, method: "POST", target: ours + "/rotate", status: 200, ghost: ghost + "/rotate"},
		{id: "gatehouse.secrets.local-seal", rule: operator, method: "POST", target: "/gatehouse/v1/secrets/ghost/local-seal", status: 404},
	}
}
