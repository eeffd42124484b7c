package secretsapi

import (
	"context"
	"iter"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
)

// version is one version in the history of a secret. It says nothing about the value but its size, encrypted.
type version struct {
	Version uint64 `json:"version"`
	Created string `json:"created"`
	ETag    string `json:"etag"`
	Bytes   int    `json:"bytes"`
}

// versions lists the versions that are kept, the newest first; also of a deleted secret, which may be brought back.
func (a *api) versions(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	store, path, err := secretOf(r)
	if err != nil {
		return nil, err
	}
	if _, err := a.open(ctx, r.State, store); err != nil {
		return nil, err
	}
	s, ok := r.State.Secret(store, path)
	if !ok || s.Tombstone() || s.Ended(r.Time) {
		return nil, unknownSecret(path)
	}
	list := struct {
		Path    string    `json:"path"`
		Deleted bool      `json:"deleted"`
		Ends    string    `json:"ends,omitempty"`
		Array   []version `json:"array"`
	}{Path: path, Deleted: s.Deleted, Ends: ends(s), Array: make([]version, 0, len(s.Versions))}
	for i := len(s.Versions) - 1; i >= 0; i-- {
		v := &s.Versions[i]
		list.Array = append(list.Array, version{v.Number, rfc3339(v.Created), etag(v.Number, v.Index), len(v.Sealed)})
	}
	return &httpapi.Response{Body: list}, nil
}

// ends is when a secret ends, or of a deleted one until when it can be brought back.
func ends(s *secret.Secret) string {
	if s.Ends.IsZero() {
		return ""
	}
	return rfc3339(s.Ends)
}

// gone is a deleted secret.
type gone struct {
	Path    string `json:"path"`
	Version uint64 `json:"version"`
	// Until is when it is purged.
	Until string `json:"until"`
}

// deleted lists the deleted secrets below a directory that can be brought back.
func (a *api) deleted(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	store, dir, err := directoryOf(r)
	if err != nil {
		return nil, err
	}
	if _, err := a.open(ctx, r.State, store); err != nil {
		return nil, err
	}
	return &httpapi.Response{Stream: httpapi.StreamArray(goneOf(within(r.State, store, visible(r, store, dir)), r.Time))}, nil
}

func goneOf(all iter.Seq[*secret.Secret], now time.Time) iter.Seq[gone] {
	return func(yield func(gone) bool) {
		for s := range all {
			if s.Restorable(now) && !yield(gone{s.Path, s.Last, ends(s)}) {
				return
			}
		}
	}
}

// undelete brings a deleted secret back with its history.
func (a *api) undelete(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.simple(ctx, r, func(store, path string) command.Command { return command.UndeleteSecret{Store: store, Path: path} })
}

// purge destroys all versions of a secret, live or deleted.
func (a *api) purge(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.simple(ctx, r, func(store, path string) command.Command { return command.PurgeSecret{Store: store, Path: path} })
}

// simple submits a command that decides everything by itself.
func (a *api) simple(ctx context.Context, r *httpapi.Request, do func(store, path string) command.Command) (*httpapi.Response, error) {
	return a.plainly(ctx, r, func(t *attempt) (command.Command, error) { return do(t.store.Name, t.path), nil })
}

// space answers whether a service may have a secret by the rule of spaces (contract 3.7). It looks at nothing but the two names.
func (a *api) space(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if _, err := storeOf(r); err != nil {
		return nil, err
	}
	path, err := secret.ParsePath(r.Query.Get("path"))
	if err != nil {
		return nil, err
	}
	service, err := secret.ParseDir(r.Query.Get("service"))
	if err != nil {
		return nil, fault.New(fault.InvalidData, "The query parameter `service` must be the id of a service.")
	}
	return &httpapi.Response{Body: struct {
		Path     string `json:"path"`
		Service  string `json:"service"`
		Readable bool   `json:"readable"`
	}{path, "/" + service, secret.Readable(path, service)}}, nil
}
