package main

import (
	"net"
	"net/netip"

	"gatehouse/httpapi"
	"gatehouse/httpapi/dcosapi"
	"gatehouse/httpapi/pageapi"
)

// dcosRoutes are the well-known paths, with what the settings say of this cluster.
func (m *master) dcosRoutes(pages *pageapi.API) []httpapi.Route {
	return dcosapi.Routes(dcosapi.Options{
		Edition:     httpapi.Edition(m.cfg.Edition),
		ClusterID:   m.cfg.ShownClusterID,
		ClusterName: m.cfg.ClusterName,
		PublicIP:    m.cfg.shownIP(),
		DCOSVersion: m.cfg.DCOSVersion,
		Version:     version,
		Commit:      buildCommit(),
		CA:          m.authority,
		Browser:     pages.Home,
	})
}

// shownIP is the address that clients are told this master has: the one set for it, else the one where it serves the API. "" if
// that is none, because it serves on all of them or is advertised by name.
func (c *config) shownIP() string {
	if c.PublicIP != "" || c.Advertise != "" {
		return c.PublicIP
	}
	for _, l := range c.Listeners {
		if l.Redirect {
			continue
		}
		host, _, _ := net.SplitHostPort(l.Address)
		if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() {
			return host
		}
		return ""
	}
	return ""
}
