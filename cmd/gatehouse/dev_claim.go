package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// claim makes the data directory this process's own until it ends, so that a second dev neither starts masters in it nor
// removes the first one's dev.json. The lock is on the directory itself: nothing is left behind.
func claim(dir string) (release func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another gatehouse dev runs in it; stop that one, or choose another --data-dir and --api-port")
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = d.Close() }, nil
}

// checkPorts says which port of which master is taken, before any master starts: a master that finds it out says so in
// a log that a newcomer has not heard of yet.
func (o devOptions) checkPorts() error {
	for i := range o.masters {
		for port := range 3 {
			port += o.apiPort + 10*i
			if err := checkPort(port); err != nil {
				return fmt.Errorf("master-%d needs port %d: %w; stop what uses it (another gatehouse dev?), or choose other ports with --api-port",
					i+1, port, err)
			}
		}
	}
	return nil
}

// checkPort listens on a loopback port and stops again; gossip uses UDP too.
func checkPort(port int) error {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	l.Close()
	p, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	return p.Close()
}
