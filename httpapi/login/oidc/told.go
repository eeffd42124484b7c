package oidc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"

	"gatehouse/httpapi/login/web"
)

// statusError says with which status a server answered. What else it answered is nowhere: whoever configures a provider could
// read servers with it that only the masters reach (hostile O11).
type statusError struct{ code int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the server answers with status %d %s", e.code, http.StatusText(e.code))
}

// strict is a client for which every answer but 200 is a statusError: libraries put the whole of it into theirs.
func strict(c *http.Client) *http.Client {
	out := *c
	out.Transport = only200{c.Transport}
	return &out
}

type only200 struct{ next http.RoundTripper }

func (t only200) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	if err != nil || response.StatusCode == http.StatusOK || response.StatusCode/100 == 3 { // redirects are refused by the client
		return response, err
	}
	response.Body.Close()
	return nil, &statusError{response.StatusCode}
}

// ownError is an error whose text is ours, and not a server's.
type ownError struct{ error }

func (e ownError) Unwrap() error { return e.error }

// told is an error as whoever tests a provider is shown it: what was tried, our advice, and nothing of what a server said but
// its status. The log has more.
func told(err error) string {
	text := what(err)
	var u *UnreachableError
	if errors.As(err, &u) {
		text = u.Doing + ": " + text
	}
	if advice := advice(err); advice != "" {
		text += "; " + advice
	}
	return text
}

func what(err error) string {
	var status *statusError
	var own ownError
	var certificate *tls.CertificateVerificationError
	var issuer *oidc.IssuerMismatchError
	var lookup *net.DNSError
	var dial *net.OpError
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.As(err, &own):
		return own.Error()
	case errors.As(err, &issuer):
		return "the server calls itself by another issuer"
	case errors.As(err, &certificate):
		return "the certificate of the server is not accepted: " + certified(certificate)
	case errors.As(err, &lookup):
		return "its name does not resolve"
	}
	for _, known := range []error{web.ErrBusy, web.ErrTooLarge, web.ErrEncoded} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	switch {
	case errors.Is(err, web.ErrForbidden):
		return "where its name leads is " + web.ErrForbidden.Error()
	case errors.Is(err, web.ErrRedirect):
		return "the server redirects, which is not followed"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dial) && dial.Timeout():
		return "it does not answer in time"
	case errors.As(err, &dial) && dial.Op == "dial":
		return dial.Error()
	}
	return "what the server answers is not what a provider answers; the log of the master says more"
}

// certified says what is wrong with a certificate, in our words.
func certified(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		return "no authority that is trusted has signed it"
	case errors.As(err, &name):
		return "it is for another host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired, or is not valid yet"
	}
	return "it does not verify"
}
