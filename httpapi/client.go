package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// loopback is who may tell a client's address unless the operator says otherwise: the load balancer lives there.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// proxies is the list of those who may tell a client's address.
type proxies []netip.Prefix

func (p proxies) contain(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(prefix netip.Prefix) bool { return prefix.Contains(a) })
}

// client returns the address of the client: the right-most hop that is not a trusted proxy (hostile H17). What stands to the
// left of it in X-Forwarded-For was written by somebody who is not trusted. It is invalid on a Unix socket.
func (p proxies) client(r *http.Request) netip.Addr {
	hop := parseHop(r.RemoteAddr)
	values := r.Header["X-Forwarded-For"]
	for i := len(values) - 1; i >= 0; i-- {
		for rest := values[i]; rest != ""; {
			if !p.contain(hop) {
				return hop
			}
			var entry string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, entry = rest[:comma], rest[comma+1:]
			} else {
				rest, entry = "", rest
			}
			next := parseHop(strings.TrimSpace(entry))
			if !next.IsValid() {
				return hop
			}
			hop = next
		}
	}
	return hop
}

// parseHop reads an address with or without port, in the spellings that proxies use.
func parseHop(s string) netip.Addr {
	s = strings.Trim(s, `"`)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
