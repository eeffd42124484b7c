package secretsapi

import (
	"context"
	"net/http"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
)

func (a *api) readOrList(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if lists(r) {
		return a.list(ctx, r)
	}
	return a.read(ctx, r)
}

// read answers with the newest version of a secret, or with the one in ?version=.
func (a *api) read(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	store, path, err := secretOf(r)
	if err != nil {
		return nil, err
	}
	st, err := a.open(ctx, r.State, store)
	if err != nil {
		return nil, err
	}
	s, v, err := versionOf(r, store, path)
	if err != nil {
		return nil, err
	}
	p, err := a.decrypt(r, st, s, v)
	if err != nil {
		return nil, err
	}
	return answer(r, s, v, &p)
}

// versionOf is the version of a live secret that the request is about.
func versionOf(r *httpapi.Request, store, path string) (*secret.Secret, secret.Version, error) {
	number, err := requestedVersion(r)
	if err != nil {
		return nil, secret.Version{}, err
	}
	s, err := live(r.State, store, path, r.Time)
	if err != nil {
		return nil, secret.Version{}, err
	}
	v, ok := s.Newest()
	if number != 0 {
		v, ok = s.Version(number)
	}
	if !ok {
		return nil, v, fault.New(fault.UnknownSecret, "Version %d of secret `%s` not known.", number, path)
	}
	return s, v, nil
}

// answer gives the version out in the form in which it came (contract 6.3).
func answer(r *httpapi.Request, s *secret.Secret, v secret.Version, p *plain) (*httpapi.Response, error) {
	resp := &httpapi.Response{Status: http.StatusOK, ContentType: jsonType, Header: versionHeaders(s, v.Number, v.Index)}
	if p.Binary {
		resp.ContentType = fileType
	}
	if !httpapi.Accepts(r.Header["Accept"], resp.ContentType) {
		return nil, errAccept
	}
	switch {
	case matches(r.Header["If-None-Match"], etag(v.Number, v.Index), true):
		resp.Status, resp.ContentType = http.StatusNotModified, ""
	case p.Binary:
		resp.Raw = p.value
	default:
		resp.Raw = p.json()
	}
	return resp, nil
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }
