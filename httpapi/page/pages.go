package page

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatehouse/httpapi"
)

// Token shows a token to somebody who is to copy it into a command line (contract 5.7). No cache keeps it.
func Token(token string) *httpapi.Response {
	resp := sheet{name: "token.html", title: "Your DC/OS authentication token", script: copyScript, formAction: "'none'", data: token}.answer()
	resp.Header.Set("Cache-Control", "no-cache, no-store, must-revalidate")
	resp.Header.Set("Pragma", "no-cache")
	resp.Header.Set("Expires", "0")
	return resp
}

// failure is what the error page says.
type failure struct{ Text, Retry string }

// Error says in a sentence what went wrong. retry is the path of a link "Try again"; "" leaves it out.
func Error(title, text, retry string) *httpapi.Response {
	return sheet{name: "error.html", title: title, formAction: "'none'", data: failure{text, retry}}.answer()
}

// ConfirmData is what somebody is asked before a command line gets a login.
type ConfirmData struct {
	UID string
	// Port is where the command line waits, on the computer of the browser.
	Port int
	// Action is the path that takes the answer, Question what proves that it was asked.
	Action, Question string
}

// Confirm asks whether a command line may have the login. Browsers hold a redirect after a form against form-action too, so it names
// the port besides this site.
func Confirm(d ConfirmData) *httpapi.Response {
	to := "'self' http://127.0.0.1:" + strconv.Itoa(d.Port)
	return sheet{name: "confirm.html", title: "Sign in a command line?", formAction: to, data: d}.answer()
}

// field is one hidden field of a form.
type field struct{ Name, Value string }

// journey is a form that is to be sent elsewhere.
type journey struct {
	Action, Host string
	Fields       []field
}

// Post takes a browser to another server with a form, as the HTTP-POST binding of SAML wants it. The form sends itself; without
// JavaScript a person presses its button. Where to is an absolute http or https URL; any other makes an error page of status 502.
func Post(action string, fields map[string]string) *httpapi.Response {
	u, err := url.Parse(action)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		resp := Error("The identity provider cannot be reached", "Its configuration names an address that browsers cannot be sent to.", "/login")
		resp.Status = http.StatusBadGateway
		return resp
	}
	j := journey{Action: u.String(), Host: u.Host}
	for name, value := range fields {
		j.Fields = append(j.Fields, field{name, value})
	}
	slices.SortFunc(j.Fields, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	origin := u.Scheme + "://" + u.Host
	return sheet{name: "post.html", title: "Continue to sign in", script: submitScript, formAction: origin, data: j}.answer()
}
