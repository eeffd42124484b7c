package oidc

import (
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strings"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
)

// maxQuoted is how many bytes of what a provider says go to the log.
const maxQuoted = 200

// clipped is an error whose text is fit for the log; errors.Is still sees what it was.
type clipped struct {
	text  string
	cause error
}

func (e *clipped) Error() string { return e.text }

func (e *clipped) Unwrap() error { return e.cause }

// clip makes an error fit for the log: libraries put whole answers of providers into theirs, and those may repeat what they
// were sent.
func clip(err error, secrets ...string) error {
	text := err.Error()
	if what := advice(err); what != "" {
		text = what + ": " + text
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.NewReplacer(secret, "[redacted]", url.QueryEscape(secret), "[redacted]").Replace(text)
		}
	}
	return &clipped{printable(text), err}
}

// printable answers at most maxQuoted bytes of a text, without what could end or hide a line.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) <= maxQuoted {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuoted], "") + "…"
}

// unreachable makes an UnreachableError of whatever is neither that nor a RefusedError yet.
func unreachable(doing string, err error) error {
	var r *RefusedError
	var u *UnreachableError
	if err == nil || errors.As(err, &r) || errors.As(err, &u) {
		return err
	}
	return &UnreachableError{doing, err}
}

// advice is what an operator can do about a provider that cannot be asked, or "".
func advice(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var lookup *net.DNSError
	var issuer *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &authority):
		return "put the authority that signed the provider's certificate into ca_certs"
	case errors.As(err, &name):
		return "use the host in the provider's certificate as issuer"
	case errors.As(err, &lookup):
		return "make the name of the provider resolve on every master"
	case errors.As(err, &issuer):
		return "use the issuer that the provider calls itself, exactly"
	}
	return ""
}
