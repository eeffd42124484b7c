package client

import (
	"context"
	"net/http"
	"net/url"
)

func storePath(what, store string) string {
	return secretsPrefix + "/" + what + "/" + url.PathEscape(store)
}

func settingsPath(store string) string { return storesPrefix + "/" + url.PathEscape(store) }

// Stores lists the stores of secrets.
func (c *Client) Stores(ctx context.Context) ([]Store, error) {
	return getList[Store](ctx, c, Request{Path: secretsPrefix + "/store"})
}

// Store reads one store with its settings. An unknown one is ERR_UNKNOWN_STORE.
func (c *Client) Store(ctx context.Context, name string) (StoreDetails, error) {
	var s StoreDetails
	return s, c.send(ctx, http.MethodGet, settingsPath(name), nil, &s)
}

// CreateStore adds a store (ERR_STORE_EXISTS). Where the masters unseal by themselves it is open from the start; otherwise InitStore is next.
func (c *Client) CreateStore(ctx context.Context, s NewStore) error {
	return c.send(ctx, http.MethodPut, storePath("store", s.Name), s, nil)
}

// UpdateStore changes the settings of a store.
func (c *Client) UpdateStore(ctx context.Context, name string, change StoreSettings) error {
	return c.send(ctx, http.MethodPatch, settingsPath(name), change, nil)
}

// DeleteStore removes a store. One that holds secrets is ERR_CONFLICT, unless force is set. The default store stays.
func (c *Client) DeleteStore(ctx context.Context, name string, force bool) error {
	r := Request{Method: http.MethodDelete, Path: storePath("store", name)}
	if force {
		r.Query = url.Values{"force": {"true"}}
	}
	_, err := c.Do(ctx, r)
	return err
}

// InitStore makes a new root key for a store that holds no secret (ERR_STORE_NOT_EMPTY), and splits it. The store is sealed afterwards, unless
// AutoUnseal is set. When the outcome is unknown, or the answer is lost, do it again: the shares of before are of no use then.
func (c *Client) InitStore(ctx context.Context, name string, s NewShares) (Initialization, error) {
	return c.initialization(ctx, Request{Method: http.MethodPut, Path: storePath("init", name), Body: s})
}

// InitStatus says whether a store is initialised, and answers the shares that are encrypted.
func (c *Client) InitStatus(ctx context.Context, name string) (Initialization, error) {
	return c.initialization(ctx, Request{Method: http.MethodGet, Path: storePath("init", name)})
}

func (c *Client) initialization(ctx context.Context, r Request) (Initialization, error) {
	var answer struct {
		Initialized  bool     `json:"initialized"`
		Keys         []string `json:"keys"`
		Fingerprints []string `json:"pgp_fingerprints"`
	}
	r.Into = &answer
	_, err := c.Do(ctx, r)
	return Initialization{Initialized: answer.Initialized, Keys: answer.Keys, Fingerprints: answer.Fingerprints}, err
}

// SealStatus says whether a store is sealed.
func (c *Client) SealStatus(ctx context.Context, name string) (SealStatus, error) {
	var s SealStatus
	return s, c.send(ctx, http.MethodGet, storePath("seal-status", name), nil, &s)
}

// Unseal gives a share, in hex or base64. Shares given at any master add up; with the last one that is needed the store opens everywhere.
// ERR_INVALID_SHARE is a share that cannot be one, or shares that do not belong together, which are all forgotten.
func (c *Client) Unseal(ctx context.Context, name, share string) (SealStatus, error) {
	return c.sealing(ctx, storePath("unseal", name), map[string]string{"key": share})
}

// ResetUnseal forgets the shares that were given.
func (c *Client) ResetUnseal(ctx context.Context, name string) (SealStatus, error) {
	return c.sealing(ctx, storePath("unseal", name), map[string]bool{"reset": true})
}

// AutoUnseal opens a store for which the masters keep the root key.
func (c *Client) AutoUnseal(ctx context.Context, name string) (SealStatus, error) {
	return c.sealing(ctx, storePath("auto-unseal", name), nil)
}

func (c *Client) sealing(ctx context.Context, path string, body any) (SealStatus, error) {
	var s SealStatus
	return s, c.send(ctx, http.MethodPut, path, body, &s)
}

// Seal makes every master forget the keys of a store. When it returns nobody can read or write a secret of it, until it is unsealed.
func (c *Client) Seal(ctx context.Context, name string) error {
	return c.send(ctx, http.MethodPut, storePath("seal", name), nil, nil)
}

// SealHere makes one master forget the keys of a store, and refuse them until it is unsealed again. It needs no quorum. The Client has to be
// one of the admin socket of that master.
func (c *Client) SealHere(ctx context.Context, name string) error {
	_, err := c.Do(ctx, Request{Method: http.MethodPost, Path: settingsPath(name) + "/local-seal", Public: true})
	return err
}

// RotateStore makes a new data key, which encrypts from now on, and answers its number. The masters encrypt what there is anew in the
// background; StoreDetails.Terms says when they are done. It has no idempotency key: an unknown outcome is settled by Store.
func (c *Client) RotateStore(ctx context.Context, name string) (uint32, error) {
	var answer struct{ Term uint32 }
	err := c.send(ctx, http.MethodPost, settingsPath(name)+"/rotate", nil, &answer)
	return answer.Term, err
}

// RekeyStatus says how far a change of the root key has come.
func (c *Client) RekeyStatus(ctx context.Context, name string) (Rekey, error) {
	return c.rekey(ctx, http.MethodGet, settingsPath(name)+"/rekey", nil)
}

// StartRekey begins to change the root key and the shares of an open store. Nothing is changed until the new shares are verified.
func (c *Client) StartRekey(ctx context.Context, name string, s NewShares) (Rekey, error) {
	return c.rekey(ctx, http.MethodPost, settingsPath(name)+"/rekey", s)
}

// rekeyShare is the body of a share.
type rekeyShare struct {
	Nonce string `json:"nonce"`
	Key   string `json:"key,omitempty"`
	Auto  bool   `json:"auto,omitempty"`
}

// RekeyShare gives a present share. The answer to the last one that is needed has the new shares. It has no idempotency key: when its answer is
// lost, look at RekeyStatus; new shares that nobody has seen are replaced by CancelRekey and another StartRekey.
func (c *Client) RekeyShare(ctx context.Context, name, nonce, share string) (Rekey, error) {
	return c.rekey(ctx, http.MethodPut, settingsPath(name)+"/rekey", rekeyShare{Nonce: nonce, Key: share})
}

// RekeyAuto is RekeyShare for a store for which the masters keep the root key: it is all that is needed.
func (c *Client) RekeyAuto(ctx context.Context, name, nonce string) (Rekey, error) {
	return c.rekey(ctx, http.MethodPut, settingsPath(name)+"/rekey", rekeyShare{Nonce: nonce, Auto: true})
}

// VerifyRekey gives a new share back. With as many as the new threshold the new shares take effect, and the old ones end.
func (c *Client) VerifyRekey(ctx context.Context, name, nonce, share string) (Rekey, error) {
	return c.rekey(ctx, http.MethodPut, settingsPath(name)+"/rekey/verify", rekeyShare{Nonce: nonce, Key: share})
}

// CancelRekey ends a change of the root key. The present shares go on.
func (c *Client) CancelRekey(ctx context.Context, name string) error {
	return c.send(ctx, http.MethodDelete, settingsPath(name)+"/rekey", nil, nil)
}

func (c *Client) rekey(ctx context.Context, method, path string, body any) (Rekey, error) {
	var answer struct {
		Rekey
		Keys []string `json:"keys"`
	}
	err := c.send(ctx, method, path, body, &answer)
	answer.Rekey.Keys = answer.Keys
	return answer.Rekey, err
}
