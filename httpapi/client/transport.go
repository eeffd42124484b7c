package client

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	dialTimeout      = 3 * time.Second
	handshakeTimeout = 5 * time.Second
	idleTimeout      = 50 * time.Second // masters close after 60 s; whoever closes first decides who is surprised
)

// httpClients makes the client that keeps connections and the one that does not; with an HTTPClient of the caller's, both are it.
func httpClients(o Options) (kept, fresh *http.Client) {
	if o.HTTPClient != nil {
		only := plain(o.HTTPClient.Transport)
		return only, only
	}
	return plain(transport(o.TLS, false)), plain(transport(o.TLS, true))
}

// plain is an http.Client that keeps no cookies and follows no redirect: a token goes to the addresses that were named, never
// to where one of them points.
func plain(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport has no proxy, whatever the environment says: masters are inside, and the environment of a service is made for its
// own requests. Whoever needs one brings an HTTPClient.
func transport(config *tls.Config, fresh bool) *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        config.Clone(),
		TLSHandshakeTimeout:    handshakeTimeout,
		DisableKeepAlives:      fresh,
		DisableCompression:     true, // nothing of ours is compressed, and an answer cannot unpack to more than its limit
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second},
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
