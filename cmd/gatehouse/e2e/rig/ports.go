package rig

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports of masters are taken below the kernel's ephemeral range (32768 upwards), so that no outgoing connection can
// sit on one between the moment it was found free and the moment the master listens.
const (
	firstPort = 15000
	lastPort  = 32000
)

// FreePorts answers the first of n neighbouring TCP ports of loopback that nobody listens on, UDP included.
func FreePorts(n int) (int, error) {
	for range 200 {
		base := firstPort + rand.IntN(lastPort-firstPort-n)
		if portsFree(base, n) {
			return base, nil
		}
	}
	return 0, errors.New("no free ports on loopback")
}

func portsFree(base, n int) bool {
	for port := base; port < base+n; port++ {
		tcp, err := net.Listen("tcp", loopback(port))
		if err != nil {
			return false
		}
		tcp.Close()
		udp, err := net.ListenPacket("udp", loopback(port))
		if err != nil {
			return false
		}
		udp.Close()
	}
	return true
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
