package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/httpapi/audit"
)

// Edition decides the challenge that a refused client sees.
type Edition string

const (
	// Enterprise answers 401 with WWW-Authenticate: acsjwt.
	Enterprise Edition = "enterprise"
	// Open answers 401 with WWW-Authenticate: oauthjwt.
	Open Edition = "open"
)

// Authorization says what the IAM rows ask of a caller.
type Authorization string

const (
	// AuthorizationEnterprise lets superusers and the holders of full on dcos:adminrouter:acs use them.
	AuthorizationEnterprise Authorization = "enterprise"
	// AuthorizationOpen lets every authenticated caller use them, as the open source IAM did.
	AuthorizationOpen Authorization = "open"
)

// Options is what a Server is made of. Durations that are zero get the default that is named.
type Options struct {
	// Routes are the rows of all APIs; the rows of this package are added.
	Routes   []Route
	Cluster  Cluster
	Machine  Machine
	Verifier Verifier
	Status   Status
	// PeerOf returns the server id of the master that sent a request to the peer port, as its certificate says. Without it no
	// handler learns who handed a request on.
	PeerOf func(*http.Request) string
	// Auditor takes the audit records; nil drops them.
	Auditor *audit.Log
	Logger  *slog.Logger
	// Registry collects the metrics and serves /metrics; nil makes one.
	Registry *prometheus.Registry
	// Collectors are registered beside the funnel's own metrics.
	Collectors []prometheus.Collector
	// TrustedProxies may tell a client's address by X-Forwarded-For. Nil trusts loopback, an empty list nobody.
	TrustedProxies []netip.Prefix
	// Edition is Enterprise when empty.
	Edition Edition
	// Authorization is AuthorizationEnterprise when empty.
	Authorization Authorization
	// AcceptBearer accepts "Authorization: Bearer <jwt>" too (contract 9, decision 11).
	AcceptBearer bool
	// LeaderWait is how long a request waits for a leader or a read index (5 s).
	LeaderWait time.Duration
	// LoginMaxStale, if it is not 0, lets a master without a quorum answer logins (rows that are WithoutQuorum) from a state
	// that was confirmed at most so long ago. The owner of the Server runs KeepFresh then.
	LoginMaxStale time.Duration
	// WriteTimeout bounds a change from authorization to answer (20 s).
	WriteTimeout time.Duration
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
}

// Server is the funnel over one table of routes.
type Server struct {
	opts        Options
	id          string // this master's server id
	log         *slog.Logger
	rows        []*row
	proxies     proxies
	crossOrigin *http.CrossOriginProtection
	metrics     *metrics
	exposition  http.Handler // renders the registry
	crowd       crowd        // at the exposition
	bodies      *bodies
	fresh       freshness
	indexes     indexCache
	flights     flights
}

// New checks the table of routes and makes the funnel.
func New(o Options) (*Server, error) {
	if o.Cluster == nil || o.Machine == nil || o.Verifier == nil || o.Status == nil || o.Logger == nil {
		return nil, errors.New("httpapi: cluster, machine, verifier, status and logger are needed")
	}
	o.setDefaults()
	// No origin is trusted beside the request's own: the user interface comes from the same one.
	s := &Server{opts: o, id: o.Cluster.ID(), log: o.Logger, proxies: o.TrustedProxies, crossOrigin: http.NewCrossOriginProtection(), bodies: newBodies()}
	s.flights.cluster = o.Cluster
	if err := s.register(); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if err := s.addRows(append(s.opsRoutes(), o.Routes...)); err != nil {
		return nil, err
	}
	return s, nil
}

func (o *Options) setDefaults() {
	o.Edition = cmp.Or(o.Edition, Enterprise)
	o.Authorization = cmp.Or(o.Authorization, AuthorizationEnterprise)
	o.LeaderWait = cmp.Or(o.LeaderWait, 5*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 20*time.Second)
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.PeerOf == nil {
		o.PeerOf = func(*http.Request) string { return "" }
	}
	if o.TrustedProxies == nil {
		o.TrustedProxies = loopback
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

func (s *Server) register() (err error) {
	if s.metrics, err = newMetrics(s.opts.Registry); err != nil {
		return err
	}
	for _, c := range append(s.collectors(), s.opts.Collectors...) {
		if err := s.opts.Registry.Register(c); err != nil {
			return err
		}
	}
	s.exposition = promhttp.HandlerFor(s.opts.Registry, promhttp.HandlerOpts{
		DisableCompression: true, ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	})
	return nil
}

// addRows checks the rows one by one and against each other.
func (s *Server) addRows(routes []Route) error {
	ids := make(map[string]bool)
	for _, r := range routes {
		if err := r.check(); err != nil {
			return err
		}
		if ids[r.ID] {
			return fmt.Errorf("route %s: the id is taken", r.ID)
		}
		ids[r.ID] = true
		s.rows = append(s.rows, &row{Route: r, kind: kindOf(&r), style: styleOf(r.Path), meter: s.metrics.meter(r.ID, r.Method)})
	}
	_, err := newRouter(s.rows)
	return err
}

// Routes returns the table of routes.
func (s *Server) Routes() []Route {
	out := make([]Route, len(s.rows))
	for i, r := range s.rows {
		out[i] = r.Route
	}
	return out
}

// Public serves the surfaces in kind, and what every listener serves, to clients. It never serves KindAdmin. Each listener has
// one of its own, on a server of NewHTTPServer: the requests under way there are counted together.
func (s *Server) Public(kind Kind) http.Handler {
	kind &^= KindAdmin
	rows := s.routerOf(func(r *row) bool { return r.kind == 0 || r.kind&kind != 0 })
	return &door{s: s, router: rows, surfaces: kind, streams: streams{limit: maxShared}}
}

// Admin serves the Internal rows beside all others. It belongs on a socket that only the operator can open.
func (s *Server) Admin() http.Handler {
	return &door{s: s, router: s.routerOf(func(*row) bool { return true }), surfaces: KindAdmin | KindInternal}
}

// Peer serves POST /peer/v1/forward to other masters. It belongs behind mutual TLS.
func (s *Server) Peer() http.Handler {
	return &peerDoor{s: s, router: s.routerOf(func(*row) bool { return true })}
}

// routerOf makes a router of some of the rows. New has made one of all of them, so a part of them cannot fail.
func (s *Server) routerOf(keep func(*row) bool) *router {
	var rows []*row
	for _, r := range s.rows {
		if keep(r) {
			rows = append(rows, r)
		}
	}
	rt, err := newRouter(rows)
	if err != nil {
		panic(err)
	}
	return rt
}
