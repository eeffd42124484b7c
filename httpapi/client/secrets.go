package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// DefaultStore is the store that every cluster has.
const DefaultStore = "default"

const (
	secretsPrefix = "/secrets/v1"
	storesPrefix  = adminPrefix + "/secrets"
	octets        = "application/octet-stream"
)

// secretPath names a secret below a prefix such as /secrets/v1/secret.
func secretPath(prefix, store, path string) string {
	return prefix + "/" + url.PathEscape(store) + "/" + escaped(path)
}

// directoryPath names a directory of secrets; the whole store ends in a slash.
func directoryPath(prefix, dir string) string { return prefix + "/" + escaped(strings.Trim(dir, "/")) }

// escaped writes a path as part of a URL. A slash at its beginning does not matter (contract 6.4).
func escaped(path string) string {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/")
}

// extraPath names what the API of DC/OS does not know of a secret.
func extraPath(store, what, path string) string {
	return settingsPath(store) + "/" + what + "/" + escaped(path)
}

// secretBody is a secret as JSON.
type secretBody struct {
	Value       *string   `json:"value,omitempty"`
	Author      *string   `json:"author,omitempty"`
	Description *string   `json:"description,omitempty"`
	Labels      *[]string `json:"labels,omitempty"`
}

// errNotText says that a value cannot be sent as JSON.
var errNotText = errors.New("the value is not text in UTF-8: make it a file (Binary)")

// request makes the body, the headers and the query of a write.
func (u SecretUpdate) request(method, path string) (Request, error) {
	r := Request{Method: method, Path: path, Header: http.Header{}}
	if u.TTL != nil {
		r.Query = url.Values{"ttl": {u.TTL.String()}}
	}
	if u.IfMatch != "" {
		r.Header.Set("If-Match", u.IfMatch)
	}
	if u.Binary {
		if u.Author != nil || u.Description != nil || u.Labels != nil {
			return r, errors.New("a file has neither author, description nor labels")
		}
		r.Header.Set("Content-Type", octets)
		r.Body = u.Value
		return r, nil
	}
	body := secretBody{Author: u.Author, Description: u.Description, Labels: u.Labels}
	if u.Value != nil {
		if !utf8.Valid(u.Value) {
			return r, errNotText
		}
		text := string(u.Value)
		body.Value = &text
	}
	r.Body = body
	return r, nil
}

// write sends a secret. It has no idempotency key: the masters keep a hash of what came under one, and a value may be guessed from that.
func (c *Client) write(ctx context.Context, method, store, path string, u SecretUpdate) (SecretVersion, error) {
	r, err := u.request(method, secretPath(secretsPrefix+"/secret", store, path))
	if err != nil {
		return SecretVersion{}, fmt.Errorf("%s %s: %w", method, r.Path, err)
	}
	answer, err := c.Do(ctx, r)
	if err != nil {
		return SecretVersion{}, err
	}
	return versionOf(answer.Header), nil
}

func versionOf(h http.Header) SecretVersion {
	n, _ := strconv.ParseUint(h.Get("X-Gatehouse-Version"), 10, 64)
	return SecretVersion{Version: n, ETag: h.Get("ETag")}
}

// CreateSecret adds a secret; it never changes one (ERR_SECRET_EXISTS). It has no idempotency key: an unknown outcome is settled by ReadSecret.
func (c *Client) CreateSecret(ctx context.Context, store, path string, s NewSecret) (SecretVersion, error) {
	u := SecretUpdate{Value: s.Value, Binary: s.Binary}
	if u.Value == nil {
		u.Value = []byte{}
	}
	if s.Author != "" {
		u.Author = &s.Author
	}
	if s.Description != "" {
		u.Description = &s.Description
	}
	if s.Labels != nil {
		u.Labels = &s.Labels
	}
	if s.TTL != 0 {
		u.TTL = &s.TTL
	}
	return c.write(ctx, http.MethodPut, store, path, u)
}

// UpdateSecret makes a new version of a secret that exists (ERR_UNKNOWN_SECRET). It has no idempotency key: an unknown outcome is settled by
// ReadSecret, and with IfMatch a second update does no harm.
func (c *Client) UpdateSecret(ctx context.Context, store, path string, u SecretUpdate) (SecretVersion, error) {
	return c.write(ctx, http.MethodPatch, store, path, u)
}

// ReadSecret reads the newest version of a secret. There is none if it is unknown, deleted or has ended (ERR_UNKNOWN_SECRET).
func (c *Client) ReadSecret(ctx context.Context, store, path string) (Secret, error) {
	s, _, err := c.readSecret(ctx, http.MethodGet, store, path, 0, "")
	return s, err
}

// ReadSecretVersion reads an old version of a secret. A store keeps so many of each secret (StoreSettings).
func (c *Client) ReadSecretVersion(ctx context.Context, store, path string, version uint64) (Secret, error) {
	s, _, err := c.readSecret(ctx, http.MethodGet, store, path, version, "")
	return s, err
}

// ReadSecretIfChanged reads the newest version of a secret, unless it is the one with that ETag: then changed is false, and there is no value.
func (c *Client) ReadSecretIfChanged(ctx context.Context, store, path, etag string) (s Secret, changed bool, err error) {
	return c.readSecret(ctx, http.MethodGet, store, path, 0, etag)
}

// StatSecret says which version of a secret is the newest and when it ends, without its value.
func (c *Client) StatSecret(ctx context.Context, store, path string) (Secret, error) {
	s, _, err := c.readSecret(ctx, http.MethodHead, store, path, 0, "")
	return s, err
}

func (c *Client) readSecret(ctx context.Context, method, store, path string, version uint64, etag string) (Secret, bool, error) {
	r := Request{Method: method, Path: secretPath(secretsPrefix+"/secret", store, path), Header: http.Header{"Accept": {"*/*"}}}
	if version > 0 {
		r.Query = url.Values{"version": {strconv.FormatUint(version, 10)}}
	}
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
		r.answered = func(answer *Response) bool { return answer.Status == http.StatusNotModified }
	}
	answer, err := c.Do(ctx, r)
	switch {
	case err != nil:
		return Secret{}, false, err
	case answer.Status == http.StatusNotModified:
		return Secret{SecretVersion: versionOf(answer.Header)}, false, nil
	}
	s, err := secretOf(answer, method == http.MethodHead)
	if err != nil {
		return Secret{}, false, fmt.Errorf("%s %s: decode the answer of %s: %w", method, r.Path, answer.Address, err)
	}
	return s, true, nil
}

// secretOf reads an answer. The stored kind decides about its content type.
func secretOf(answer *Response, head bool) (Secret, error) {
	s := Secret{SecretVersion: versionOf(answer.Header)}
	s.Expires, _ = time.Parse(time.RFC3339, answer.Header.Get("X-Gatehouse-Expires"))
	s.Binary = answer.Header.Get("Content-Type") == octets
	switch {
	case head:
		return s, nil
	case s.Binary:
		s.Value = answer.Body
		return s, nil
	}
	var body struct {
		Value, Author, Description, Created string
		Labels                              []string
	}
	if err := json.Unmarshal(answer.Body, &body); err != nil {
		return Secret{}, errors.New("it is no secret in JSON") // the error of the package may quote the value
	}
	s.Value, s.Author, s.Description, s.Labels = []byte(body.Value), body.Author, body.Description, body.Labels
	s.Created, _ = time.Parse(time.RFC3339, body.Created)
	return s, nil
}

// ListSecrets lists the paths of all secrets below a directory, however deep, relative to it. "" is the whole store. A directory that holds
// nothing is no error.
func (c *Client) ListSecrets(ctx context.Context, store, dir string) ([]string, error) {
	path := directoryPath(secretsPrefix+"/secret/"+url.PathEscape(store), dir)
	return getList[string](ctx, c, Request{Path: path, Query: url.Values{"list": {"true"}}, directory: true})
}

// DeleteSecret deletes a secret. UndeleteSecret brings it back, for as long as the store keeps it (StoreSettings). ifMatch is the ETag of its
// newest version, or "" for any; if it is another one, nothing changes (ERR_PRECONDITION_FAILED).
func (c *Client) DeleteSecret(ctx context.Context, store, path, ifMatch string) error {
	r := Request{Method: http.MethodDelete, Path: secretPath(secretsPrefix+"/secret", store, path)}
	if ifMatch != "" {
		r.Header = http.Header{"If-Match": {ifMatch}}
	}
	_, err := c.Do(ctx, r)
	return err
}

// RenewSecret lets a secret that has a TTL end in d from now. One without a TTL stays as it is.
func (c *Client) RenewSecret(ctx context.Context, store, path string, d time.Duration) error {
	body := struct {
		Duration string `json:"duration"`
	}{d.String()}
	return c.send(ctx, http.MethodPut, secretPath(secretsPrefix+"/renew", store, path), body, nil)
}

// RevokeSecret ends a secret that has a TTL now, with all its versions. One without a TTL stays as it is.
func (c *Client) RevokeSecret(ctx context.Context, store, path string) error {
	return c.send(ctx, http.MethodPut, secretPath(secretsPrefix+"/revoke", store, path), nil, nil)
}

// UndeleteSecret brings the newest version of a deleted secret back. One that is not deleted is ERR_SECRET_EXISTS, one of which nothing is
// left ERR_UNKNOWN_SECRET.
func (c *Client) UndeleteSecret(ctx context.Context, store, path string) error {
	return c.send(ctx, http.MethodPost, extraPath(store, "undelete", path), nil, nil)
}

// PurgeSecret destroys all versions of a secret, deleted or not. Nothing brings them back.
func (c *Client) PurgeSecret(ctx context.Context, store, path string) error {
	return c.send(ctx, http.MethodPost, extraPath(store, "purge", path), nil, nil)
}
