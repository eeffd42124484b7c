package main

import (
	"context"
	"math/rand/v2"
	"time"

	"gatehouse/httpapi/cutoff"
	"gatehouse/httpapi/directoryapi"
	"gatehouse/httpapi/login/ldap"
)

// company is what a master needs for the company's directory: who asks it, for logins and for everything else, and the rows.
type company struct {
	directory    *ldap.Client
	directoryAPI *directoryapi.API
}

// openDirectory makes the client of the directory and the rows about it.
func (m *master) openDirectory() {
	m.directory = ldap.New(ldap.Options{Logger: m.log})
	options := directoryapi.Options{
		Submitter: submitSeam{m.machine, m.node}, Machine: m.machine, Keys: m.ring, Directory: m.directory, Logger: m.log,
		TokenLife: cutoff.LongestTokenLife, ImportLimit: m.cfg.LDAPImportLimit, Now: m.now,
	}
	if m.audit != nil {
		options.Auditor = m.audit
	}
	m.directoryAPI = directoryapi.New(options)
}

// syncRetry is how soon a synchronisation that failed is tried again, unless the interval is shorter.
const syncRetry = time.Minute

// nextSync is how long to wait after a synchronisation: the interval; after failures in a row a minute, two, four and so on up to it.
func nextSync(interval time.Duration, failures int) time.Duration {
	if failures == 0 {
		return interval
	}
	pause := syncRetry
	for ; failures > 1 && pause < interval; failures-- {
		pause *= 2
	}
	return min(pause, interval)
}

// syncDirectory brings users and groups in line with the directory, now and again. A new leader waits for a part of the interval first:
// when leaders change often, the directory is not asked for everything each time.
func (m *master) syncDirectory(ctx context.Context, term uint64) error {
	interval := m.cfg.LDAPSyncInterval
	if interval == 0 {
		return nil
	}
	failures := 0
	for pause := rand.N(interval); ; pause = nextSync(interval, failures) {
		rest(ctx, pause)
		if ctx.Err() != nil {
			return nil
		}
		failures++
		if m.directoryAPI.Sync(ctx, term) == nil { // else it has said so
			failures = 0
		}
	}
}
