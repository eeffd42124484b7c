package saml

import (
	"errors"
	"time"
)

// Request is how a browser is sent to the identity provider.
type Request struct {
	URL string
	// Fields is nil for a redirect (HTTP-Redirect binding); otherwise the browser is to post these form fields to URL (HTTP-POST
	// binding).
	Fields map[string]string
}

// Start makes the authentication request with the given id, an XML name that was never used before. The relay state comes back
// with the answer; it must be of letters, digits, "-" and "_".
func Start(c Config, requestID, relayState string, now time.Time) (Request, error) {
	return Request{}, errors.New("not ready")
}

// Metadata returns our metadata for the identity provider, an application/samlmetadata+xml document.
func Metadata(c Config) ([]byte, error) {
	return nil, errors.New("not ready")
}

// Check is one thing that was looked at in a configuration.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Test looks at everything in a configuration that a login depends on, without the network.
func Test(c Config, now time.Time) []Check {
	return nil
}
