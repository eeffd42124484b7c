package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"unicode"

	"github.com/go-ldap/ldap/v3"
)

// resultError is a result code with which the directory refused something.
type resultError struct {
	code uint16
	// dn is who was refused; "" for searches.
	dn string
	// detail is an excerpt of what the directory added.
	detail string
}

// Error tells all of it.
func (e *resultError) Error() string {
	if e.detail == "" {
		return e.response()
	}
	return e.response() + ", " + e.detail
}

// response names code and DN as contract 4.4 does.
func (e *resultError) response() string {
	text := fmt.Sprintf("%s (%d) response", codeName(e.code), e.code)
	if e.dn == "" {
		return text
	}
	return text + ", DN `" + excerpt(e.dn) + "`"
}

// codeName is the name of a result code, as in "Invalid credentials".
func codeName(code uint16) string {
	name := ldap.LDAPResultCodeMap[code]
	if name == "" {
		return "Unknown result"
	}
	return name[:1] + strings.ToLower(name[1:])
}

// activeDirectoryData is where Active Directory says why it refused a bind: 52e is a wrong password, 533 a disabled account, 775
// a locked one.
var activeDirectoryData = regexp.MustCompile(`\bdata [0-9a-fA-F]{1,8}\b`)

// bindError is what a directory answered to a bind. Nothing else of its message is kept: it was told a password.
func bindError(err error, dn string) error {
	var result *ldap.Error
	if !errors.As(err, &result) || !answered(err) {
		return err
	}
	return &resultError{result.ResultCode, dn, activeDirectoryData.FindString(result.Err.Error())}
}

// searchError is what a directory answered to anything else.
func searchError(err error) error {
	var result *ldap.Error
	if !errors.As(err, &result) || !answered(err) {
		return err
	}
	if result.ResultCode == ldap.LDAPResultReferral {
		return &resultError{result.ResultCode, "", "referrals are not followed"}
	}
	return &resultError{result.ResultCode, "", excerpt(result.Err.Error())}
}

// atBase names the base of a search that the directory refused.
func atBase(base string, err error) error {
	return fmt.Errorf("search base `%s`: %w", excerpt(base), err)
}

// reason tells in a few words why a connection failed.
func reason(err error) string {
	var errno syscall.Errno
	var dns *net.DNSError
	switch {
	case timedOut(err):
		return "timed out"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dns):
		return dns.Err
	}
	return excerpt(err.Error())
}

// timedOut reports whether the time for an answer ran out.
func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// maxExcerpt is how many bytes of what somebody else wrote are shown.
const maxExcerpt = 200

// excerpt makes one short printable line of a text from elsewhere.
func excerpt(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	if len(text) <= maxExcerpt {
		return text
	}
	return strings.ToValidUTF8(text[:maxExcerpt], "") + "…"
}
