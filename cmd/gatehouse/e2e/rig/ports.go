package rig

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
)

// Ports of masters are taken below the kernel's ephemeral range (32768 upwards), so that no outgoing connection can
// sit on one between the moment it was found free and the moment the master listens.
const (
	firstPort = 15000
	lastPort  = 32000
)

// FreePorts answers the first of n neighbouring TCP ports of loopback that nobody listens on, UDP included. They are
// this process's from then on: no later call answers one of them, in no process of the tests, for as long as this one
// runs. So two masters that are laid out before either listens cannot be given the same port.
func FreePorts(n int) (int, error) {
	for range 200 {
		base := firstPort + rand.IntN(lastPort-firstPort-n)
		if reserve(base, n) && portsFree(base, n) {
			return base, nil
		}
	}
	return 0, errors.New("no free ports on loopback")
}

// reserve marks ports as taken, each with an abstract socket that is never closed: the kernel drops it when the process
// ends, however it ends.
func reserve(base, n int) bool {
	marks := make([]int, 0, n)
	for port := base; port < base+n; port++ {
		mark, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return false
		}
		marks = append(marks, mark)
		if syscall.Bind(mark, &syscall.SockaddrUnix{Name: fmt.Sprintf("@gatehouse-rig-port-%d", port)}) != nil {
			for _, mark := range marks {
				_ = syscall.Close(mark)
			}
			return false
		}
	}
	return true
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
