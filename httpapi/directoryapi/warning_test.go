package directoryapi

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/httpapi"
	"gatehouse/httpapi/login/ldap"
)

func TestWhatAConfigurationLeavesOpen(t *testing.T) {
	for _, c := range []struct {
		config ldap.Config
		want   string // part of the warning; "" is none
	}{
		{ldap.Config{}, "without TLS"},
		{ldap.Config{CACerts: "pem"}, "without TLS"},
		{ldap.Config{LDAPS: true}, "not verified"},
		{ldap.Config{EnforceStartTLS: true}, "not verified"},
		{ldap.Config{LDAPS: true, CACerts: "pem"}, ""},
		{ldap.Config{EnforceStartTLS: true, CACerts: "pem"}, ""},
	} {
		if got := leavesOpen(&c.config); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("LDAPS %t, StartTLS %t, authorities %q: got %q, want %q", c.config.LDAPS, c.config.EnforceStartTLS, c.config.CACerts, got, c.want)
		}
	}
}

// The answer itself stays as it was published: {}.
func TestWhoeverLeavesTheDirectoryOpenIsToldByAnyMaster(t *testing.T) {
	b := newBed(t)
	open := strings.Replace(document, `"enforce-starttls":true`, `"enforce-starttls":false`, 1)
	for body, want := range map[string]string{document: "not verified", open: "without TLS"} {
		got := b.call("PUT", prefix+"/config", body).OK(t, http.StatusOK)
		if warning := got.Header.Get(httpapi.HeaderWarning); !strings.Contains(warning, want) || strings.TrimSpace(got.Body) != "{}" {
			t.Errorf("warned %q, answered %q; want %q", warning, got.Body, want)
		}
		if !strings.Contains(b.Leader().Logs.String(), want) {
			t.Errorf("the log does not warn: %s", want)
		}
	}
}
