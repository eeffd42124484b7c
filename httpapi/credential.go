package httpapi

import (
	"net/http"
	"strings"

	"gatehouse/fsm/fault"
)

// authCookie is the cookie that login sets for browsers (contract 1.12).
const authCookie = "dcos-acs-auth-cookie"

// credential is the token a request carries, unverified.
type credential struct {
	token      string
	fromCookie bool
}

// errNoToken is the answer to a request without a usable token. Its text never says what was wrong with the token.
var errNoToken = fault.New(fault.Unauthenticated, "Missing or invalid authentication token.")

// credentialOf takes the token from a request. The grammar is exactly "token=" and the token (hostile J31), or with bearer
// also "Bearer " and the token. Any Authorization header, even a broken one, hides the cookie (contract 2.2); two of them
// have no meaning at all (hostile J30).
func credentialOf(r *http.Request, bearer bool) (credential, error) {
	values := r.Header["Authorization"]
	switch len(values) {
	case 0:
		return cookieCredential(r)
	case 1:
	default:
		return credential{}, fault.New(fault.BadRequest, "More than one Authorization header.")
	}
	token, ok := strings.CutPrefix(values[0], "token=")
	if !ok && bearer {
		token, ok = strings.CutPrefix(values[0], "Bearer ")
	}
	if !ok || !tokenShaped(token) {
		return credential{}, errNoToken
	}
	return credential{token: token}, nil
}

// cookieCredential takes the token from the cookie. Two cookies of that name and different value are refused: one of them was
// planted by another host of the domain.
func cookieCredential(r *http.Request) (credential, error) {
	if len(r.Header["Cookie"]) == 0 {
		return credential{}, errNoToken
	}
	cookies := r.CookiesNamed(authCookie)
	if len(cookies) == 0 || !tokenShaped(cookies[0].Value) {
		return credential{}, errNoToken
	}
	for _, c := range cookies[1:] {
		if c.Value != cookies[0].Value {
			return credential{}, errNoToken
		}
	}
	return credential{token: cookies[0].Value, fromCookie: true}, nil
}

// tokenShaped reports whether s holds only what a compact JWS may hold, and no more than fits our header limit.
func tokenShaped(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			continue
		}
		return false
	}
	return true
}

// maxToken is the longest token in bytes; ours have about 600.
const maxToken = 8 << 10
