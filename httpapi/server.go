package httpapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Edition decides the challenge that a refused client sees.
type Edition string

const (
	// Enterprise answers 401 with WWW-Authenticate: acsjwt.
	Enterprise Edition = "enterprise"
	// Open answers 401 with WWW-Authenticate: oauthjwt.
	Open Edition = "open"
)

// Options is what a Server is made of. Durations that are zero get the default that is named.
type Options struct {
	// Routes are the rows of all APIs; the rows of this package are added.
	Routes   []Route
	Cluster  Cluster
	Machine  Machine
	Verifier Verifier
	Status   Status
	Auditor  *Auditor
	Logger   *slog.Logger
	// Registry collects the metrics and serves /metrics; nil makes one.
	Registry *prometheus.Registry
	// Collectors are registered beside the funnel's own metrics.
	Collectors []prometheus.Collector
	// TrustedProxies may tell a client's address by X-Forwarded-For.
	TrustedProxies []netip.Prefix
	// Edition is Enterprise when empty.
	Edition Edition
	// AcceptBearer accepts "Authorization: Bearer <jwt>" too (contract 9, decision 11).
	AcceptBearer bool
	// LeaderWait is how long a request waits for a leader or a read index (5 s).
	LeaderWait time.Duration
	// WriteTimeout bounds a change from authorization to answer (20 s).
	WriteTimeout time.Duration
	// MaxConcurrent bounds requests that hold a body in memory. 0 means 1,024.
	MaxConcurrent int
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
}

// Server is the funnel over one table of routes.
type Server struct {
	opts Options
}

// New checks the table of routes and makes the funnel.
func New(o Options) (*Server, error) { return &Server{opts: o}, nil }

// Public serves the surfaces in kind, and /gatehouse/v1 and /metrics, to clients.
func (s *Server) Public(kind Kind) http.Handler { return http.NotFoundHandler() }

// Admin serves the Internal rows beside all others. It belongs on a socket that only the operator can open.
func (s *Server) Admin() http.Handler { return http.NotFoundHandler() }

// Peer serves POST /peer/v1/forward to other masters. It belongs behind mutual TLS.
func (s *Server) Peer() http.Handler { return http.NotFoundHandler() }
