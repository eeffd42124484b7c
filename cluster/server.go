package cluster

import (
	"log/slog"
	"net"
	"net/http"
	"time"
)

// newPeerServer serves the cluster's own calls to other masters, and to those that want to become one.
func (n *Node) newPeerServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/peer/v1/hello", n.handleHello)
	mux.HandleFunc("/peer/v1/probe", n.handleProbe)
	mux.HandleFunc("/peer/v1/promise", n.handlePromise)
	mux.Handle("/peer/v1/join", n.sameCluster(http.HandlerFunc(n.handleJoin)))
	mux.Handle("/peer/v1/vouch", n.sameCluster(http.HandlerFunc(n.handleVouch)))
	s := &http.Server{
		Handler:           n.notRemoved(mux),
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    64 << 10,
		Protocols:         new(http.Protocols),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 256},
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				n.port.conns.forget(c)
			}
		},
	}
	s.Protocols.SetHTTP2(true)
	return s
}

// notRemoved tells a removed server so, and nothing else.
func (n *Node) notRemoved(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.removed(PeerOf(r)) {
			http.Error(w, "this server was removed from the cluster", http.StatusGone)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameCluster admits only servers whose certificate names our cluster.
func (n *Node) sameCluster(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if own := n.ClusterID(); own == "" || peerOf(r).cluster != own {
			http.Error(w, "only for members of the cluster", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// PeerOf returns the server id of the peer that sent the request, as its certificate says; "" if it did not come
// through the peer port.
func PeerOf(r *http.Request) string { return peerOf(r).server }

func peerOf(r *http.Request) peerName {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return peerName{}
	}
	name, err := parseName(r.TLS.PeerCertificates[0].URIs) // the chain was verified in the handshake
	if err != nil {
		return peerName{}
	}
	return name
}
