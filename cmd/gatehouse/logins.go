package main

import (
	"slices"

	"gatehouse/httpapi"
	"gatehouse/httpapi/iamapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/oidc"
	"gatehouse/httpapi/login/web"
	"gatehouse/httpapi/loginapi"
	"gatehouse/httpapi/pageapi"
	"gatehouse/httpapi/ssoapi"
	"gatehouse/keyring/password"
	"gatehouse/keyring/token"
)

// identityRoutes are the rows that concern users and their logins, and what greets them.
func (m *master) identityRoutes(verifier *token.Verifier) []httpapi.Route {
	seam, submitter := clusterSeam{m.node}, submitSeam{m.machine, m.node}
	edition, passwords := httpapi.Edition(m.cfg.Edition), password.New(password.Options{})
	m.providers = web.New(web.Options{AllowInsecure: m.cfg.AllowInsecureProviders}) // one, as it bounds all requests together
	party := oidc.New(oidc.Options{Web: m.providers, Logger: m.log})
	logins := login.New(login.Options{
		Submitter: submitter, Reader: seam, Machine: m.machine, Passwords: passwords, Issuer: token.NewIssuer(m.ring, 0),
		ServiceLogins: verifier, Logger: m.log,
		Directory: m.directory, Keys: m.ring,
		IDTokens: party, IDTokenIssuer: m.cfg.IDTokenIssuer, IDTokenAudience: m.cfg.IDTokenAudience,

		TokenLifetime: m.cfg.AuthTokenLifetime,
		Cookies: login.CookieOptions{AuthLifetime: m.cfg.AuthCookieLifetime, InfoLifetime: m.cfg.InfoCookieLifetime,
			Secure: m.cfg.cookieSecure()},
		RefuseLongLived: m.cfg.RefuseLongLived, MinServiceKeyBits: m.cfg.MinServiceKeyBits,
	})
	pages := pageapi.New(pageapi.Options{Login: logins, Keys: m.ring, Edition: edition, ClusterName: m.cfg.ClusterName})
	return slices.Concat(
		iamapi.New(iamapi.Options{
			Submitter: submitter, Login: logins, Passwords: passwords, Keys: m.ring, Masters: seam, Logger: m.log,
			Edition: edition, ClusterID: m.cfg.ShownClusterID, UIConfigFile: m.cfg.UIConfigFile, MinServiceKeyBits: m.cfg.MinServiceKeyBits,
		}),
		loginapi.New(loginapi.Options{Login: logins, Edition: edition}),
		ssoapi.New(ssoapi.Options{
			Login: logins, Keys: m.ring, Logger: m.log, Secure: m.cfg.cookieSecure(),
			OIDC: party,
		}),
		pages.Routes(),
		m.dcosRoutes(pages),
	)
}
