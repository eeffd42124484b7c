package oidc

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestHostileO11TheTestTellsNothingOfOtherServers has every endpoint be a server of the cluster's network that is no provider.
func TestHostileO11TheTestTellsNothingOfOtherServers(t *testing.T) {
	const planted = "hunter2"
	says := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("X-Planted", planted)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for name, c := range map[string]struct {
		server http.HandlerFunc
		want   string
	}{
		"forbidden":      {says(403, "text/plain", "db_password="+planted), "status 403 Forbidden"},
		"failing":        {says(500, "application/json", `{"error":"`+planted+`","error_description":"`+planted+`"}`), "status 500 Internal Server Error"},
		"created":        {says(201, "application/json", `{"issuer":"`+planted+`"}`), "status 201 Created"},
		"a text":         {says(200, "text/plain", planted), "not what a provider answers"},
		"a kind":         {says(200, "text/"+planted, "x"), "not what a provider answers"},
		"a number":       {says(200, "application/json", `{"issuer":4711`+planted+`}`), "not what a provider answers"},
		"another issuer": {says(200, "application/json", `{"issuer":"https://`+planted+`.example"}`), "by another issuer; use the issuer"},
		"a redirect": {func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "https://"+planted+".example/", http.StatusFound)
		}, "redirects"},
		"nothing at all": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "not what a provider answers"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for _, path := range []string{"/.well-known/openid-configuration", "/keys", "/token"} {
				r.change(func() { r.instead = map[string]http.HandlerFunc{path: c.server} })
				text := fmt.Sprint(r.party.Test(t.Context(), r.cfg))
				if strings.Contains(text, planted) {
					t.Errorf("%s is repeated: %s", path, text)
				}
				if path == "/.well-known/openid-configuration" && !strings.Contains(text, c.want) {
					t.Errorf("%q is not in %s", c.want, text)
				}
			}
			if log := r.log.String(); strings.Contains(log, "db_password") {
				t.Errorf("the log has the body: %s", log)
			}
		})
	}
}
