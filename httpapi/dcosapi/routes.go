package dcosapi

import (
	"net/http"

	"gatehouse/httpapi"
)

// Options is what the answers are made of.
type Options struct {
	// Edition decides the variant that clients are told; httpapi.Enterprise when empty.
	Edition httpapi.Edition
	// ClusterID is shown in place of the cluster's own id; "" shows that.
	ClusterID string
	// ClusterName is what people call the cluster; "" means its id.
	ClusterName string
	// PublicIP is under which address the world reaches this master; "" when it is not known.
	PublicIP string
	// DCOSVersion is the DC/OS release whose API is followed: "2.2.0".
	DCOSVersion string
	// Version and Commit say what this binary was built from.
	Version, Commit string
	// Browser answers GET / of browsers, which accept text/html by that name; nil: like everybody's.
	Browser httpapi.Handler
	// CA returns the certificates, PEM, that clients need to trust the certificate of a master; nil, or none, when there are
	// none to hand out. It is called for every request.
	CA func() []byte
}

// api is the options with their defaults.
type api struct{ Options }

// Routes returns the rows of this package.
//
// What tells of the cluster is for authenticated callers, as behind Admin Router, and linearizable, so that a revoked token is
// refused here like everywhere: command lines use these rows to find out whether a token is still good. The version is for
// everybody: it names the API that is spoken, and a command line that is logged out lists its clusters with it.
func Routes(o Options) []httpapi.Route {
	if o.Edition == "" {
		o.Edition = httpapi.Enterprise
	}
	a := &api{o}
	return []httpapi.Route{
		everybody("dcos.root", "/", a.root),
		everybody("dcos.version", "/dcos-metadata/dcos-version.json", a.version),
		everybody("dcos.ca", "/ca/dcos-ca.crt", a.ca),
		user("dcos.buildinfo", "/pkgpanda/active.buildinfo.full.json", a.buildInfo),
		user("dcos.metadata", "/metadata", a.metadata),
		user("dcos.state-summary", "/mesos/state-summary", a.stateSummary),
		user("dcos.acs", "/acs/api/v1", a.acs),
	}
}

func everybody(id, path string, h httpapi.Handler) httpapi.Route {
	return httpapi.Route{ID: id, Method: http.MethodGet, Path: path, Access: httpapi.Public, Mode: httpapi.Local, BodyLimit: httpapi.NoBody, Handle: h}
}

func user(id, path string, h httpapi.Handler) httpapi.Route {
	return httpapi.Route{ID: id, Method: http.MethodGet, Path: path, Access: httpapi.User, Mode: httpapi.Linearizable, BodyLimit: httpapi.NoBody, Handle: h}
}
