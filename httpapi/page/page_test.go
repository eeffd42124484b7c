package page

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gatehouse/httpapi"
	"gatehouse/httpapi/page/theme"
)

const hostile = `"><script>alert(1)</script>&'`

// pages are all pages, with something hostile wherever something comes from outside.
func pages() map[string]*httpapi.Response {
	return map[string]*httpapi.Response{
		"login": Login(LoginData{Cluster: hostile, Form: hostile, Target: hostile, UID: hostile, Error: hostile,
			Providers: []Provider{{Description: hostile, Kind: hostile, URL: "/acs/api/v1/auth/login?oidc-provider=" + hostile}}}),
		"notice": Login(LoginData{Notice: hostile}),
		"home":   Home(HomeData{Cluster: hostile, UID: hostile, Description: hostile, Error: hostile}),
		"token":  Token(hostile),
		"error":  Error(hostile, hostile, "/login"),
		"post":   Post("https://idp.example/sso?a=b", map[string]string{"SAMLRequest": hostile, "RelayState": "x"}),
	}
}

var inline = regexp.MustCompile(`(?s)<(style|script)>(.*?)</(?:style|script)>`)

func TestPagesHoldNothingThatTheirPolicyDoesNotName(t *testing.T) {
	for name, p := range pages() {
		policy, text := p.Header.Get("Content-Security-Policy"), string(p.Raw)
		for _, part := range inline.FindAllStringSubmatch(text, -1) {
			if want := part[1] + "-src " + theme.Source(part[2]); !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %s lacks %s", name, policy, want)
			}
		}
		for _, want := range []string{"default-src 'none'; ", "; frame-ancestors 'none'; base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %s lacks %s", name, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(text, "<script>alert") || strings.Contains(text, " style=") || strings.Contains(text, " onclick") ||
			strings.Count(text, "<script") != strings.Count(policy, "script-src") {
			t.Errorf("%s: %s\n%s", name, policy, text)
		}
		if strings.Contains(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), "http:") || strings.Contains(text, "ZgotmplZ") {
			t.Errorf("%s speaks of elsewhere:\n%s", name, text)
		}
		for header, want := range map[string]string{"X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got := p.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		if p.ContentType != "text/html; charset=utf-8" || !strings.Contains(p.Header.Get("Cache-Control"), "no-store") || !strings.Contains(text, `<html lang="en">`) {
			t.Errorf("%s: %s %v", name, p.ContentType, p.Header)
		}
	}
}

func TestFormsGoWhereThePolicySays(t *testing.T) {
	for name, want := range map[string]string{"login": "'self'", "home": "'self'", "token": "'none'", "error": "'none'", "post": "https://idp.example"} {
		if policy := pages()[name].Header.Get("Content-Security-Policy"); !strings.Contains(policy, "; form-action "+want+";") {
			t.Errorf("%s: %s", name, policy)
		}
	}
	for _, action := range []string{"", "/relative", "javascript:alert(1)", "data:text/html,x", "ftp://idp.example/", "https://", "https://user:password@idp.example/", "https://idp.example/%zz"} {
		p := Post(action, nil)
		if p.Status != 502 || strings.Contains(string(p.Raw), "<form") {
			t.Errorf("Post(%q): %d\n%s", action, p.Status, p.Raw)
		}
	}
	if p := Post("http://127.0.0.1:8080/sso", map[string]string{"b": "2", "a": "1"}); !strings.Contains(string(p.Raw), `name="a" value="1">`+"\n"+`<input type="hidden" name="b"`) ||
		!strings.Contains(p.Header.Get("Content-Security-Policy"), "form-action http://127.0.0.1:8080;") {
		t.Errorf("%v\n%s", p.Header, p.Raw)
	}
}

var colour = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6});`)

// scheme reads the colours of a part of the style.
func scheme(part string) map[string]string {
	colours := map[string]string{}
	for _, found := range colour.FindAllStringSubmatch(part, -1) {
		hex := found[2]
		if len(hex) == 3 {
			hex = fmt.Sprintf("%c%[1]c%c%[2]c%c%[3]c", hex[0], hex[1], hex[2])
		}
		colours[found[1]] = hex
	}
	return colours
}

// luminance is that of WCAG 2.2.
func luminance(hex string) float64 {
	rgb, _ := strconv.ParseUint(hex, 16, 32)
	linear := func(c uint64) float64 {
		v := float64(c&255) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(rgb>>16) + 0.7152*linear(rgb>>8) + 0.0722*linear(rgb)
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestEverythingCanBeReadInLightAndDark(t *testing.T) {
	light, dark, _ := strings.Cut(string(theme.Style), "prefers-color-scheme: dark")
	for name, c := range map[string]map[string]string{"light": scheme(light), "dark": scheme(dark)} {
		for _, pair := range []struct {
			ink, paper string
			least      float64
		}{
			{"text", "page", 4.5}, {"text", "card", 4.5}, {"muted", "card", 4.5}, {"on-accent", "accent", 4.5}, {"on-accent", "accent-deep", 4.5},
			{"bad", "bad-page", 4.5}, {"good", "good-page", 4.5}, {"edge", "card", 3}, {"focus", "card", 3}, {"accent", "page", 3},
		} {
			if got := contrast(c[pair.ink], c[pair.paper]); c[pair.ink] == "" || c[pair.paper] == "" || got < pair.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", name, pair.ink, pair.paper, got, pair.least)
			}
		}
	}
}
