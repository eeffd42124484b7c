// Package ssoapi holds the rows of redirect logins, by which browsers log in at an identity provider (contract 5.3 to 5.7).
package ssoapi

import (
	"net/http"

	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
)

const prefix = "/acs/api/v1"

// Options is what the handlers are made of.
type Options struct {
	Login *login.Service
}

type api struct{ Options }

// New returns the rows of this package.
func New(o Options) []httpapi.Route {
	a := &api{o}
	return []httpapi.Route{
		{ID: "iam.auth.start", Method: http.MethodGet, Path: prefix + "/auth/login", Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, NoStore: true, Handle: a.startLogin},
	}
}
