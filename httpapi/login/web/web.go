package web

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// RequestTimeout is how long one exchange may take, the body of the answer included.
	RequestTimeout = 5 * time.Second
	// MaxBody is how many bytes of an answer are read; reading on fails with ErrTooLarge.
	MaxBody = 1 << 20

	maxExchanges = 32       // at once, by this master
	maxPerHost   = 16       // of these, so that one slow provider leaves room for the others
	maxHeaders   = 64 << 10 // bytes of an answer's header
	cachedTrusts = 64       // clients that are kept, one for each set of certificates
)

// Options say what a Web may do. The zero value is what production needs.
type Options struct {
	// AllowInsecure permits http and addresses of loopback and link-local.
	AllowInsecure bool
	// Proxy chooses the web proxy of a request; nil reads the environment.
	Proxy func(*http.Request) (*url.URL, error)
	// Timeout replaces RequestTimeout unless it is 0.
	Timeout time.Duration
}

// Web makes clients that share one bound of exchanges at once. It is safe for concurrent use.
type Web struct {
	options Options
	slots   *slots
	meter   *meter
	clients *lru.Cache[trust, *http.Client]
}

// trust is which servers a client believes.
type trust struct {
	caPEM    string
	insecure bool
}

// New makes a Web.
func New(o Options) *Web {
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Timeout == 0 {
		o.Timeout = RequestTimeout
	}
	clients, err := lru.NewWithEvict(cachedTrusts, func(_ trust, c *http.Client) { c.CloseIdleConnections() })
	if err != nil {
		panic("web: " + err.Error()) // only a size below 1
	}
	slots := newSlots(maxExchanges, maxPerHost)
	return &Web{options: o, slots: slots, meter: newMeter(slots), clients: clients}
}

// Client answers the client for servers whose certificates an authority of caPEM has signed, one of the system's if it is
// "", or anybody if insecureTLS. It fails when caPEM holds no certificate.
func (w *Web) Client(caPEM string, insecureTLS bool) (*http.Client, error) {
	t := trust{caPEM, insecureTLS}
	if c, ok := w.clients.Get(t); ok {
		return c, nil
	}
	config, err := t.config()
	if err != nil {
		return nil, err
	}
	c := &http.Client{Transport: w.guard(config), Timeout: w.options.Timeout, CheckRedirect: refuseRedirect}
	w.clients.Add(t, c)
	return c, nil
}

func (t trust) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.insecure}
	if t.caPEM != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(t.caPEM)) {
			return nil, errors.New("the certificate authorities of the provider hold no certificate in PEM")
		}
	}
	return config, nil
}

// guard builds the transport: what goes to a proxy may go anywhere that the proxy is, all else only to public addresses.
func (w *Web) guard(config *tls.Config) *guard {
	direct := w.transport(config, &net.Dialer{Timeout: w.options.Timeout, Control: w.checkAddress})
	proxied := w.transport(config, &net.Dialer{Timeout: w.options.Timeout})
	proxied.Proxy = w.options.Proxy
	return &guard{web: w, direct: direct, proxied: proxied}
}

// transport decodes no compressed bodies: nobody asks for them, and a small one can become a huge one.
func (w *Web) transport(config *tls.Config, dialer *net.Dialer) *http.Transport {
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    w.options.Timeout,
		MaxResponseHeaderBytes: maxHeaders,
	}
}

// refuseRedirect follows nothing: a redirect would carry codes and client secrets to whom nobody has configured.
func refuseRedirect(r *http.Request, _ []*http.Request) error {
	return fmt.Errorf("%w to %s://%s", ErrRedirect, r.URL.Scheme, r.URL.Host)
}
