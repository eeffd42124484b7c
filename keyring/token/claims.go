package token

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"gatehouse/fsm/iam"
)

const (
	// Leeway is how far ahead of our clock iat and nbf may lie, for masters and clients whose clocks differ. Expiry has
	// none: exp is the first instant at which a token is refused.
	Leeway = 5 * time.Second

	// maxSeconds is the end of the year 9999 in Unix time; beyond it time.Time does not survive JSON.
	maxSeconds = 253402300799
)

// Claims are what a verified auth token says.
type Claims struct {
	UID      string
	IssuedAt time.Time
	Expires  time.Time
	KID      string
}

// authClaims reads the claims of an auth token: uid, exp and iat, whole seconds, and nothing else.
func authClaims(p parsed) (Claims, error) {
	if len(p.claims) != 3 {
		return Claims{}, invalid("claims are not uid, exp and iat")
	}
	uid, err := uidClaim(p.claims)
	if err != nil {
		return Claims{}, err
	}
	exp, err := wholeSeconds(p.claims, "exp")
	if err != nil {
		return Claims{}, err
	}
	iat, err := wholeSeconds(p.claims, "iat")
	if err != nil {
		return Claims{}, err
	}
	return Claims{UID: uid, IssuedAt: iat, Expires: exp, KID: p.kid}, nil
}

// check compares with the clock. It is asked about every token every time, remembered signature or not.
func (c Claims) check(now time.Time) error {
	if !now.Before(c.Expires) {
		return invalid("expired")
	}
	if c.IssuedAt.After(now.Add(Leeway)) {
		return invalid("issued in the future")
	}
	return nil
}

func uidClaim(claims object) (string, error) {
	value, _ := claims.get("uid")
	uid, ok := value.(string)
	if !ok || iam.ValidateUID(uid) != nil {
		return "", invalid("uid is not a user id")
	}
	return uid, nil
}

// wholeSeconds reads a claim that must be there, as a positive integer spelled as one.
func wholeSeconds(claims object, name string) (time.Time, error) {
	value, _ := claims.get(name)
	number, _ := value.(json.Number)
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || n <= 0 || n > maxSeconds {
		return time.Time{}, invalid("%s is not a whole number of seconds", name)
	}
	return time.Unix(n, 0).UTC(), nil
}

// numericDate reads a claim of RFC 7519's NumericDate, which may have a fraction, and rounds it down. A claim that is not
// there is the zero time.
func numericDate(claims object, name string) (time.Time, error) {
	value, ok := claims.get(name)
	if !ok {
		return time.Time{}, nil
	}
	number, _ := value.(json.Number)
	seconds, err := strconv.ParseFloat(string(number), 64)
	if err != nil || seconds < 1 || seconds > maxSeconds {
		return time.Time{}, invalid("%s is not a number of seconds", name)
	}
	return time.Unix(int64(math.Floor(seconds)), 0).UTC(), nil
}
