package iamapi

import (
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/fsm/iam"
)

var noon = time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)

const wrongCredentials = `{"title":"401 Unauthorized","description":"Invalid credentials.","code":"ERR_INVALID_CREDENTIALS"}`

// people is a user of every kind.
func people() []iam.User {
	return []iam.User{
		{UID: "alice", Description: "Alice", PasswordHash: "$fake$wonderland"},
		{UID: "robot", PublicKey: publicPEM(serviceKey())},
		{UID: "ldapuser", ProviderType: iam.LDAP},
		{UID: "bob@example.com", ProviderType: iam.OIDC, ProviderID: "https://dcos.auth0.com/"},
	}
}

func crowd(t *testing.T, masters int, settings ...func(*Options)) *house {
	h := newHouse(t, masters, settings...)
	h.put(people()...)
	return h
}

func (a answer) token(t testing.TB) string {
	t.Helper()
	var in struct{ Token string }
	a.ok(t, http.StatusOK).into(t, &in)
	return in.Token
}

// issuedAt reads the iat of a token without verifying it.
func issuedAt(t testing.TB, raw string) time.Time {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(raw, claims); err != nil {
		t.Fatalf("parse %q: %v", raw, err)
	}
	iat, _ := claims.GetIssuedAt()
	return iat.UTC()
}
