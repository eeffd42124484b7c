package token

import (
	"strings"
	"time"
)

// maxLoginLifetime is how long a service login token should live (contract 2.3); longer ones are tolerated by default.
const maxLoginLifetime = 10 * time.Minute

// LoginOptions decide which service login tokens are accepted.
type LoginOptions struct {
	RefuseLongLived bool   // refuse tokens without exp, or with one over 10 minutes away (contract 9, decision 12)
	MinKeyBits      int    // smallest RSA key of an account; 0 means 2048 (contract 9, decision 32)
	Keys            Source // the cluster's own keys, which never sign a login; nil skips that check
}

// LoginClaims are what a verified service login token says.
type LoginClaims struct {
	UID       string
	Expires   *time.Time // nil: the token has no exp
	LongLived bool       // no exp, or one over 10 minutes away: to be warned about and counted
}

// VerifyServiceLogin checks a token that a service signed with its own key, to log in as uid (contract 2.3): RS256 under
// the account's public key, the claim uid equal to uid, exp in the future if there is one, iat and nbf not in the future.
// Other claims are ignored. An auth token is never a login token, not even when an account was given a public key of the
// cluster itself: otherwise whoever holds a token could renew it for ever.
//
// It fails with ErrInvalid.
func VerifyServiceLogin(publicKeyPEM, raw, uid string, now time.Time, opts LoginOptions) (LoginClaims, error) {
	p, err := parse(raw)
	if err != nil {
		return LoginClaims{}, err
	}
	claims, err := loginClaims(p.claims, uid, now)
	if err != nil {
		return LoginClaims{}, err
	}
	if claims.LongLived && opts.RefuseLongLived {
		return LoginClaims{}, invalid("lives longer than %v", maxLoginLifetime)
	}
	pub, err := ParsePublicKeyMin(publicKeyPEM, opts.MinKeyBits)
	if err != nil {
		return LoginClaims{}, invalid("%v", err)
	}
	if ownKey(opts.Keys, p.kid) || ownKey(opts.Keys, KID(pub)) {
		return LoginClaims{}, invalid("an auth token, not a login token")
	}
	if err := checkSignature(pub, raw, now); err != nil {
		return LoginClaims{}, err
	}
	return claims, nil
}

func ownKey(keys Source, kid string) bool {
	if keys == nil {
		return false
	}
	for _, key := range keys.SigningKeys() {
		if key.KID == kid {
			return true
		}
	}
	return false
}

func loginClaims(claims object, uid string, now time.Time) (LoginClaims, error) {
	if err := checkSpelling(claims); err != nil {
		return LoginClaims{}, err
	}
	claimed, err := uidClaim(claims)
	if err != nil {
		return LoginClaims{}, err
	}
	if claimed != uid {
		return LoginClaims{}, invalid("uid is that of another account")
	}
	for _, name := range []string{"iat", "nbf"} {
		if t, _, err := numericDate(claims, name); err != nil || t.After(now.Add(Leeway)) {
			return LoginClaims{}, invalid("%s is not a time or lies in the future", name)
		}
	}
	exp, ok, err := numericDate(claims, "exp")
	switch {
	case err != nil:
		return LoginClaims{}, err
	case !ok:
		return LoginClaims{UID: uid, LongLived: true}, nil
	case !now.Before(exp):
		return LoginClaims{}, invalid("expired")
	}
	return LoginClaims{UID: uid, Expires: &exp, LongLived: exp.After(now.Add(maxLoginLifetime))}, nil
}

// checkSpelling refuses a claim that only looks like one of ours, such as EXP: its author meant a limit that would not
// hold.
func checkSpelling(claims object) error {
	for _, m := range claims {
		for _, name := range []string{"uid", "exp", "iat", "nbf"} {
			if m.name != name && strings.EqualFold(m.name, name) {
				return invalid("%s is spelled in another case", name)
			}
		}
	}
	return nil
}
