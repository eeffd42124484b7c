package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// maxSize is the longest token that is looked at, in bytes. Ours have under 600; a service's RSA-4096 token has 900.
const maxSize = 8 << 10

// ErrInvalid is every reason to refuse a token but an unknown key. What wraps it says which, and never quotes the token.
var ErrInvalid = errors.New("invalid token")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// parsed is a token whose spelling is beyond doubt. Nothing in it has been verified.
type parsed struct {
	kid    string // "" when the header has none
	claims object
}

// parse reads a compact JWS strictly: three segments of canonical base64url, two JSON objects without duplicate members,
// and a header that says RS256 and nothing that is not understood.
func parse(raw string) (parsed, error) {
	if len(raw) > maxSize {
		return parsed{}, invalid("longer than %d bytes", maxSize)
	}
	header, claims, err := segments(raw)
	if err != nil {
		return parsed{}, err
	}
	h, err := parseObject(header)
	if err != nil {
		return parsed{}, invalid("header: %v", err)
	}
	kid, err := checkHeader(h)
	if err != nil {
		return parsed{}, err
	}
	c, err := parseObject(claims)
	if err != nil {
		return parsed{}, invalid("claims: %v", err)
	}
	return parsed{kid: kid, claims: c}, nil
}

// segments splits and decodes. Strict base64 refuses padding, the standard alphabet and unused bits that are not zero (by
// which one signature would have several spellings); it skips line breaks, which are therefore refused here.
func segments(raw string) (header, claims []byte, err error) {
	if strings.Count(raw, ".") != 2 {
		return nil, nil, invalid("not three segments")
	}
	if strings.ContainsAny(raw, "\r\n") {
		return nil, nil, invalid("line break")
	}
	var decoded [3][]byte
	for i, segment := range strings.Split(raw, ".") {
		decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(segment)
		if err != nil || len(decoded[i]) == 0 {
			return nil, nil, invalid("segment %d is empty or not canonical base64url", i+1)
		}
	}
	return decoded[0], decoded[1], nil
}

// checkHeader accepts alg, typ and kid only. All else either selects a key (jwk, jku, x5c, x5u) or changes what the
// signature means (crit, b64, zip, enc), and no client of this API needs it. An empty kid is none: the SDK for Go, dcos-go,
// puts one into every login token.
func checkHeader(h object) (kid string, err error) {
	for _, m := range h {
		switch m.name {
		case "alg", "typ", "kid":
		default:
			return "", invalid("header has a member other than alg, typ and kid")
		}
	}
	if alg, _ := h.get("alg"); alg != "RS256" {
		return "", invalid("alg is not RS256")
	}
	if typ, ok := h.get("typ"); ok && typ != "JWT" {
		return "", invalid("typ is not JWT")
	}
	value, ok := h.get("kid")
	if !ok {
		return "", nil
	}
	kid, isString := value.(string)
	if !isString || len(kid) > 256 {
		return "", invalid("kid is not a string of at most 256 bytes")
	}
	return kid, nil
}
