package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/httpapi"
	"gatehouse/httpapi/policyapi"
)

// ruleFile keeps the rules of forward authentication as they are in a file.
type ruleFile struct {
	path  string        // "": there are no rules
	every time.Duration // between looks at the file

	rules    atomic.Pointer[policyapi.Rules]
	loaded   string // the stamp of what counts
	failures prometheus.Counter
	reloads  prometheus.Counter
}

// openRules reads the rules once.
func openRules(path string) (*ruleFile, error) {
	f := &ruleFile{path: path, every: reloadInterval,
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "gatehouse_authorize_rules_reload_failures_total",
			Help: "Changed files of rules that could not be used; the rules from before go on counting."}),
		reloads: prometheus.NewCounter(prometheus.CounterOpts{Name: "gatehouse_authorize_rules_reloads_total",
			Help: "Files of rules that took the place of others without a restart."}),
	}
	f.loaded = stampFiles(path)
	return f, f.load()
}

func (f *ruleFile) load() error {
	rules, err := readRules(f.path)
	if err == nil {
		f.rules.Store(rules)
	}
	return err
}

// readRules reads a file of rules; nil when there is none to read.
func readRules(path string) (*policyapi.Rules, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	return policyapi.ParseRules(text)
}

// keepFresh takes in what has changed until ctx ends. What cannot be used is reported once and changes nothing.
func (f *ruleFile) keepFresh(ctx context.Context, log *slog.Logger) error {
	if f.path == "" {
		return nil
	}
	log.Info("authorization rules loaded", "file", f.path, "rules", f.rules.Load().Len())
	watchFiles(ctx, f.every, f.loaded, func(time.Time) string { return stampFiles(f.path) }, func(time.Time, string) { f.reload(log) })
	return nil
}

func (f *ruleFile) reload(log *slog.Logger) {
	if err := f.load(); err != nil {
		f.failures.Inc()
		log.Error("changed authorization rules not used, the old ones go on counting", "file", f.path, "error", err)
		return
	}
	f.reloads.Inc()
	log.Info("authorization rules reloaded", "file", f.path, "rules", f.rules.Load().Len())
}

func (c *config) checkRules(wrong *problems) {
	if _, err := readRules(c.AuthorizeRules); err != nil {
		wrong.add(errors.Join(errors.New("--authorize-rules: "+c.AuthorizeRules), err).Error())
	}
}

// policies is the API that decides for others.
func (m *master) policies() *policyapi.API {
	return policyapi.New(policyapi.Options{Rules: m.rules.rules.Load, Open: httpapi.Authorization(m.cfg.Authorization) == httpapi.AuthorizationOpen})
}

// collectors are the metrics of the file.
func (f *ruleFile) collectors() []prometheus.Collector {
	if f.path == "" {
		return nil
	}
	return []prometheus.Collector{f.failures, f.reloads}
}
