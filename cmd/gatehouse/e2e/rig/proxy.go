package rig

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Proxy stands in front of one master's peer port. The others are told the proxy's address, so whatever any two masters
// say to each other passes one of the proxies, which obey Links.
type Proxy struct {
	Addr string

	to       string // name of the master behind
	target   string
	links    *Links
	who      func(net.Conn) string // name of the master that dialled, "" if none
	record   *Recorder             // of what passes; nil records nothing
	listener net.Listener
	done     chan struct{}
	running  sync.WaitGroup
}

// NewProxy listens on a free port of loopback for connections to the master named to, whose peer port is at target.
// What passes is recorded if there is a recorder.
func NewProxy(to, target string, links *Links, who func(net.Conn) string, record *Recorder) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen before %s: %w", to, err)
	}
	p := &Proxy{Addr: listener.Addr().String(), to: to, target: target, links: links, who: who, record: record, listener: listener, done: make(chan struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() {
	close(p.done)
	p.listener.Close()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(conn) })
	}
}

// serve carries one connection. A dialler that is no master any more (it was killed meanwhile) is hung up on.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	from := p.who(client)
	if from == "" || !p.links.wait(from, p.to, p.done) {
		return
	}
	server, err := net.DialTimeout("tcp", p.target, time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	over := make(chan struct{}, 2)
	p.running.Go(func() { p.carry(server, client, from, p.to); over <- struct{}{} })
	p.running.Go(func() { p.carry(client, server, p.to, from); over <- struct{}{} })
	select {
	case <-over:
	case <-p.done:
	}
}

// carry copies src to dst as long as the link from→to is open; while it is cut, everything waits, the end included.
func (p *Proxy) carry(dst, src net.Conn, from, to string) {
	buffer := make([]byte, 32<<10)
	tape := p.record.tape(from, to)
	defer tape.Close()
	for {
		n, err := src.Read(buffer)
		if !p.links.wait(from, to, p.done) {
			return
		}
		if n > 0 {
			_, _ = tape.Write(buffer[:n])
			if _, err := dst.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
