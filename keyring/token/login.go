package token

import (
	"crypto/sha256"
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
	_, claims, err := verifyLogin(publicKeyPEM, raw, uid, now, opts)
	return claims, err
}

// VerifyServiceLogin is the function of that name, with a memory for signatures: services reuse a token until it expires.
// What is remembered belongs to one token under one public key; all else is checked every time.
func (v *Verifier) VerifyServiceLogin(publicKeyPEM, raw, uid string, now time.Time, opts LoginOptions) (LoginClaims, error) {
	if len(raw) > maxSize {
		return LoginClaims{}, invalid("longer than %d bytes", maxSize)
	}
	keySum := sha256.Sum256([]byte(publicKeyPEM))
	sum := sha256.Sum256(append(keySum[:], raw...))
	if known, ok := v.logins.Get(sum); ok {
		return known.check(uid, now, opts)
	}
	token, claims, err := verifyLogin(publicKeyPEM, raw, uid, now, opts)
	if err == nil {
		v.logins.Add(sum, token)
	}
	return claims, err
}

// login is what a service login token and the key under which it was verified say, before anything is decided about it.
type login struct {
	uid           string
	exp, iat, nbf time.Time // zero: not in the token
	kid           string    // that the token names; "" when none
	keyKID        string    // of the account's public key
}

func verifyLogin(publicKeyPEM, raw, uid string, now time.Time, opts LoginOptions) (login, LoginClaims, error) {
	token, err := readLogin(raw)
	if err != nil {
		return login{}, LoginClaims{}, err
	}
	pub, err := ParsePublicKeyMin(publicKeyPEM, opts.MinKeyBits)
	if err != nil {
		return login{}, LoginClaims{}, invalid("stored: %v", err)
	}
	token.keyKID = KID(pub)
	claims, err := token.check(uid, now, opts)
	if err == nil {
		err = checkSignature(pub, raw, now)
	}
	if err != nil {
		return login{}, LoginClaims{}, err
	}
	return token, claims, nil
}

func readLogin(raw string) (login, error) {
	p, err := parse(raw)
	if err != nil {
		return login{}, err
	}
	if err := checkSpelling(p.claims); err != nil {
		return login{}, err
	}
	token := login{kid: p.kid}
	if token.uid, err = uidClaim(p.claims); err != nil {
		return login{}, err
	}
	for name, field := range map[string]*time.Time{"exp": &token.exp, "iat": &token.iat, "nbf": &token.nbf} {
		if *field, err = numericDate(p.claims, name); err != nil {
			return login{}, err
		}
	}
	return token, nil
}

// check decides all that can change between two uses of a token.
func (l login) check(uid string, now time.Time, opts LoginOptions) (LoginClaims, error) {
	latest := now.Add(Leeway)
	longLived := l.exp.IsZero() || l.exp.After(now.Add(maxLoginLifetime))
	switch {
	case l.uid != uid:
		return LoginClaims{}, invalid("uid is that of another account")
	case l.iat.After(latest) || l.nbf.After(latest):
		return LoginClaims{}, invalid("iat or nbf lies in the future")
	case !l.exp.IsZero() && !now.Before(l.exp):
		return LoginClaims{}, invalid("expired")
	case longLived && opts.RefuseLongLived:
		return LoginClaims{}, invalid("lives longer than %v", maxLoginLifetime)
	case opts.ownKey(l.kid) || opts.ownKey(l.keyKID):
		return LoginClaims{}, invalid("an auth token, not a login token")
	}
	claims := LoginClaims{UID: uid, LongLived: longLived}
	if !l.exp.IsZero() {
		claims.Expires = &l.exp
	}
	return claims, nil
}

func (o LoginOptions) ownKey(kid string) bool { return o.Keys != nil && holdsKey(o.Keys, kid) }

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
