package secretsapi

import (
	"context"
	"strconv"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
)

const (
	// usualWait and longestWait are how long a watch waits for something to happen.
	usualWait   = 30 * time.Second
	longestWait = 60 * time.Second
	// afterWait is what an answer may take when the wait is over.
	afterWait = 30 * time.Second
	// mostEvents is about how many changes one answer tells of.
	mostEvents = 1000
)

// event is the newest state of a path that changed.
type event struct {
	Path    string `json:"path"`
	Version uint64 `json:"version"`
	Event   string `json:"event"`
	Index   uint64 `json:"index"`
}

const (
	eventPut    = "put"
	eventDelete = "delete"
)

// changes is the answer to a watch. The next one goes on from Index.
type changes struct {
	Index uint64 `json:"index"`
	// Reset says that changes after the index of the question are forgotten already: what is there has to be listed again.
	Reset bool    `json:"reset"`
	Array []event `json:"array"`
}

// question is what a watch asks.
type question struct {
	store, prefix string
	index         uint64
	known         bool // index was given
	wait          time.Duration
}

func questionOf(r *httpapi.Request) (q question, err error) {
	q.wait = usualWait
	if q.store, err = storeOf(r); err != nil {
		return q, err
	}
	if q.prefix, err = secret.ParseDir(r.Query.Get("prefix")); err != nil {
		return q, err
	}
	if text := r.Query.Get("index"); text != "" {
		q.known = true
		if q.index, err = strconv.ParseUint(text, 10, 63); err != nil {
			return q, fault.New(fault.InvalidData, "The query parameter `index` must be the index of an earlier answer.")
		}
	}
	if text := r.Query.Get("wait"); text != "" {
		if q.wait, err = duration("wait", text); err != nil || q.wait > longestWait {
			return q, fault.New(fault.InvalidData, "The query parameter `wait` must be a number of seconds or a duration, and at most %s.", longestWait)
		}
	}
	return q, nil
}

// onWatch asks for the right to see names below the prefix, or to read the secret of that very name.
func onWatch(r *httpapi.Request) (httpapi.Grant, error) {
	store, err := storeOf(r)
	if err != nil {
		return httpapi.Grant{}, err
	}
	prefix, err := secret.ParseDir(r.Query.Get("prefix"))
	if err != nil {
		return httpapi.Grant{}, err
	}
	grant := httpapi.Grant{Rights: listRights(r, store, prefix), Object: secret.ListRID(store, prefix)}
	if prefix != "" {
		grant.Rights = append(grant.Rights, rights(secret.RIDs(store, prefix), iam.Read)...)
	}
	return grant, nil
}

// watch answers when something below the prefix, or of that very name, has changed since the index, or when the time is up. It
// waits without holding on to a state. Before it answers, the caller is authenticated and authorized once more.
func (a *api) watch(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q, err := questionOf(r)
	if err != nil {
		return nil, err
	}
	if _, err := a.open(ctx, r.State, q.store); err != nil {
		return nil, err
	}
	if !q.known {
		return &httpapi.Response{Body: changes{Index: r.State.Index(), Array: []event{}}}, nil
	}
	leave, err := a.Hub.join(q.store, r.Caller.UID)
	if err != nil {
		return nil, err
	}
	defer leave()
	r.MayTake(q.wait + afterWait)
	timer := time.NewTimer(q.wait)
	defer timer.Stop()
	for looked := q.index; ; {
		more, err := a.await(ctx, timer.C, &q, viewOf(r, &q), &looked)
		if err != nil {
			return nil, err
		}
		if err := r.Refresh(ctx); err != nil {
			return nil, err
		}
		if _, err := a.open(ctx, r.State, q.store); err != nil {
			return nil, err
		}
		if found := q.changes(r.State, viewOf(r, &q), r.Time); !more || found.Reset || len(found.Array) > 0 {
			return &httpapi.Response{Body: found}, nil
		}
	}
}

// await returns when there may be something to tell; more is false when there is no time to wait for anything else. looked is the
// index up to which there was nothing.
func (a *api) await(ctx context.Context, timeUp <-chan time.Time, q *question, v view, looked *uint64) (more bool, err error) {
	for {
		wake := a.Hub.next(q.store)
		s := a.Machine.State()
		if wake == nil {
			return false, nil
		}
		if q.due(s, v, *looked) {
			return true, nil
		}
		*looked = max(*looked, s.Index())
		select {
		case <-wake:
		case <-timeUp:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// due reports whether the state has something to tell that happened after the index, if only that it cannot be told.
func (q *question) due(s *state.State, v view, index uint64) bool {
	if st, ok := s.Store(q.store); !ok || !st.Open() || q.forgotten(s) {
		return true
	}
	for one := range s.SecretsChanged(q.store, index) {
		if v.shows(one.Path) {
			return true
		}
	}
	return false
}

// forgotten reports whether something after the index of the question cannot be told any more, or that index is of another state.
func (q *question) forgotten(s *state.State) bool {
	return s.Forgotten(q.store) > q.index || q.index > s.Index()
}

// changes is what the state has to tell. One entry of the log may have changed several secrets: they are told together.
func (q *question) changes(s *state.State, v view, now time.Time) changes {
	found := changes{Index: s.Index(), Array: []event{}}
	if q.forgotten(s) {
		found.Reset = true
		return found
	}
	for one := range s.SecretsChanged(q.store, q.index) {
		if n := len(found.Array); n >= mostEvents && found.Array[n-1].Index != one.Changed {
			found.Index = found.Array[n-1].Index
			break
		}
		if v.shows(one.Path) {
			found.Array = append(found.Array, eventOf(one, now))
		}
	}
	return found
}

func eventOf(s *secret.Secret, now time.Time) event {
	e := event{Path: s.Path, Version: s.Last, Event: eventPut, Index: s.Changed}
	if !s.Live(now) {
		e.Event = eventDelete
	}
	return e
}

// view is what the caller of a watch may see of what it asked for.
type view struct {
	dirs  []string
	exact string // the secret of the name of the prefix; "" if the caller may not read it
}

func viewOf(r *httpapi.Request, q *question) view {
	v := view{dirs: visible(r, q.store, q.prefix)}
	if q.prefix != "" && readable(r, q.store, q.prefix) {
		v.exact = q.prefix
	}
	return v
}

// readable reports whether the caller may read the secret.
func readable(r *httpapi.Request, store, path string) bool {
	for _, rid := range secret.RIDs(store, path) {
		if iam.Authorize(r.State, r.Caller.UID, rid, iam.Read) {
			return true
		}
	}
	return false
}

func (v *view) shows(path string) bool {
	for _, dir := range v.dirs {
		if below(path, dir) {
			return true
		}
	}
	return v.exact != "" && path == v.exact
}
