package pageapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestHostilePages(t *testing.T) {
	b := newBed(t, 2)
	b.Put("alice", "mallory")

	t.Run("H21", func(t *testing.T) {
		for _, target := range []string{"//evil.example", `/\evil.example`, "https:evil.example", "https://evil.example", "javascript:alert(1)",
			"%2f%2fevil.example", "/%2fevil.example", "//user@evil.example", "/\tevil", "/\n/evil.example"} {
			v := newVisitor(t)
			says(t, v.get(b.Leader(), "/login?target="+url.QueryEscape(target)), http.StatusBadRequest, "not part of this site")
			form := v.open(b.Leader(), "/login")
			form.Set("target", target)
			got := v.submit(b.Leader(), form, "alice", "right")
			says(t, got, http.StatusBadRequest, "not part of this site")
			if got.Header.Get("Location") != "" || v.cookies["dcos-acs-auth-cookie"] != nil || strings.Contains(got.Body, "evil.example") {
				t.Errorf("target %q: %v %s", target, got.Header, got.Body)
			}
		}
		v := newVisitor(t)
		says(t, v.get(b.Leader(), "/login?target=/a&target=/b"), http.StatusBadRequest)
	})

	t.Run("H22", func(t *testing.T) {
		v, mallory := newVisitor(t), newVisitor(t)
		own, foreign := v.open(b.Leader(), "/login"), mallory.open(b.Leader(), "/login")
		fill := func(form url.Values) url.Values {
			filled := url.Values{"uid": {"mallory"}, "password": {"right"}}
			for name, values := range form {
				filled[name] = values
			}
			return filled
		}
		for name, c := range map[string]struct {
			form   url.Values
			header map[string]string
		}{
			"from another site":                 {fill(own), map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}},
			"from a subdomain":                  {fill(own), map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example.com"}},
			"from another site, old browser":    {fill(own), map[string]string{"Sec-Fetch-Site": "", "Origin": "https://evil.example"}},
			"from nowhere, old browser":         {fill(own), map[string]string{"Sec-Fetch-Site": "", "Origin": "null"}},
			"without a proof":                   {fill(nil), nil},
			"with the proof of another browser": {fill(foreign), nil},
			"without its cookie":                {fill(own), map[string]string{"Cookie": ""}},
			"with a made-up proof":              {fill(url.Values{"form": {strings.Repeat("A", 100)}}), nil},
			"with its cookie as the proof":      {fill(url.Values{"form": {v.cookies["gatehouse-form"].Value}}), nil},
		} {
			got := v.send(b.Follower(), http.MethodPost, "/login", c.form, c.header)
			says(t, got, http.StatusForbidden)
			if got.Header.Get("Location") != "" || v.cookies["dcos-acs-auth-cookie"] != nil {
				t.Fatalf("%s: signed in", name)
			}
		}
		v.submit(b.Leader(), v.open(b.Leader(), "/login"), "alice", "right")
		says(t, v.send(b.Leader(), http.MethodPost, "/logout", url.Values{}, map[string]string{"Sec-Fetch-Site": "cross-site"}), http.StatusForbidden)
		if v.cookies["dcos-acs-auth-cookie"] == nil {
			t.Error("another site signed alice out")
		}
		if cookie := v.cookies["gatehouse-form"]; cookie.SameSite != http.SameSiteStrictMode || !cookie.HttpOnly || !cookie.Secure || cookie.Path != "/login" {
			t.Errorf("the cookie is %v", cookie)
		}
		// JSON, or a form that is not one, is nobody's form.
		for _, kind := range []string{"text/plain", "multipart/form-data; boundary=x", "application/json"} {
			got := v.send(b.Leader(), http.MethodPost, "/login", fill(own), map[string]string{"Content-Type": kind})
			if got.Status < 400 || got.Header.Get("Location") != "" {
				t.Errorf("%s: %d", kind, got.Status)
			}
		}
	})

	t.Run("H25", func(t *testing.T) {
		const script = `"><script>alert(1)</script>`
		v := newVisitor(t)
		pages := []string{v.get(b.Leader(), "/login?iam-error="+url.QueryEscape(script)).Body,
			v.get(b.Leader(), "/login?target="+url.QueryEscape("/a?"+script)).Body,
			v.submit(b.Leader(), v.open(b.Leader(), "/login"), script, "wrong").Body}
		for i, page := range pages {
			if strings.Contains(page, "<script>alert") || i > 0 && !strings.Contains(page, "alert(1)") && !strings.Contains(page, "alert%281%29") && !strings.Contains(page, "alert&#") {
				t.Errorf("the page is\n%s", page)
			}
		}
		for _, text := range []string{"your account is planted. Call 555-0100", "planted " + strings.Repeat("x", 5000), "The login provider with ID 'planted x' is not known",
			"The login provider with ID 'planted' is not known.", "planted 'x'", "The login provider with ID 'x' is not known planted"} {
			got := v.get(b.Leader(), "/login?iam-error="+url.QueryEscape(text))
			says(t, got, 200, "Signing in did not work.")
			if strings.Contains(got.Body, "planted") {
				t.Errorf("the page shows what somebody wrote into a link: %s", text)
			}
		}
	})
}
