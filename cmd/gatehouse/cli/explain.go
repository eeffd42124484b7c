package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatehouse/httpapi/client"
)

// explain gives an error its exit status and says what to do about it. When none of several addresses serves, it shows what came
// of each: the last alone may hide that another answers.
func (t *target) explain(err error) error {
	said := t.meaning(err)
	each := ofEach(err)
	var f *failure
	if each == nil || !errors.As(said, &f) || f.status != StatusUnavailable {
		return said
	}
	return fail(f.status, fmt.Errorf("none of %d addresses serves this now", len(each)), strings.Join(append(each, f.advice), "\n"))
}

// ofEach is what came of each of several addresses; nil when one error is all there is.
func ofEach(err error) (lines []string) {
	var all *client.UnservedError
	if errors.As(err, &all) {
		for _, f := range all.Failures {
			lines = append(lines, f.Address+": "+safe(cause(f.Err).Error()))
		}
	}
	return lines
}

// meaning is what the error that came last stands for.
func (t *target) meaning(err error) error {
	var f *failure
	var no *client.Error
	switch {
	case err == nil, errors.As(err, &f):
		return err
	case client.OutcomeUnknown(err):
		return doubtful(err, "look whether it did before you repeat it")
	case errors.Is(err, context.Canceled):
		return interrupted()
	case client.Unauthenticated(err):
		return t.refused(err)
	case errors.As(err, &no):
		return refusal(no)
	}
	if advice := tlsAdvice(err, t.urls); advice != "" {
		return fail(StatusUnavailable, t.unreached(err), advice)
	}
	if client.Unavailable(err) || errors.Is(err, context.DeadlineExceeded) {
		return fail(StatusUnavailable, t.unreached(err), t.unavailableAdvice())
	}
	return err
}

// instead is what to do about refusals that a person can mend.
var instead = map[string]string{
	"ERR_NO_MORE_SUPERUSERS": "nobody would be left who can manage users and permissions. Let somebody else do it first:\n" +
		"gatehouse group add superusers UID",
	"ERR_IS_SUPERUSER_GROUP": "the group superusers has full on dcos:superuser for ever, so that nobody is locked out.\n" +
		"Take members out of it instead: gatehouse group remove superusers UID",
	"ERR_IS_SUPERUSER_ACL": "superusers are made by what is granted on this resource, so it stays.\n" +
		"Take members out of their group instead: gatehouse group remove superusers UID",
	"ERR_UNKNOWN_GROUP_ID":            "those that there are: gatehouse group list",
	"ERR_UNKNOWN_RESOURCE_ID":         "those that there are: gatehouse acl list",
	"ERR_USER_NOT_IN_ACL":             "what was granted: gatehouse permission show RID",
	"ERR_GROUP_NOT_IN_ACL":            "what was granted: gatehouse permission show RID",
	"ERR_ACTION_NOT_YET_STORED":       "what was granted: gatehouse permission show RID",
	"ERR_INVALID_USER_ID":             "a uid is 1 to 96 letters, digits, -, _, @ and .",
	"ERR_INVALID_GROUP_ID":            "a gid is 1 to 64 letters, digits, -, _ and @",
	"ERR_INVALID_RESOURCE_ID":         "a rid is printable text of at most 1 KiB, such as dcos:adminrouter:ops:mesos",
	"ERR_LDAP_CONFIG_NOT_AVAILABLE":   "say how the directory is asked: gatehouse ldap config set --file FILE",
	"ERR_LDAP_IMPORT_USER_NOT_FOUND":  "who is found: gatehouse ldap config show",
	"ERR_LDAP_IMPORT_GROUP_NOT_FOUND": "which groups are found: gatehouse ldap config show",
	"ERR_UNKNOWN_SECRET":              "those that there are: gatehouse secret list; those that can be brought back: gatehouse secret list --deleted",
	"ERR_SECRET_EXISTS":               "to change it: gatehouse secret update PATH",
	"ERR_INVALID_SECRET_PATH":         "a path is like prod/db/password: at most 1 KiB, without empty segments, . or .., and without a slash at its end",
	"ERR_PRECONDITION_FAILED":         "somebody else has changed it: gatehouse secret history PATH",
	"ERR_STORE_FULL":                  "make room (gatehouse secret purge), keep fewer versions (gatehouse store update --max-versions),\nor let the masters hold more (--secrets-max-bytes)",
	"ERR_UNKNOWN_STORE":               "those that there are: gatehouse store list",
	"ERR_STORE_NOT_EMPTY":             "its secrets could not be read any more. New shares for the secrets that there are: gatehouse operator rekey",
	"ERR_INVALID_PGP_KEY":             "nothing was changed; gpg --export UID writes a key that has neither expired nor been revoked",
	"ERR_INVALID_STORE_NAME":          "a name is 1 to 64 lower-case letters, digits, - and _, and begins with a letter or a digit",
}

// shut are the codes of a store that nobody can use as it is.
var shut = map[string]string{
	"ERR_STORE_SEALED":          "nothing was changed; operators open it with their shares: gatehouse operator unseal",
	"ERR_STORE_NOT_INITIALIZED": "nothing was changed; an operator makes its shares: gatehouse operator init",
}

// refusal is what a master said instead of yes.
func refusal(no *client.Error) error {
	err := fmt.Errorf("the master says %w", no)
	switch {
	case shut[no.Code] != "":
		return fail(StatusSealed, err, shut[no.Code])
	case instead[no.Code] != "" && no.Status != http.StatusForbidden:
		return fail(StatusFailed, err, instead[no.Code])
	case no.Status == http.StatusForbidden:
		return fail(StatusLogin, err, "gatehouse whoami says who you are here, gatehouse permission show what you may do.\nLog in as a user that may do this, or ask a superuser")
	case no.Status == http.StatusTooManyRequests:
		return fail(StatusUnavailable, err, "try again in "+span(max(no.RetryAfter, time.Second)))
	case client.Unavailable(no):
		return fail(StatusUnavailable, err, "nothing was changed; try again, and see gatehouse health")
	case no.Status >= http.StatusInternalServerError && no.RequestID != "":
		return fail(StatusFailed, err, "the masters' logs say more about the request "+safe(no.RequestID))
	case no.Status == http.StatusBadRequest && no.RequestID == "" && no.Code == "": // as a TLS port answers plain HTTP
		return fail(StatusFailed, err, "that is no answer of Gatehouse: does the address want https://, or lead elsewhere?")
	}
	return err
}

// unreached says that nobody answers.
func (t *target) unreached(err error) error {
	return fmt.Errorf("no answer from %s: %w", strings.Join(t.urls, ", "), cause(err))
}

// cause is what went wrong on the network, without the path and the address that were tried last.
func cause(err error) error {
	var certificate *tls.CertificateVerificationError
	var operation *net.OpError
	var failed *url.Error
	switch {
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &operation):
		return operation
	case errors.As(err, &failed):
		return failed.Err
	}
	return err
}

// doubtful is the error of a change that was made or not.
func doubtful(err error, advice string) error {
	const text = "it is unknown whether the change took effect"
	var no *client.Error
	switch each := ofEach(err); {
	case each != nil:
		return fail(StatusUnknown, errors.New(text), strings.Join(append(each, advice), "\n"))
	case errors.As(err, &no):
		return fail(StatusUnknown, fmt.Errorf(text+": the master says %w", no), advice)
	}
	if why := cause(err); why != err {
		return fail(StatusUnknown, fmt.Errorf(text+": %w", why), advice)
	}
	return fail(StatusUnknown, err, advice) // it says so by itself
}

// settle says how to find out whether a change with an unknown outcome was made.
func settle(err error, look string) error {
	if client.OutcomeUnknown(err) {
		return doubtful(err, "look whether it did, and repeat it if not: "+look)
	}
	return err
}

func (t *target) notLoggedIn() error {
	where, advice := strings.Join(t.urls, ", "), t.loginAdvice("log in: ")+"\nor put a token into GATEHOUSE_TOKEN"
	switch {
	case t.name != "":
		where = t.name
	case len(t.stored) > 0: // a token is shown to no address but those of its login, unless its name is given, too
		advice = "if it is one of yours (" + strings.Join(t.stored, ", ") + "): --cluster NAME\notherwise " + advice
	}
	return fail(StatusLogin, fmt.Errorf("not logged in to %s", where), advice)
}

// refused says whose token it was: one from a variable is easily forgotten.
func (t *target) refused(err error) error {
	var no *client.Error
	advice := t.loginAdvice("log in again: ")
	switch {
	case !errors.As(err, &no):
		return fail(StatusLogin, err, advice)
	case t.given:
		return fail(StatusLogin, fmt.Errorf("the token in GATEHOUSE_TOKEN is refused: %w", no), "put a new one there, or unset the variable to use a stored login")
	}
	return fail(StatusLogin, fmt.Errorf("the stored login is refused: %w", no), advice)
}

func (t *target) loginAdvice(what string) string {
	if t.name != "" {
		return what + "gatehouse login --name " + quote(t.name)
	}
	return what + "gatehouse login --url " + quote(strings.Join(t.urls, ","))
}

func (t *target) unavailableAdvice() string {
	if len(t.urls) == 1 && t.urls[0] == defaultURL && t.name == "" {
		return "is a master running here? Otherwise name one with --url, or log in (gatehouse login --url URL)"
	}
	advice := "is it the right address, and does a majority of the masters run?"
	if len(t.urls) > 1 {
		advice += "\ngatehouse health says of each whether it answers"
	}
	return advice
}

// tlsAdvice knows the usual mistakes with certificates.
func tlsAdvice(err error, urls []string) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "name the certificate of the cluster's authority with --ca-cert FILE. Masters serve their own at " +
			urls[0] + "/ca/dcos-ca.crt;\nget it from a place that you trust"
	case errors.As(err, &name):
		return "use a name or address that the certificate is for"
	case errors.As(err, &invalid):
		return "the certificate is not valid: gatehouse doctor says more on a master"
	case strings.Contains(err.Error(), "remote error: tls: certificate required"), strings.Contains(err.Error(), "remote error: tls: bad certificate"):
		return "the masters want a certificate of yours: name it with --client-cert FILE and --client-key FILE"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the cluster does not speak TLS there: use http://"
	}
	return ""
}
