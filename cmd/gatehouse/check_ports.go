package main

import (
	"fmt"
	"net"
)

// checkPorts refuses two sockets of this master in one place. At the start the second would find the port taken, and look
// for another master that is not there.
func (c *config) checkPorts(wrong *problems) {
	type socket struct{ setting, address string }
	var sockets []socket
	for _, spec := range c.Listeners {
		sockets = append(sockets, socket{"listen", spec.Address})
	}
	sockets = append(sockets, socket{"peer-listen", c.PeerListen}, socket{"gossip-listen", c.GossipListen}, socket{"dns-listen", c.DNSListen})
	for i, later := range sockets {
		for _, earlier := range sockets[:i] {
			if earlier.setting != later.setting && sameSocket(earlier.address, later.address) {
				wrong.add(fmt.Sprintf("--%s: %s is the place of --%s %s already; set another", later.setting, later.address, earlier.setting, earlier.address))
			}
		}
	}
}

// sameSocket reports whether two addresses cannot both be listened on. Port 0 is another one each time.
func sameSocket(a, b string) bool {
	aHost, aPort, aErr := net.SplitHostPort(a)
	bHost, bPort, bErr := net.SplitHostPort(b)
	if aErr != nil || bErr != nil || aPort != bPort || aPort == "0" {
		return false
	}
	return aHost == bHost || everywhere(aHost) || everywhere(bHost)
}

func everywhere(host string) bool { return host == "" || net.ParseIP(host).IsUnspecified() }
