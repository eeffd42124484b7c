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

// syncDirectory brings users and groups in line with the directory, now and again. A new leader waits for a part of the interval first:
// when leaders change often, the directory is not asked for everything each time.
func (m *master) syncDirectory(ctx context.Context, term uint64) error {
	interval := m.cfg.LDAPSyncInterval
	if interval == 0 {
		return nil
	}
	for pause := rand.N(interval); ; {
		rest(ctx, pause)
		if ctx.Err() != nil {
			return nil
		}
		pause = interval
		if m.directoryAPI.Sync(ctx, term) != nil { // it has said so
			pause = min(interval, syncRetry)
		}
	}
}
