package client

import (
	"context"
	"net/http"
	"net/url"
)

const (
	iamPrefix   = "/acs/api/v1"
	adminPrefix = "/gatehouse/v1"
)

// list is how collections are written (contract 0.2).
type list[T any] struct {
	Array []T `json:"array"`
}

func getList[T any](ctx context.Context, c *Client, r Request) ([]T, error) {
	var l list[T]
	r.Method, r.Into = http.MethodGet, &l
	_, err := c.Do(ctx, r)
	return l.Array, err
}

func (c *Client) send(ctx context.Context, method, path string, body, into any) error {
	_, err := c.Do(ctx, Request{Method: method, Path: path, Body: body, Into: into})
	return err
}

func userPath(uid string) string { return iamPrefix + "/users/" + url.PathEscape(uid) }

// Users lists the regular users.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	return getList[User](ctx, c, Request{Path: iamPrefix + "/users"})
}

// ServiceAccounts lists the service accounts.
func (c *Client) ServiceAccounts(ctx context.Context) ([]User, error) {
	return getList[User](ctx, c, Request{Path: iamPrefix + "/users", Query: url.Values{"type": {"service"}}})
}

// User reads one user or service account. An unknown one is ERR_UNKNOWN_USER_ID.
func (c *Client) User(ctx context.Context, uid string) (User, error) {
	var u User
	return u, c.send(ctx, http.MethodGet, userPath(uid), nil, &u)
}

// CreateUser adds a user or a service account; it never changes one (ERR_USER_EXISTS). One with a password has no idempotency key: an unknown
// outcome is settled by User.
func (c *Client) CreateUser(ctx context.Context, u NewUser) error {
	return c.send(ctx, http.MethodPut, userPath(u.UID), u, nil)
}

// UpdateUser changes a description, a password or both. A change of a password has no idempotency key; to make it again does no harm, unless
// it needs the current one.
func (c *Client) UpdateUser(ctx context.Context, uid string, change UserUpdate) error {
	return c.send(ctx, http.MethodPatch, userPath(uid), change, nil)
}

// DeleteUser removes a user or a service account. Its tokens are refused from then on.
func (c *Client) DeleteUser(ctx context.Context, uid string) error {
	return c.send(ctx, http.MethodDelete, userPath(uid), nil, nil)
}

// RevokeTokens makes every master refuse the tokens that uid has been given so far.
func (c *Client) RevokeTokens(ctx context.Context, uid string) (Revocation, error) {
	var r Revocation
	return r, c.send(ctx, http.MethodPost, adminPrefix+"/users/"+url.PathEscape(uid)+"/revoke-tokens", nil, &r)
}

// RevokeAllTokens makes every master refuse every token that was issued so far, the caller's included.
func (c *Client) RevokeAllTokens(ctx context.Context) (Revocation, error) {
	var r Revocation
	return r, c.send(ctx, http.MethodPost, adminPrefix+"/revoke-tokens", nil, &r)
}

// ForgetSubject makes the masters forget what the identity provider of uid calls the person: whoever logs in next, through that provider
// under this uid, is the user from then on. It needs a superuser, and does nothing to a user of no identity provider.
func (c *Client) ForgetSubject(ctx context.Context, uid string) error {
	return c.send(ctx, http.MethodPost, adminPrefix+"/users/"+url.PathEscape(uid)+"/forget-subject", nil, nil)
}

// Masters lists the masters as the one that answers sees them.
func (c *Client) Masters(ctx context.Context) ([]Master, error) {
	return getList[Master](ctx, c, Request{Path: adminPrefix + "/masters", Public: true})
}

// RemoveMaster takes a master out of the cluster for ever. The leader is not removed.
func (c *Client) RemoveMaster(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodDelete, adminPrefix+"/masters/"+url.PathEscape(id), nil, nil)
}

// Keys lists the signing keys, the one that signs first.
func (c *Client) Keys(ctx context.Context) ([]SigningKey, error) {
	return getList[SigningKey](ctx, c, Request{Path: adminPrefix + "/keys"})
}

// PrepareKey publishes a new signing key. It has no idempotency key: an unknown outcome is settled by Keys.
func (c *Client) PrepareKey(ctx context.Context) (SigningKey, error) {
	var k SigningKey
	return k, c.send(ctx, http.MethodPost, adminPrefix+"/keys", nil, &k)
}

// ActivateKey lets a published key sign from now on. The answer says which verifiers have to be restarted.
func (c *Client) ActivateKey(ctx context.Context, kid string) (Activation, error) {
	var a struct{ KID, Description string }
	err := c.send(ctx, http.MethodPost, adminPrefix+"/keys/"+url.PathEscape(kid)+"/activate", nil, &a)
	return Activation{a.KID, a.Description}, err
}

// RetireKey stops publishing a key. Without force it is refused (ERR_KEY_IN_USE) while tokens of the key may be alive.
func (c *Client) RetireKey(ctx context.Context, kid string, force bool) error {
	body := struct {
		Force bool `json:"force"`
	}{force}
	return c.send(ctx, http.MethodPost, adminPrefix+"/keys/"+url.PathEscape(kid)+"/retire", body, nil)
}

// ClusterKeys lists the keys of the key files and which masters have them, asked just now.
func (c *Client) ClusterKeys(ctx context.Context) ([]ClusterKey, error) {
	return getList[ClusterKey](ctx, c, Request{Path: adminPrefix + "/cluster-keys"})
}

// ActivateClusterKey makes the masters seal with that key. Every master must have it, otherwise it is ERR_CONFLICT.
func (c *Client) ActivateClusterKey(ctx context.Context, id string) (Activation, error) {
	var a Activation
	return a, c.send(ctx, http.MethodPost, adminPrefix+"/cluster-keys/"+url.PathEscape(id)+"/activate", nil, &a)
}

// JWKS reads the public keys that tokens are verified with; see VerifyToken.
func (c *Client) JWKS(ctx context.Context) (JWKS, error) {
	var keys JWKS
	_, err := c.Do(ctx, Request{Method: http.MethodGet, Path: iamPrefix + "/auth/jwks", Into: &keys, Public: true})
	return keys, err
}

// Health asks one master how it is: the first address that answers with a report, which may be a bad one.
func (c *Client) Health(ctx context.Context, kind HealthKind) (HealthReport, error) {
	path := adminPrefix + "/health"
	if kind != Serving {
		path += "/" + string(kind)
	}
	var h HealthReport
	answer, err := c.Do(ctx, Request{Method: http.MethodGet, Path: path, Into: &h, Public: true, answered: isReport})
	if answer != nil {
		h.Address = answer.Address
	}
	return h, err
}
