package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listeners are the sockets of a master. They are opened before anything else, so that a
// port that is taken is found before data is touched, and health answers from the start.
type listeners struct {
	api   []net.Listener
	peer  net.Listener // the cluster node closes it
	admin net.Listener
}

// maxClients bounds the connections of each API listener; further ones wait in the kernel.
const maxClients = 8192

func openListeners(ctx context.Context, cfg *config) (*listeners, error) {
	ls := &listeners{}
	var problems []error
	for _, spec := range cfg.Listeners {
		l, err := listen(ctx, "API", spec.Address)
		problems = append(problems, err)
		if err == nil {
			ls.api = append(ls.api, l)
		}
	}
	var err error
	if ls.peer, err = listen(ctx, "peers", cfg.PeerListen); err != nil {
		problems = append(problems, err)
	}
	if ls.admin, err = listenAdmin(ctx, cfg.AdminSocket); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		ls.close()
		return nil, err
	}
	return ls, nil
}

func listen(ctx context.Context, what, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w (is another master running on this host?)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", what, err)
	}
	return l, nil
}

// close closes what is still open; closing twice does no harm.
func (ls *listeners) close() {
	for _, l := range append([]net.Listener{ls.peer, ls.admin}, ls.api...) {
		if l != nil {
			_ = l.Close()
		}
	}
}

// addresses are where the API is served, with the ports that the kernel chose.
func (ls *listeners) addresses() []string {
	var all []string
	for _, l := range ls.api {
		all = append(all, l.Addr().String())
	}
	return all
}

// advertised is the address under which others reach a listener: the one set for it, else
// the host set for all with its port, else where it listens.
func advertised(set, host string, l net.Listener) string {
	if set != "" {
		return set
	}
	if host == "" {
		return l.Addr().String()
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort(host, port)
}
