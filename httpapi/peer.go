package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// peerDoor takes requests that other masters hand on. Who reaches it holds the cluster key: the peer port proves that. All
// that is believed of the other master is the client's address, that the request is not a cross-origin one, whether it came
// through the admin socket, and whether that master has an answer of its own. The token is verified again (hostile C8), and
// which master it is says its certificate.
type peerDoor struct {
	s      *Server
	router *router
}

// ServeHTTP runs a forwarded request through the funnel as the leader, or says that this master does not lead.
func (d *peerDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != forwardPath || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	x, err := d.rebuild(w, r)
	if err != nil {
		d.s.log.Error("another master sent a request that is none", "error", err)
		http.Error(w, "malformed forwarded request", http.StatusBadRequest)
		return
	}
	x.serve(d.router)
}

// rebuild makes the client's request of the forwarded one.
func (d *peerDoor) rebuild(w http.ResponseWriter, r *http.Request) (*exchange, error) {
	h := r.Header
	if hop := h.Get(forwardHop); hop != "1" {
		return nil, fmt.Errorf("hop count %.8q", hop)
	}
	target := h.Get(forwardTarget)
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, errors.New("unreadable request target")
	}
	waited, err := strconv.ParseInt(h.Get(forwardWaited), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("waiting time: %w", err)
	}
	client, _ := netip.ParseAddr(h.Get(forwardClient)) // absent when the client came through the admin socket
	x := &exchange{
		s: d.s, w: w, peer: true, target: target,
		cred: credential{token: h.Get(forwardToken), fromCookie: h.Get(forwardCookie) == "1"},
	}
	if h.Get(forwardInternal) == "1" {
		x.surfaces = KindAdmin
	}
	x.req.ID, x.req.Client, x.req.Backed = h.Get(headerRequest), client, h.Get(forwardBacked) == "1"
	x.req.Master = d.s.opts.PeerOf(r)
	x.req.Arrived = time.Now().Add(-min(time.Duration(waited)*time.Microsecond, maxWaited))
	method := h.Get(forwardMethod)
	dropInternal(h)
	x.r = (&http.Request{
		Method: method, URL: u, Header: h, Body: r.Body, ContentLength: r.ContentLength, Host: u.Host,
		RequestURI: target, RemoteAddr: r.RemoteAddr, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
	}).WithContext(r.Context())
	return x, nil
}

// maxWaited bounds how long before its arrival here a request is believed to have reached the first master.
const maxWaited = time.Minute
