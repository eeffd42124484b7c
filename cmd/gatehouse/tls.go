package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/httpapi"
)

// certificates is where the certificate of the https listeners comes from: files, or an authority of our own.
type certificates interface {
	// stamp changes when load would return something else.
	stamp(now time.Time) string
	// load returns what to serve from now on.
	load(now time.Time) (*tls.Certificate, error)
	// authority is what clients need to trust it, PEM; nil if that is not for us to say.
	authority() []byte
}

// clientTLS is how https listeners introduce themselves and whom they let in. What it is made of may change while they
// serve: connections that begin later see the change.
type clientTLS struct {
	from     certificates
	clientCA string // file; "" lets everybody in

	every time.Duration // between looks at the files

	config   atomic.Pointer[tls.Config]
	notAfter atomic.Int64 // Unix time
	loaded   string       // the stamp of what is served
	failures prometheus.Counter
	reloads  prometheus.Counter
}

// newClientTLS loads everything once. The error names every file that is not as it should be.
func newClientTLS(from certificates, clientCA string) (*clientTLS, error) {
	t := &clientTLS{from: from, clientCA: clientCA, every: reloadInterval,
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "gatehouse_tls_reload_failures_total",
			Help: "Changed certificate files that could not be used; what was served before goes on being served."}),
		reloads: prometheus.NewCounter(prometheus.CounterOpts{Name: "gatehouse_tls_reloads_total",
			Help: "Certificates, or authorities of clients, that took the place of others without a restart."}),
	}
	now := time.Now()
	t.loaded = t.stamp(now)
	return t, t.load(now)
}

func (t *clientTLS) stamp(now time.Time) string {
	return t.from.stamp(now) + " " + stampFiles(t.clientCA)
}

// load makes what new connections are to see.
func (t *clientTLS) load(now time.Time) error {
	pair, err := t.from.load(now)
	clients, caErr := loadPool(t.clientCA)
	if err := errors.Join(err, prefixed("--tls-client-ca", caErr)); err != nil {
		return err
	}
	config := httpapi.NewTLSConfig()
	config.Certificates = []tls.Certificate{*pair}
	if clients != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, clients
		config.SessionTicketsDisabled = true // a resumed session would not be held against changed authorities
	}
	t.config.Store(config)
	t.notAfter.Store(pair.Leaf.NotAfter.Unix())
	return nil
}

// serverConfig is for a listener: it takes what is loaded at the moment for every connection.
func (t *clientTLS) serverConfig() *tls.Config {
	config := httpapi.NewTLSConfig()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.config.Load(), nil }
	return config
}

// reloadInterval is how often files are looked at. A change counts when two looks have seen the same, so that a certificate
// and a key that are replaced one after the other are not taken for a broken pair.
const reloadInterval = 2 * time.Second

// keepFresh takes in what has changed until ctx ends. What cannot be used is reported once and changes nothing.
func (t *clientTLS) keepFresh(ctx context.Context, log *slog.Logger) error {
	t.logLoaded(log, "certificate loaded")
	watchFiles(ctx, t.every, t.loaded, t.stamp, func(now time.Time, stamp string) { t.reload(now, stamp, log) })
	return nil
}

// watchFiles calls changed once for every stamp that is new and was the same at two looks, until ctx ends.
func watchFiles(ctx context.Context, every time.Duration, loaded string, stamp func(time.Time) string, changed func(time.Time, string)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	seen, tried := loaded, loaded
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		is := stamp(now)
		settled := is == seen
		seen = is
		if settled && is != tried {
			tried = is
			changed(now, is)
		}
	}
}

func (t *clientTLS) reload(now time.Time, stamp string, log *slog.Logger) {
	if err := t.load(now); err != nil {
		t.failures.Inc()
		log.Error("changed certificate not used, serving the old one", "error", err, "not_after", time.Unix(t.notAfter.Load(), 0).UTC())
		return
	}
	t.loaded = stamp
	t.reloads.Inc()
	t.logLoaded(log, "certificate reloaded")
}

func (t *clientTLS) logLoaded(log *slog.Logger, message string) {
	leaf := t.config.Load().Certificates[0].Leaf
	log.Info(message, "subject", leaf.Subject.String(), "names", leaf.DNSNames, "addresses", leaf.IPAddresses, "not_after", leaf.NotAfter)
}

// collectors are the metrics of TLS for clients.
func (t *clientTLS) collectors() []prometheus.Collector {
	expiry := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gatehouse_tls_certificate_not_after_seconds",
		Help: "When the certificate for clients expires, in Unix time."}, func() float64 { return float64(t.notAfter.Load()) })
	return []prometheus.Collector{expiry, t.failures, t.reloads}
}

// stampFiles tells whether any of the files has changed: it is their contents, hashed.
func stampFiles(paths ...string) string {
	hash := sha256.New()
	for _, path := range paths {
		data, err := readBounded(path)
		fmt.Fprintf(hash, "%d %v ", len(data), err)
		hash.Write(data)
	}
	return string(hash.Sum(nil))
}

// loadPool reads certificates of authorities; nil when there is no file.
func loadPool(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	certificates, err := parseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool, nil
}

// prefixed says which setting an error is about.
func prefixed(setting string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", setting, err)
}
