package cli

import (
	_ "embed"
	"html/template"
	"net/http"

	"gatehouse/httpapi/page/theme"
)

var (
	//go:embed assets/login.html
	loginMarkup string

	loginPages = template.Must(theme.Layout().New("login").Parse(loginMarkup))
)

// loginPage is what a browser shows at the end of a login.
type loginPage struct{ Title, Text string }

// Style is that of the pages of the masters, which it comes after.
func (loginPage) Style() template.CSS { return theme.Style }

// send answers with the page. Nothing but what is in it may be loaded, and nobody keeps or frames it.
func (p loginPage) send(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+theme.Source(string(theme.Style))+
		"; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = loginPages.Execute(w, p) // the browser has gone; the login goes on without it
}
