package flow

import (
	"strings"
	"testing"
)

func TestTargetsOfThisOriginAreKept(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		TokenPage:                       TokenPage,
		"/":                             "/",
		"/#/dashboard":                  "/#/dashboard",
		"/#/services/detail/%2Fa%2Fb":   "/#/services/detail/%2Fa%2Fb",
		"/a/b?next=https://x.example/":  "/a/b?next=https://x.example/",
		"/a?b=c&d=%2F%2Fe":              "/a?b=c&d=%2F%2Fe",
		"/a?b=\\c":                      `/a?b=\c`,
		"/a b":                          "/a%20b",
		"/grüße":                        "/gr%C3%BC%C3%9Fe",
		"/a?q=ü":                        "/a?q=%C3%BC",
		"/a%20b":                        "/a%20b",
		"/a@b":                          "/a@b",
		"/.well-known/x":                "/.well-known/x",
		"/a..b/...":                     "/a..b/...",
		"/" + strings.Repeat("a", 1023): "/" + strings.Repeat("a", 1023),
	} {
		if got, err := Target(in); got != want || err != nil {
			t.Errorf("Target(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

// foreign are spellings of other places, and what somebody on the way may take for one.
var foreign = []string{
	"//evil.example", "//evil.example/%2f..", "///evil.example", "////evil.example", `/\evil.example`, `\\evil.example`, `\/evil.example`,
	`/\/evil.example`, `/a\..\\evil.example`, "https:evil.example", "https://evil.example", "https:/evil.example", "http:\\\\evil.example",
	"HTTPS://evil.example", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "%2f%2fevil.example", "%2f", "%2fa",
	"/%2fevil.example", "/%2Fevil.example", "/%5cevil.example", "/%5Cevil.example", "/%252fevil.example", "/%25252fevil.example", "/%255cevil.example",
	"/.//evil.example", "/..//evil.example", "/./%2fevil.example", "/a/..//evil.example", "/a/../b", "/./a", "/%2e%2e/a", "/%2e%2e%2fa", "/a/%2e/b",
	"//user@evil.example", "user@evil.example", "@evil.example", "//user:password@evil.example/", "/a//b",
	"/\tevil.example", "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example", "\x00//evil.example",
	"/\x00/evil.example", "/%09/evil.example", "/%0a/evil.example", "/%0d%0aSet-Cookie:x=y", "/a\r\nSet-Cookie: x=y", "/%00", "/a\x7f", "/a\u0085b", "/a\u2028b",
	"evil.example", "evil.example/a", "?a=b", "#a", "..", "../a", ".", "a", "/%", "/%zz", "/a\xff", "/a%ff%2f/x",
	"dcos:authenticationresponse:htm", "dcos:authenticationresponse:html2", "DCOS:authenticationresponse:html", "dcos:authenticationresponse:html/../x",
	"/" + strings.Repeat("a", MaxTarget), "/" + strings.Repeat("ü", MaxTarget/4),
	"//[::1]/", "//evil.example:443", "///", "//", `/\`, "http://127.0.0.1:8080/",
}

func TestHostileTargets(t *testing.T) {
	for _, id := range []string{"H21", "O17"} {
		t.Run(id, func(t *testing.T) {
			for _, in := range foreign {
				if got, err := Target(in); err == nil || got != "" {
					t.Errorf("Target(%q) = %q, want an error", in, got)
				}
			}
		})
	}
}

func FuzzTarget(f *testing.F) {
	for _, in := range foreign {
		f.Add(in)
	}
	f.Add("/#/a?b=ü")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := Target(in)
		if err != nil || got == "" || got == TokenPage {
			return
		}
		if len(got) > MaxTarget || got[0] != '/' || len(got) > 1 && (got[1] == '/' || got[1] == '\\') || strings.ContainsAny(got, " \r\n\t") {
			t.Errorf("Target(%q) = %q", in, got)
		}
		if again, err := Target(got); err != nil || again != got {
			t.Errorf("Target(%q) = %q, and that is not kept: %q, %v", in, got, again, err)
		}
	})
}
