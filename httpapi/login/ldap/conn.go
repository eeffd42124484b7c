package ldap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// conn is one connection to the directory. It carries one operation at a time.
type conn struct {
	ldap    *ldap.Conn
	raw     net.Conn // below TLS: deadlines are set here
	guard   *guard
	born    time.Time
	broken  bool        // no operation may follow
	expiry  *time.Timer // closes it while nobody uses it
	onClose func()
}

// newConn starts to speak LDAP over secure, which is raw or TLS over raw.
func (c *Client) newConn(secure, raw net.Conn) *conn {
	g := newGuard(secure)
	k := &conn{ldap: ldap.NewConn(g, secure != raw), raw: raw, guard: g, born: c.opts.Now(), onClose: c.meter.connections.Dec}
	k.ldap.Start()
	c.meter.connections.Inc()
	return k
}

// close ends the connection at once. The library's own end waits for its goroutines, which may wait for the network.
func (k *conn) close() {
	k.broken = true
	_ = k.raw.Close()
	k.onClose()
	go func() { _ = k.ldap.Close() }()
}

// usable reports whether an operation may follow: the directory has not hung up either.
func (k *conn) usable() bool { return !k.broken && !k.ldap.IsClosing() }

// do runs one operation. The error is the directory's answer, and the connection goes on; or why there was none, and it does not.
func (k *conn) do(ctx context.Context, a allowance, operation func() error) error {
	k.guard.allow(a)
	err := exchange(ctx, k.raw, operation)
	if err == nil || answered(err) {
		return err
	}
	k.broken = true
	if cause := k.guard.cause(); cause != nil && !timedOut(err) && ctx.Err() == nil {
		return cause // the library tells of it in words only
	}
	return err
}

// answered reports whether an error is a result code of the directory, as opposed to the library's own.
func answered(err error) bool {
	var result *ldap.Error
	return errors.As(err, &result) && result.ResultCode < ldap.ErrorNetwork
}

// interrupted is a deadline that has passed.
var interrupted = time.Unix(1, 0)

// exchange runs something on a connection, which ctx ends. A panic, which is a bug of a parser, is an error.
func exchange(ctx context.Context, raw net.Conn, run func() error) (err error) {
	deadline, _ := ctx.Deadline()
	if err := raw.SetDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(interrupted) })
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("what the directory sent broke its parser: %v", p)
		}
		if !stop() { // the deadline that it sets may come after everything else
			err = context.Cause(ctx)
			return
		}
		if err != nil && !deadline.IsZero() && !time.Now().Before(deadline) {
			err = context.DeadlineExceeded // the connection may notice before ctx does, and the library tells of it in words only
			return
		}
		if again := raw.SetDeadline(time.Time{}); err == nil {
			err = again
		}
	}()
	return run()
}

// bindLookup binds who searches. Without a lookup DN a connection is anonymous as it is.
func (k *conn) bindLookup(ctx context.Context, cfg *Config) error {
	if cfg.LookupDN == "" {
		return nil
	}
	err := k.do(ctx, smallAnswer, func() error {
		if cfg.LookupPassword == "" {
			return k.ldap.UnauthenticatedBind(cfg.LookupDN) // RFC 4513 section 5.1.2: the directory decides what that is worth
		}
		return k.ldap.Bind(cfg.LookupDN, cfg.LookupPassword)
	})
	if err != nil {
		return &UnreachableError{StageBind, bindError(err, cfg.LookupDN)}
	}
	return nil
}

// bindUser binds as somebody who logs in. The caller has made sure that the password is not empty: a directory would take that
// for an anonymous bind, and let everybody in.
func (k *conn) bindUser(ctx context.Context, dn, password string) error {
	err := k.do(ctx, smallAnswer, func() error { return k.ldap.Bind(dn, password) })
	switch {
	case err == nil:
		return nil
	case ldap.IsErrorAnyOf(err, refusals...):
		return fmt.Errorf("%w: %w", ErrInvalidCredentials, bindError(err, dn))
	}
	return &UnreachableError{StageBind, bindError(err, dn)}
}

// refusals are the result codes with which directories refuse a name or a password; which of them they use differs.
var refusals = []uint16{
	ldap.LDAPResultInvalidCredentials,
	ldap.LDAPResultNoSuchObject,
	ldap.LDAPResultInvalidDNSyntax,
	ldap.LDAPResultConstraintViolation,         // 389 Directory Server: too many wrong passwords
	ldap.LDAPResultUnwillingToPerform,          // 389 Directory Server: the account is locked
	ldap.LDAPResultInappropriateAuthentication, // the entry has no password
	ldap.LDAPResultInsufficientAccessRights,
}

// query is a search.
type query struct {
	base       string
	scope      int
	filter     string
	attributes []string
	limit      int // of entries; 0 is none
	allowance  allowance
}

// search returns the entries that lie within the base. More than the limit are ErrAmbiguous. Continuation references, and
// entries elsewhere, are passed over: what another directory or another part of this one says about a name is not asked for. When
// there are references alone the error is errElsewhere.
func (k *conn) search(ctx context.Context, q query) ([]*ldap.Entry, error) {
	var result *ldap.SearchResult
	err := k.do(ctx, q.allowance, func() (err error) {
		result, err = k.ldap.Search(&ldap.SearchRequest{
			BaseDN: q.base, Scope: q.scope, DerefAliases: ldap.NeverDerefAliases, Filter: q.filter, Attributes: q.attributes,
			SizeLimit: q.limit, EnforceSizeLimit: q.limit > 0, TimeLimit: secondsLeft(ctx),
		})
		return err
	})
	switch {
	case errors.Is(err, ldap.ErrSizeLimitExceeded), ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return nil, ErrAmbiguous
	case answered(err) && q.scope == ldap.ScopeWholeSubtree:
		return nil, &UnreachableError{StageSearch, atBase(q.base, searchError(err))} // there are two bases, and either may be wrong
	case err != nil:
		return nil, &UnreachableError{StageSearch, searchError(err)}
	}
	var entries []*ldap.Entry
	for _, e := range result.Entries {
		if within(q.base, e.DN) {
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 && slices.ContainsFunc(result.Referrals, mayHoldPeople) {
		return nil, errElsewhere
	}
	return entries, nil
}

// emptyPartition matches references to the partitions of Active Directory that hold nobody. A search from the root of a domain always
// comes with them.
var emptyPartition = regexp.MustCompile(`(?i)/(DC=(Forest|Domain)DnsZones|CN=Configuration),DC=[^/]*$`)

// mayHoldPeople reports whether what was searched may be where a continuation reference leads.
func mayHoldPeople(reference string) bool { return !emptyPartition.MatchString(reference) }

// secondsLeft is the time limit that a search asks the directory to keep; at least one second.
func secondsLeft(ctx context.Context) int {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, int(math.Ceil(time.Until(deadline).Seconds())))
}
