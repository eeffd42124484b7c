package web

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// ErrForbidden is why a request is not sent: to where it would go. What wraps it says more.
var ErrForbidden = errors.New("not allowed without --allow-insecure-providers")

// reserved are addresses that lead to this machine, to nobody, or to the metadata service of a cloud, beside those that netip knows.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),          // this network, RFC 791
	netip.MustParsePrefix("240.0.0.0/4"),        // nobody's, RFC 1112, and broadcast, RFC 919
	netip.MustParsePrefix("100.100.100.200/32"), // metadata of Alibaba
	netip.MustParsePrefix("168.63.129.16/32"),   // metadata of Azure
	netip.MustParsePrefix("192.0.0.192/32"),     // metadata of Oracle
	netip.MustParsePrefix("fd00:ec2::254/128"),  // metadata of AWS
	netip.MustParsePrefix("fd20:ce::254/128"),   // metadata of Google
	netip.MustParsePrefix("fec0::/10"),          // site-local, RFC 3879
	netip.MustParsePrefix("2001::/32"),          // Teredo, RFC 4380: to whoever stands in it, in disguise
}

// embedding are the networks of IPv6 whose addresses hold one of IPv4, and the byte at which it begins.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible, RFC 4291
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated, RFC 2765
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},  // NAT64 for local use, RFC 8215; its shorter forms end in zeros, which are refused
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
}

// CheckURL reports why requests to a URL would be refused whatever its host resolves to.
func (w *Web) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("it is no URL")
	}
	return w.checkURL(u)
}

func (w *Web) checkURL(u *url.URL) error {
	host := u.Hostname()
	switch {
	case host == "" || u.User != nil || u.Opaque != "":
		return errors.New("want an absolute URL without user")
	case u.Scheme == "http" && !w.options.AllowInsecure:
		return fmt.Errorf("http is %w: want https", ErrForbidden)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("a URL of scheme %.20q: want https", u.Scheme)
	case strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") && !w.options.AllowInsecure:
		return fmt.Errorf("localhost is %w", ErrForbidden)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return w.checkAddr(addr)
	}
	return nil
}

// checkAddress is asked before every connection, after the name was resolved: what a name resolved to a moment ago says
// nothing about where the connection goes.
func (w *Web) checkAddress(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	return w.checkAddr(to.Addr())
}

func (w *Web) checkAddr(addr netip.Addr) error {
	plain := embedded(addr.WithZone("").Unmap())
	local := plain.IsLoopback() || plain.IsLinkLocalUnicast()
	if local && w.options.AllowInsecure {
		return nil
	}
	if local || plain.IsUnspecified() || plain.IsMulticast() || isReserved(plain) {
		return fmt.Errorf("address %s is %w", addr, ErrForbidden)
	}
	return nil
}

func isReserved(addr netip.Addr) bool {
	for _, prefix := range reserved {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// embedded answers the IPv4 address inside an IPv6 one, or the address itself.
func embedded(addr netip.Addr) netip.Addr {
	for _, e := range embedding {
		if e.prefix.Contains(addr) && addr != netip.IPv6Loopback() && addr != netip.IPv6Unspecified() {
			b := addr.As16()
			return netip.AddrFrom4([4]byte(b[e.at : e.at+4]))
		}
	}
	return addr
}
