package cli

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

// What a browser shows at the end of a login looks like the pages of the masters, which it comes from, and is made without them: the
// command line depends on nothing of a master.
var (
	//go:embed assets/login.html
	loginMarkup string
	//go:embed assets/login.css
	loginStyle template.CSS

	loginPages = template.Must(template.New("login").Parse(loginMarkup))
)

// loginPage is one page that ends a login in a browser.
type loginPage struct{ Title, Text string }

// Style is that of all pages.
func (loginPage) Style() template.CSS { return loginStyle }

// send answers with the page. Nothing but what is in it may be loaded, and nobody keeps or frames it.
func (p loginPage) send(w http.ResponseWriter, status int) {
	hash := sha256.Sum256([]byte(loginStyle))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(hash[:])+
		"'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = loginPages.Execute(w, p) // the browser has gone; the login goes on without it
}
