package page

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"

	"gatehouse/httpapi"
	"gatehouse/httpapi/page/theme"
)

// contentType is that of every page (contract 5.7).
const contentType = "text/html; charset=utf-8"

//go:embed assets
var assets embed.FS

var (
	templates = template.Must(theme.Layout().ParseFS(assets, "assets/*.html"))

	copyScript   = asset("copy.js")
	submitScript = asset("submit.js")
)

func asset(name string) string {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic("page: " + err.Error()) // it is in the binary
	}
	return strings.TrimSpace(string(text))
}

// sheet is what one page is made of.
type sheet struct {
	name   string // of the template
	title  string
	script string // "" when there is none
	// formAction is where forms of the page may be sent: 'none', 'self' or origins.
	formAction string
	data       any
}

// content is what the templates get.
type content struct {
	Title  string
	Style  template.CSS
	Script template.JS
	Data   any
}

// answer renders the page. Its inputs are strings, so it cannot fail but by a template that is broken, which tests would find.
func (s sheet) answer() *httpapi.Response {
	var b bytes.Buffer
	c := content{Title: s.title, Style: theme.Style, Script: template.JS(s.script), Data: s.data}
	if err := templates.ExecuteTemplate(&b, s.name, c); err != nil {
		panic("page " + s.name + ": " + err.Error())
	}
	return &httpapi.Response{Status: http.StatusOK, Raw: b.Bytes(), ContentType: contentType, Header: s.header()}
}

// header keeps the page from being framed, kept, leaked to others or extended. The names of all of them are relayed between
// masters by the funnel.
func (s sheet) header() http.Header {
	return http.Header{
		"Content-Security-Policy":    {s.policy()},
		"X-Frame-Options":            {"DENY"},
		"Referrer-Policy":            {"same-origin"}, // with no-referrer, forms would be sent with "Origin: null"
		"Permissions-Policy":         {permissions},
		"Cross-Origin-Opener-Policy": {"same-origin"},
		"Cache-Control":              {"no-store"},
	}
}

// permissions takes from the page what browsers would let it use.
const permissions = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

// policy is the Content-Security-Policy. The one image is the icon, which is inside the page too.
func (s sheet) policy() string {
	parts := []string{"default-src 'none'", "style-src " + theme.Source(string(theme.Style)), "img-src data:"}
	if s.script != "" {
		parts = append(parts, "script-src "+theme.Source(s.script))
	}
	return strings.Join(append(parts, "form-action "+s.formAction, "frame-ancestors 'none'", "base-uri 'none'"), "; ")
}
