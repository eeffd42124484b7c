package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// History lists the versions of a secret that the store keeps, deleted or not.
func (c *Client) History(ctx context.Context, store, path string) (SecretHistory, error) {
	var h SecretHistory
	return h, c.send(ctx, http.MethodGet, extraPath(store, "versions", path), nil, &h)
}

// DeletedSecrets lists the deleted secrets below a directory that UndeleteSecret brings back. "" is the whole store.
func (c *Client) DeletedSecrets(ctx context.Context, store, dir string) ([]DeletedSecret, error) {
	return getList[DeletedSecret](ctx, c, Request{Path: directoryPath(settingsPath(store)+"/deleted", dir), directory: true})
}

// MaxWatch is how long WatchSecrets waits at most.
const MaxWatch = 60 * time.Second

// WatchSecrets waits until something has changed below a directory after index, for as long as wait; "" is the whole store. Index 0 answers the
// present index at once, and no changes. Each answer has the index to go on from; there may be more right after it.
func (c *Client) WatchSecrets(ctx context.Context, store, dir string, index uint64, wait time.Duration) (SecretChanges, error) {
	query := url.Values{}
	if dir = strings.Trim(dir, "/"); dir != "" {
		query.Set("prefix", dir)
	}
	if index > 0 {
		query.Set("index", strconv.FormatUint(index, 10))
		query.Set("wait", min(wait, MaxWatch).String())
	}
	var changes SecretChanges
	_, err := c.Do(ctx, Request{Method: http.MethodGet, Path: settingsPath(store) + "/watch", Query: query, Into: &changes, wait: min(wait, MaxWatch)})
	return changes, err
}

// Readable reports whether a service may have a secret, by the rule of spaces (contract 3.7): it may have those in the directories that its id
// lies in or below, and those in no directory. It decides nothing about users.
func (c *Client) Readable(ctx context.Context, store, path, service string) (bool, error) {
	var answer struct{ Readable bool }
	_, err := c.Do(ctx, Request{Method: http.MethodGet, Path: settingsPath(store) + "/space", Into: &answer, Query: url.Values{"path": {path}, "service": {service}}})
	return answer.Readable, err
}
