// Package pageapi holds the rows of the pages that people see: the one to log in on, and what stands at `/` for a browser. How pages
// look is package page's business, what a login is that of package login.
//
// A login form that another site sends would log its victim in as the attacker, so the form is bound to the browser that asked
// for it (form.go), and what the browser says about where a form comes from is believed when it speaks against it.
package pageapi
