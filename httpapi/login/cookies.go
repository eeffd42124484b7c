package login

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// AuthCookie is the cookie that carries a browser's token, and infoCookie what the user interface shows of it (contract 1.12).
const (
	AuthCookie = "dcos-acs-auth-cookie"
	infoCookie = "dcos-acs-info-cookie"
)

// maxInfoCookie bounds the encoded info cookie in bytes. Browsers drop cookies over 4 KiB, and the proxy in front answers 502 when
// the response header outgrows its 4 KiB buffer; a description may be 4 KiB by itself, so it is cut for the cookie.
const maxInfoCookie = 2048

// CookieOptions says how long the cookies of a login live and whether they are bound to HTTPS.
type CookieOptions struct {
	AuthLifetime time.Duration // 0: 5 days
	InfoLifetime time.Duration // 0: 5 days
	Secure       bool          // Secure on the auth cookie; the info cookie never has it
}

const defaultCookieLifetime = 5 * 24 * time.Hour

func (o CookieOptions) withDefaults() CookieOptions {
	if o.AuthLifetime <= 0 {
		o.AuthLifetime = defaultCookieLifetime
	}
	if o.InfoLifetime <= 0 {
		o.InfoLifetime = defaultCookieLifetime
	}
	return o
}

// Cookies are the two cookies of a login, of which neither outlives the token. The user interface is told that the user is remote at
// the end of a redirect login only (contract 1.12).
func (s *Service) Cookies(session Session, remote bool) []*http.Cookie {
	o, user, life := s.options.Cookies, session.User, session.Expires.Sub(session.IssuedAt)
	return []*http.Cookie{
		{
			Name: AuthCookie, Value: session.Token, Path: "/", MaxAge: seconds(min(o.AuthLifetime, life)),
			HttpOnly: true, Secure: o.Secure, SameSite: http.SameSiteLaxMode,
		},
		{
			Name: infoCookie, Value: infoValue(user.UID, user.Description, remote), Path: "/", MaxAge: seconds(min(o.InfoLifetime, life)),
			SameSite: http.SameSiteLaxMode,
		},
	}
}

// SecureCookies reports whether cookies that carry something secret are bound to HTTPS.
func (s *Service) SecureCookies() bool { return s.options.Cookies.Secure }

// LogoutCookie clears the auth cookie. The info cookie is removed by the user interface itself.
func LogoutCookie() *http.Cookie {
	return &http.Cookie{
		Name: AuthCookie, Quoted: true, Path: "/", HttpOnly: true,
		Expires: time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
}

// SignOutCookies clear both cookies, for a page of ours that signs people out: there the info cookie is nobody else's to remove.
func SignOutCookies() []*http.Cookie {
	return []*http.Cookie{LogoutCookie(), {Name: infoCookie, Path: "/", MaxAge: -1}}
}

// seconds is the Max-Age of a lifetime. Go leaves a Max-Age of 0 out and the cookie would live as long as the browser, so a life under
// one second becomes "expire at once".
func seconds(life time.Duration) int {
	if s := int(life / time.Second); s > 0 {
		return s
	}
	return -1
}

// infoValue is base64 of a JSON object in pure ASCII: the user interface reads it with JSON.parse(atob(v)), and atob yields one
// character per byte.
func infoValue(uid, description string, remote bool) string {
	budget := base64.StdEncoding.DecodedLen(maxInfoCookie) - len(`{"uid": , "description": , "is_remote": false}`) - len(asciiJSON(uid, maxInfoCookie))
	var b strings.Builder
	b.WriteString(`{"uid": ` + asciiJSON(uid, maxInfoCookie))
	b.WriteString(`, "description": ` + asciiJSON(description, budget))
	b.WriteString(`, "is_remote": ` + strconv.FormatBool(remote) + `}`)
	return base64.StdEncoding.EncodeToString([]byte(b.String()))
}

// asciiJSON is s as a JSON string of at most limit bytes with every character outside printable ASCII written \uXXXX, in UTF-16 like
// JavaScript reads it. What does not fit is left out, from the end.
func asciiJSON(s string, limit int) string {
	b := []byte{'"'}
	for _, r := range s {
		n := len(b)
		b = appendASCII(b, r)
		if len(b) >= limit {
			b = b[:n]
			break
		}
	}
	return string(append(b, '"'))
}

func appendASCII(b []byte, r rune) []byte {
	if r >= 0x20 && r < utf8.RuneSelf && r != 0x7f {
		quoted, _ := json.Marshal(string(r)) // escapes ", \ and what HTML could misread
		return append(b, quoted[1:len(quoted)-1]...)
	}
	return appendUTF16(b, r)
}

// appendUTF16 appends r as one \uXXXX escape, or as two when it lies outside the basic plane.
func appendUTF16(b []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != 0xfffd {
		return fmt.Appendf(b, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}
