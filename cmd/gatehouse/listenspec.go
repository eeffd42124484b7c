package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"gatehouse/httpapi"
)

// The schemes of --listen.
const (
	schemeHTTP     = "http"
	schemeHTTPS    = "https"
	schemeRedirect = "redirect" // plain HTTP that sends everybody to https
)

// listenSpec is one --listen: [SCHEME://]HOST:PORT[/SURFACES].
type listenSpec struct {
	Scheme   string // http, https or redirect
	Address  string // host:port
	TLS      bool
	Redirect bool
	Proxy    bool         // every connection begins with a PROXY protocol header
	Surfaces httpapi.Kind // none on a redirect
}

// parseListen reads one --listen. Without a scheme it is https if this master has a certificate, else http.
func parseListen(text string, hasCertificate bool) (listenSpec, error) {
	scheme, rest, given := strings.Cut(text, "://")
	if !given {
		scheme, rest = schemeHTTP, text
		if hasCertificate {
			scheme = schemeHTTPS
		}
	}
	address, surfaces, limited := strings.Cut(rest, "/")
	spec := listenSpec{Address: address}
	spec.Scheme, spec.Proxy = strings.CutSuffix(scheme, "+proxy")
	spec.TLS, spec.Redirect = spec.Scheme == schemeHTTPS, spec.Scheme == schemeRedirect
	if !spec.TLS && !spec.Redirect && spec.Scheme != schemeHTTP {
		return spec, errors.New("want the scheme http, https or redirect, each with +proxy if a PROXY protocol header comes first")
	}
	if spec.Redirect {
		if limited {
			return spec, errors.New("a redirect serves no surface")
		}
		return spec, spec.checkAddress()
	}
	spec.Surfaces = httpapi.KindIAM | httpapi.KindSecrets
	if limited {
		var err error
		if spec.Surfaces, err = parseSurfaces(surfaces); err != nil {
			return spec, err
		}
	}
	return spec, spec.checkAddress()
}

func (s listenSpec) checkAddress() error {
	_, text, err := net.SplitHostPort(s.Address)
	port, numErr := strconv.Atoi(text)
	if err != nil || numErr != nil || port < 0 || port > 65535 {
		return errors.New("want host:port")
	}
	return nil
}

// surfaces are the parts of the API that a listener can be limited to.
var surfaces = map[string]httpapi.Kind{"iam": httpapi.KindIAM, "secrets": httpapi.KindSecrets, "internal": httpapi.KindInternal}

func parseSurfaces(text string) (kind httpapi.Kind, err error) {
	for name := range strings.SplitSeq(text, "+") {
		k, known := surfaces[name]
		if !known {
			return 0, fmt.Errorf("%q: want the surfaces iam, secrets and internal, joined by +", name)
		}
		kind |= k
	}
	return kind, nil
}

// parseListeners reads every --listen.
func (c *config) parseListeners(wrong *problems) {
	hasCertificate := c.TLSAuto || c.TLSCert != ""
	seen := map[string]bool{}
	for _, text := range c.Listen {
		spec, err := parseListen(text, hasCertificate)
		if err == nil && seen[spec.Address] && !strings.HasSuffix(spec.Address, ":0") {
			err = errors.New("the address is given twice; join its surfaces by +")
		}
		if err != nil {
			wrong.add(fmt.Sprintf("--listen: %q: %v", text, err))
			continue
		}
		seen[spec.Address] = true
		c.Listeners = append(c.Listeners, spec)
	}
	if _, ok := c.api(); !ok && (len(c.Listen) == 0 || len(c.Listeners) > 0) {
		wrong.add("--listen: want at least one host:port that is no redirect")
	}
}

// api is the first listener that serves the API: its port decides those of peers and gossip, and its address is what
// others are told.
func (c *config) api() (listenSpec, bool) {
	for _, spec := range c.Listeners {
		if !spec.Redirect {
			return spec, true
		}
	}
	return listenSpec{}, false
}

// hasListener reports whether there is a listener of the scheme.
func (c *config) hasListener(scheme string) bool {
	for _, spec := range c.Listeners {
		if spec.Scheme == scheme {
			return true
		}
	}
	return false
}
