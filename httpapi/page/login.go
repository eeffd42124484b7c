package page

import (
	"strings"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// LoginData is what the login page shows.
type LoginData struct {
	// Cluster is what people call the cluster.
	Cluster string
	// Form is the value that proves that the form came from here; Target where the login leads, "" for nowhere special.
	Form, Target string
	// UID is what was typed into the field for it.
	UID string
	// Error says what went wrong, Notice what went well. They are plain text.
	Error, Notice string
	// Retype says that the password is to be typed once more: the focus goes there.
	Retype bool
	// Providers are those that one can log in by.
	Providers []Provider
}

// Provider is a button for one identity provider.
type Provider struct {
	// Description is what people call it, Kind how it works, URL where its logins start.
	Description, Kind, URL string
}

// Login is the page to log in on.
func Login(d LoginData) *httpapi.Response {
	return sheet{name: "login.html", title: "Sign in", formAction: "'self'", data: d}.answer()
}

// UnknownProvider is the one sentence that other pages have the login page say (contract 5.3). It does not repeat what can be no id, as
// whoever makes a link chooses it.
func UnknownProvider(id string) string {
	if iam.ValidateProviderName(id) != nil {
		return "The login provider is not known"
	}
	return "The login provider with ID '" + id + "' is not known"
}

// IsUnknownProvider reports whether that sentence is the text.
func IsUnknownProvider(text string) bool {
	_, id, _ := strings.Cut(text, "'")
	id, _, _ = strings.Cut(id, "'")
	return text == UnknownProvider(id)
}

// HomeData is what the page of somebody who is signed in shows.
type HomeData struct {
	Cluster, UID, Description string
	// Error says what went wrong, as plain text.
	Error string
}

// Home is what stands at the address of the cluster for somebody who is signed in.
func Home(d HomeData) *httpapi.Response {
	return sheet{name: "home.html", title: "Signed in", formAction: "'self'", data: d}.answer()
}
