package directoryapi

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login/ldap"
)

// The results of a synchronisation, in status and metrics.
const (
	resultOK      = "ok"
	resultFailed  = "failed"  // the directory, or the cluster, could not be asked
	resultRefused = "refused" // too much was missing at once
)

// Last is what became of the last synchronisation, as the leader remembers it.
type Last struct {
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// By is who asked for it; "" is the cluster itself.
	By     string  `json:"by"`
	Result string  `json:"result"`
	Error  string  `json:"error,omitempty"`
	Report *Report `json:"report,omitempty"`
}

// lastSync remembers one.
type lastSync struct {
	mu   sync.Mutex // guards last
	last *Last
}

func (l *lastSync) set(last *Last) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = last
}

func (l *lastSync) get() *Last {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// status is the answer about synchronisations.
type status struct {
	Running bool  `json:"running"`
	Last    *Last `json:"last"` // null: none since this master leads
}

func (a *API) syncStatus(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Body: status{len(a.working) > 0, a.last.get()}}, nil
}

// syncNow synchronises at a superuser's request.
func (a *API) syncNow(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Force bool `json:"force"`
	}
	if r.JSON {
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
	}
	if _, err := a.config(r.State); err != nil {
		return nil, err
	}
	leave, err := a.begin()
	if err != nil {
		return nil, err
	}
	defer leave()
	w, err := a.synchronise(ctx, r, in.Force)
	if err != nil {
		return nil, a.refusal(err, "")
	}
	return &httpapi.Response{Body: w.done, Index: w.index}, nil
}

// Sync synchronises on the cluster's own account, in a term of the leader. Without a directory, below its level, or while an import
// runs, it does nothing.
func (a *API) Sync(ctx context.Context, term uint64) error {
	s := a.Machine.State()
	if s.Meta().Level < command.LevelDirectory || s.Directory() == nil {
		return nil
	}
	leave, err := a.begin()
	if err != nil {
		return nil
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	_, err = a.synchronise(ctx, &httpapi.Request{State: s, Term: term}, false)
	return err
}

// synchronise brings users and groups in line with the directory, and remembers how that went.
func (a *API) synchronise(ctx context.Context, r *httpapi.Request, force bool) (*writer, error) {
	last := &Last{Started: a.Now().UTC(), By: r.Caller.UID, Result: resultOK}
	w, err := a.align(ctx, r, force)
	last.Finished = a.Now().UTC()
	if w != nil {
		last.Report = &w.done
	}
	if err != nil {
		last.Result, last.Error = resultFailed, err.Error()
		if w == nil && fault.Is(err, fault.Conflict) {
			last.Result = resultRefused
		}
		level := slog.LevelError
		if before := a.last.get(); before != nil && before.Error == last.Error {
			level = slog.LevelWarn // it has been said
		}
		a.Logger.Log(ctx, level, "the synchronisation with the directory failed", "error", err, "result", last.Result)
	} else if w.index > 0 {
		a.Logger.Info("synchronised with the directory", "users_created", w.done.UsersCreated, "users_removed", w.done.UsersRemoved,
			"groups_removed", w.done.GroupsRemoved, "members_added", w.done.MembersAdded, "members_removed", w.done.MembersRemoved)
	}
	a.last.set(last)
	a.meter.observe(last)
	return w, err
}

// align asks the directory for everything first, and changes something only then.
func (a *API) align(ctx context.Context, r *httpapi.Request, force bool) (*writer, error) {
	config, err := a.config(r.State)
	if err != nil {
		return nil, err
	}
	p, err := a.plan(ctx, r.State, config, force)
	if err != nil {
		return nil, err
	}
	if err := p.refuse(); err != nil {
		return nil, err
	}
	if a.synced != 0 && a.synced != config.Version {
		p.keep()
	}
	w := a.writer(r, config, "gatehouse.ldap.sync")
	for _, why := range p.skipped {
		w.skip(why)
	}
	if err := w.write(ctx, p.items()); err != nil {
		return w, err
	}
	a.synced = config.Version
	return w, nil
}

var _ Directory = (*ldap.Client)(nil)
