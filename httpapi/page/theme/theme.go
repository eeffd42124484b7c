// Package theme is how pages look: those of the masters, and the one with which the command line ends a login.
package theme

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"strings"
)

var (
	//go:embed layout.html
	layout string
	//go:embed style.css
	style string

	// Style stands in every page, between the tags.
	Style = template.CSS(strings.TrimSpace(style))
)

// Layout returns the templates "head" and "foot", with which every page begins and ends. The head wants a Title and the Style.
func Layout() *template.Template { return template.Must(template.New("").Parse(layout)) }

// Source names an inline style or script by its hash, for a Content-Security-Policy.
func Source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
