package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/cluster"
	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// door is the handler of a listener: at first one that says that the master starts, then
// the API. Listeners are open before there is anything behind them.
type door struct{ handler atomic.Pointer[http.Handler] }

func (d *door) open(h http.Handler) { d.handler.Store(&h) }

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*d.handler.Load()).ServeHTTP(w, r) }

// starting answers while the stores are read and the cluster forms. Its health report has
// the form of the API's, so that whoever waits for a master can read why it waits.
func (m *master) starting(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/gatehouse/v1/health", "/gatehouse/v1/health/strict", "/gatehouse/v1/health/leader":
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(m.startingReport())
	default:
		httpapi.Refuse(w, r, fault.New(fault.NoLeader, "This master is starting.").After(time.Second))
	}
}

func (m *master) startingReport() map[string]any {
	report := map[string]any{"healthy": false, "reasons": []string{"starting"}, "id": "", "state": "starting", "leader": "", "term": 0}
	if s := m.status.Load(); s != nil {
		report["id"] = s.node.ID()
		if why := s.node.Status().Forming; why != "" {
			report["state"], report["reasons"] = cluster.StateForming, []string{"starting", why}
		} else if s.machine.State().Meta().ClusterID != "" && m.awaitsBootstrap() {
			report["reasons"] = []string{"starting", "waiting for the leader to apply its --bootstrap-file"}
		}
	}
	return report
}

// serveClients serves the API listeners and the admin socket.
func (m *master) serveClients() {
	m.serving = make(chan error, len(m.listeners.api)+1)
	for _, l := range m.listeners.api {
		l.door.open(http.HandlerFunc(m.starting))
		server := httpapi.NewHTTPServer(m.entrance(l), m.log)
		serve := server.Serve
		if l.spec.TLS {
			server.TLSConfig = m.tls.serverConfig()
			serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		}
		m.serve(server, serve, l.accepting(m.cfg.TrustedProxies))
	}
	m.admin.open(http.HandlerFunc(m.starting))
	server := httpapi.NewHTTPServer(&m.admin, m.log)
	server.WriteTimeout = 0 // a profile takes as long as it was asked to
	m.serve(server, server.Serve, m.listeners.admin)
}

func (m *master) serve(server *http.Server, serve func(net.Listener) error, l net.Listener) {
	m.servers = append(m.servers, server)
	go func() { m.serving <- serveError(serve(l)) }()
}

// entrance is what answers at a listener: its door, or a redirect to another listener.
func (m *master) entrance(l *apiListener) http.Handler {
	if l.spec.Redirect {
		return redirect{m.cfg.RedirectPort}
	}
	if l.spec.TLS && m.cfg.HSTS > 0 {
		return strict(m.cfg.HSTS, &l.door)
	}
	return &l.door
}

// strict adds Strict-Transport-Security (RFC 6797) to every answer. Over plain HTTP the header means nothing.
func strict(life time.Duration, next http.Handler) http.Handler {
	value := fmt.Sprintf("max-age=%d", life/time.Second)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", value)
		next.ServeHTTP(w, r)
	})
}

func serveError(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve clients: %w", err)
}

// openForClients lets clients in once this master is part of an initialised cluster.
func (m *master) openForClients(ctx context.Context) error {
	select {
	case <-m.node.Ready():
	case <-ctx.Done():
		return nil
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	patience := time.Now().Add(storePatience)
	for m.machine.State().Meta().ClusterID == "" || m.awaitsBootstrap() || m.awaitsStore() && time.Now().Before(patience) {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil
		}
	}
	for _, l := range m.listeners.api {
		l.door.open(m.server.Public(l.spec.Surfaces)) // a redirect does not use its door
	}
	m.status.Load().open.Store(true)
	meta := m.machine.State().Meta()
	m.log.Info("master serving", "cluster_id", meta.ClusterID, "cluster_level", meta.Level, "applied_index", m.machine.AppliedIndex())
	return nil
}

// stopClients ends every server when the requests under way are answered, or when ctx ends.
func (m *master) stopClients(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range m.servers {
		all.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				m.log.Warn("requests cut off while stopping", "error", err)
				_ = s.Close()
			}
		})
	}
	all.Wait()
}

// adminHandler serves what the mode of the socket is the credential for.
func (m *master) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", m.server.Admin())
	mux.HandleFunc("GET /gatehouse/v1/digest", m.serveDigest)
	if m.cfg.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}
