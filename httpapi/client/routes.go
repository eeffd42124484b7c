package client

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
)

// repetition says under which condition a request may be sent again.
type repetition int

const (
	// never: only when certainly nothing has happened.
	never repetition = iota
	// keyed: at any time with the same Idempotency-Key.
	keyed
	// harmless: at any time.
	harmless
)

// routes are the changes of which more is known than that they are changes. Logins and questions change nothing, and to revoke tokens
// twice revokes them; that is better than a key, under which a master would repeat its answer instead of doing it.
var routes = []struct {
	method, pattern string
	repeat          repetition
}{
	{http.MethodPost, loginPath, harmless},
	{http.MethodPut, iamPrefix + "/users/*", keyed},
	{http.MethodPatch, iamPrefix + "/users/*", keyed},
	{http.MethodDelete, iamPrefix + "/users/*", keyed},
	{http.MethodPut, iamPrefix + "/groups/*", keyed},
	{http.MethodPatch, iamPrefix + "/groups/*", keyed},
	{http.MethodDelete, iamPrefix + "/groups/*", keyed},
	{http.MethodPut, iamPrefix + "/groups/*/users/*", keyed},
	{http.MethodDelete, iamPrefix + "/groups/*/users/*", keyed},
	{http.MethodPut, iamPrefix + "/acls/*", keyed},
	{http.MethodPatch, iamPrefix + "/acls/*", keyed},
	{http.MethodDelete, iamPrefix + "/acls/*", keyed},
	{http.MethodDelete, iamPrefix + "/acls/*/*/*", keyed},
	{http.MethodPut, iamPrefix + "/acls/*/*/*/*", keyed},
	{http.MethodDelete, iamPrefix + "/acls/*/*/*/*", keyed},
	{http.MethodDelete, iamPrefix + "/auth/*/providers/*", keyed},
	{http.MethodPut, iamPrefix + "/auth/saml/providers/*", keyed},
	{http.MethodPatch, iamPrefix + "/auth/saml/providers/*", keyed},
	{http.MethodPost, adminPrefix + "/providers/*/test", harmless},
	{http.MethodDelete, ldapConfigPath, keyed},
	{http.MethodPost, ldapConfigPath + "/test", harmless},
	{http.MethodPost, queryPath, harmless},
	{http.MethodPost, adminPrefix + "/authorize", harmless},
	{http.MethodPost, adminPrefix + "/iam/apply", keyed},
	{http.MethodPost, adminPrefix + "/users/*/revoke-tokens", harmless},
	{http.MethodPost, adminPrefix + "/revoke-tokens", harmless},
	{http.MethodPost, adminPrefix + "/users/*/forget-subject", keyed},
	{http.MethodPost, adminPrefix + "/keys/*/activate", keyed},
	{http.MethodPost, adminPrefix + "/keys/*/retire", keyed},
	{http.MethodPost, adminPrefix + "/cluster-keys/*/activate", keyed},
	{http.MethodDelete, adminPrefix + "/masters/*", keyed},
	{http.MethodDelete, secretsPrefix + "/secret/*/**", keyed},
	{http.MethodPut, secretsPrefix + "/renew/*/**", keyed},
	{http.MethodPut, secretsPrefix + "/revoke/*/**", keyed},
	{http.MethodPost, storesPrefix + "/*/undelete/**", keyed},
	{http.MethodPost, storesPrefix + "/*/purge/**", keyed},
	{http.MethodPut, secretsPrefix + "/store/*", keyed},
	{http.MethodPatch, storesPrefix + "/*", keyed},
	{http.MethodDelete, secretsPrefix + "/store/*", keyed},
	{http.MethodPut, secretsPrefix + "/unseal/*", harmless},
	{http.MethodPut, secretsPrefix + "/auto-unseal/*", harmless},
	{http.MethodPut, secretsPrefix + "/seal/*", harmless},
}

func (x *call) mayRepeat() repetition {
	switch x.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return harmless
	}
	if x.IdempotencyKey != "" {
		return keyed
	}
	for _, r := range routes {
		switch {
		case r.method != x.Method || !matches(r.pattern, x.Path):
		case r.repeat == keyed && x.holdsPassword():
			return never
		default:
			return r.repeat
		}
	}
	return never
}

// matches is path.Match, where ** at the end of a pattern stands for any number of segments.
func matches(pattern, name string) bool {
	prefix, deep := strings.CutSuffix(pattern, "/**")
	if deep {
		segments := strings.SplitN(name, "/", strings.Count(prefix, "/")+2)
		if last := len(segments) - 1; last == strings.Count(prefix, "/")+1 {
			name = strings.Join(segments[:last], "/")
		}
	}
	match, _ := path.Match(prefix, name)
	return match
}

// guessable are the members of bodies that can be guessed, given a hash of the body. The masters remember one under an Idempotency-Key, for
// a day.
var guessable = []string{"password", "current_password"}

// holdsPassword reports whether the body has a password. Such a change gets no key.
func (x *call) holdsPassword() bool {
	var body map[string]json.RawMessage
	if json.Unmarshal(x.content, &body) != nil {
		return false
	}
	return slices.ContainsFunc(guessable, func(name string) bool { return body[name] != nil })
}

// newKey makes an Idempotency-Key that nobody else makes.
func newKey() string { return rand.Text() }
