package main

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// redirect sends everybody to the same path on https. 308 keeps method and body.
type redirect struct{ port int }

// ServeHTTP answers with the host that the client asked for, if that is a host and nothing else (hostile H18), and with
// path and query byte for byte. A target in absolute form names a host of its own: it is refused rather than followed.
func (d redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	host, ok := redirectHost(r.Host)
	if !ok || !strings.HasPrefix(r.RequestURI, "/") {
		http.Error(w, "This port sends clients to https; the request does not say where from: want a path and a Host.", http.StatusBadRequest)
		return
	}
	if d.port != 443 {
		host += ":" + strconv.Itoa(d.port)
	}
	w.Header().Set("Location", "https://"+host+r.RequestURI)
	w.WriteHeader(http.StatusPermanentRedirect)
}

// redirectHost is the host of a Host header without its port, brackets around an IPv6 address kept.
func redirectHost(text string) (string, bool) {
	host := text
	if h, port, err := net.SplitHostPort(text); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", false
		}
		host = h
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err == nil && addr.Is6() && addr.Zone() == "":
		return "[" + addr.String() + "]", true
	case err == nil && addr.Is4(), validDNSName(strings.TrimSuffix(host, ".")):
		return host, true
	}
	return "", false
}
