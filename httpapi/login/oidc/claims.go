package oidc

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json" // refuses duplicate members and members in another case
)

// maxSubject is the longest subject in bytes (OpenID Connect Core 1.0, section 2).
const maxSubject = 255

// profile is what a provider says about a user, in the ID token or in the answer of its userinfo endpoint.
type profile struct {
	Subject string  `json:"sub"`
	Email   *string `json:"email"`
	Name    string  `json:"name"`
	// EmailVerified must be a boolean; as text so that anything else is not taken for one.
	EmailVerified json.RawMessage `json:"email_verified"`
	// DomainVerified is how Microsoft Entra ID says the same.
	DomainVerified json.RawMessage `json:"xms_edov"`
}

// claims are those of an ID token that matter here.
type claims struct {
	profile
	Issuer          string   `json:"iss"`
	Audience        audience `json:"aud"`
	AuthorizedParty *string  `json:"azp"`
	Nonce           string   `json:"nonce"`
	Expires         *instant `json:"exp"`
	IssuedAt        *instant `json:"iat"`
	NotBefore       *instant `json:"nbf"`
}

func parseClaims(payload []byte) (c claims, err error) {
	if !utf8.Valid(payload) || json.Unmarshal(payload, &c) != nil {
		return claims{}, refused("The claims of the ID token are malformed.")
	}
	return c, nil
}

// audience is one string or several.
type audience []string

// UnmarshalJSON accepts both spellings (RFC 7519, section 4.1.3).
func (a *audience) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*a = make(audience, 1)
		return json.Unmarshal(text, &(*a)[0])
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// instant is a NumericDate: seconds since 1970, possibly with a fraction (RFC 7519, section 2).
type instant float64

// lastInstant is the end of the year 9999, after which times cannot be written down.
const lastInstant = 253402300799

// UnmarshalJSON accepts numbers only, and none that a clock never shows.
func (i *instant) UnmarshalJSON(text []byte) error {
	seconds, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(seconds >= 0 && seconds <= lastInstant) {
		return errors.New("not a time in seconds")
	}
	*i = instant(seconds)
	return nil
}

// after compares in microseconds: a fraction that is smaller than the float can hold must not decide.
func (i instant) after(t time.Time) bool { return time.UnixMicro(int64(float64(i) * 1e6)).After(t) }

// hasEmail reports whether there is an address, verified or not.
func (p *profile) hasEmail() bool { return p.Email != nil && *p.Email != "" }

// verified reports whether the provider has verified the address: it says true, and not "true". Microsoft Entra ID never
// sends email_verified; it says that the owner of the domain is known to own it.
func (p *profile) verified(issuer string) bool {
	if len(p.EmailVerified) > 0 {
		return string(p.EmailVerified) == "true"
	}
	return isEntra(issuer) && string(p.DomainVerified) == "true"
}

// entra are the issuers of Microsoft Entra ID up to the tenant.
var entra = []string{"https://login.microsoftonline.com/", "https://login.microsoftonline.us/", "https://login.partner.microsoftonline.cn/"}

func isEntra(issuer string) bool {
	for _, prefix := range entra {
		if strings.HasPrefix(issuer, prefix) {
			return true
		}
	}
	return false
}

// identity decides who the user is here (contract 5.5): the verified address, or the subject if there is no address. A
// subject with an @ could pass for the address of somebody else that nobody has verified.
func (p *profile) identity(issuer string) (Identity, error) {
	id := Identity{Subject: p.Subject, UID: p.Subject, Name: printable(p.Name)}
	if !p.hasEmail() {
		if strings.Contains(p.Subject, "@") {
			return Identity{}, refused("The provider names no e-mail address, and a subject that looks like one.")
		}
		return id, nil
	}
	if !p.verified(issuer) {
		return Identity{}, refused("The provider has not verified the e-mail address of the user.")
	}
	id.Email, id.UID = *p.Email, *p.Email
	return id, nil
}
