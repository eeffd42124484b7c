package oidc

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// FuzzToken feeds the parsers of everything that comes from outside before it is verified, or after a provider signed it.
// What they accept must be what it was taken for.
func FuzzToken(f *testing.F) {
	good := signer(jose.RS256, "k1", rsaKey())([]byte(`{"iss":"https://idp.example","sub":"1","aud":["a"],"exp":1,"iat":0.5,"email":"a@b","email_verified":true}`))
	f.Add(good, []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}`))
	f.Add("eyJhbGciOiJub25lIn0.e30.", []byte(`{"keys":null}`))
	f.Add(strings.Repeat(".", 10), []byte(`{"iss":{},"aud":[null],"exp":1e400,"azp":null}`))
	keys := set(public("k1", "RS256", rsaKey().Public()))
	f.Fuzz(func(t *testing.T, raw string, document []byte) {
		if parsed, err := parseToken(raw, []string{"RS256", "ES256"}); err == nil {
			if parsed.alg != "RS256" && parsed.alg != "ES256" || strings.Count(raw, ".") != 2 || len(raw) > maxToken {
				t.Errorf("accepted %q as %s", raw, parsed.alg)
			}
			if _, ok := keySet(keys.Keys).verify(parsed); ok && raw != good {
				t.Errorf("another spelling of a signed token: %q", raw)
			}
		}
		if parsed, err := parseKeys(document); err == nil && (len(parsed) == 0 || len(parsed) > maxKeys) {
			t.Errorf("a set of %d keys", len(parsed))
		}
		if c, err := parseClaims(document); err == nil && c.check(expected{issuer: "https://idp.example", client: "a", now: time.Unix(1, 0)}) == nil {
			if c.Issuer == "" || c.Subject == "" || len(c.Audience) == 0 || c.Expires == nil {
				t.Errorf("accepted %s", document)
			}
			if id, err := c.identity(c.Issuer); err == nil && id.UID != id.Subject && id.UID != id.Email {
				t.Errorf("uid %q of %s", id.UID, document)
			}
		}
	})
}
