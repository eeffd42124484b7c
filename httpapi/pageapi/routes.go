package pageapi

import (
	"net/http"

	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
)

// Keys seals and opens what lies in browsers; *keyring.Ring is one.
type Keys interface {
	Seal(label string, plaintext, ad []byte) []byte
	Open(label string, sealed, ad []byte) ([]byte, error)
}

// Options is what the pages are made of.
type Options struct {
	Login *login.Service
	Keys  Keys
	// Edition is httpapi.Enterprise when empty.
	Edition httpapi.Edition
	// ClusterName is what people call the cluster; "" shows none.
	ClusterName string
}

// API is the pages of one master.
type API struct {
	Options
	origin *http.CrossOriginProtection
}

// New returns the pages of one master.
func New(o Options) *API { return &API{Options: o, origin: http.NewCrossOriginProtection()} }

// The paths of the pages.
const (
	loginPath  = "/login"
	logoutPath = "/logout"
	// startPath is where logins through identity providers start (contract 5.3).
	startPath = "/acs/api/v1/auth/login"
)

// formBody is the body limit in bytes, that of POST /auth/login.
const formBody = 64 << 10

// Routes returns the rows of this package. The form of a login is the same row as POST /auth/login in all that matters: any master
// answers it, and without a quorum as far as the operator allows.
func (a *API) Routes() []httpapi.Route {
	return []httpapi.Route{
		{ID: "page.login", Method: http.MethodGet, Path: loginPath, Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, NoStore: true, Page: a.failed, Handle: a.show},
		{ID: "page.login.form", Method: http.MethodPost, Path: loginPath, Access: httpapi.Public, Mode: httpapi.Linearizable,
			BodyLimit: formBody, Form: true, NoIdempotency: true, NoStore: true, WithoutQuorum: true, Page: a.again, Handle: a.login},
		{ID: "page.logout", Method: http.MethodPost, Path: logoutPath, Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, NoIdempotency: true, NoStore: true, Page: a.failed, Handle: a.logout},
	}
}
