package saml

import (
	"net/url"
	"strings"
)

// Config is a configured identity provider (contract 5.6).
type Config struct {
	ID       string // of the provider, in our URLs
	BaseURL  string // of this cluster as browsers and the identity provider see it; may end with a slash
	Metadata string // of the identity provider: XML
	Version  uint64 // of the configuration; not used here
}

// EntityID returns the name by which the identity provider knows this cluster: the URL of our metadata.
func EntityID(c Config) string { return c.url("sp-metadata") }

// ACSURL returns the URL to which browsers carry answers (the assertion consumer service).
func ACSURL(c Config) string { return c.url("acs-callback") }

func (c Config) url(leaf string) string {
	return strings.TrimRight(c.BaseURL, "/") + "/acs/api/v1/auth/saml/providers/" + url.PathEscape(c.ID) + "/" + leaf
}

// RefusedError is an answer, or a configuration, with which nobody can be logged in.
type RefusedError struct {
	// Reason is a sentence for logs, the audit log and the person who tried to log in. It quotes nothing of the answer.
	Reason string
	// Detail is for logs alone: it may quote what the answer says, in at most 200 printable bytes.
	Detail string
}

// Error returns reason and detail.
func (e *RefusedError) Error() string {
	if e.Detail == "" {
		return e.Reason
	}
	return e.Reason + " (" + e.Detail + ")"
}
