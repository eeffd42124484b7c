package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/fsm/iam"
)

// Entry is a user of the directory.
type Entry struct {
	// UID is the user's name as the directory has it, which is valid as a uid of ours.
	UID string
	// DN is the distinguished name of the entry.
	DN string
	// CN is the first common name; "" when the entry shows none.
	CN string
	// Names are all names of a member that are valid as uids, the one in its DN first and the others in the order of the directory. UID
	// is the first. Nil for who was found by a name.
	Names []string

	disabled string // why nobody may log in as this user; "" otherwise
}

// Authenticate binds as the user and returns its entry. Whatever is wrong with name or password is ErrInvalidCredentials. It
// takes 5 s at most.
func (c *Client) Authenticate(ctx context.Context, cfg *Config, username, password string) (e Entry, err error) {
	defer func(start time.Time) { c.meter.observe("login", start, err) }(time.Now())
	ctx, cancel := context.WithTimeout(ctx, c.loginTime)
	defer cancel()
	// An empty password makes an anonymous bind, which succeeds (RFC 4513 section 5.1.2). Some directories take one with a NUL for empty.
	if iam.ValidateUID(username) != nil || password == "" || strings.Contains(password, "\x00") {
		return Entry{}, ErrInvalidCredentials
	}
	if cfg.UserSearch != nil {
		e, err = c.searchAndBind(ctx, cfg, username, password)
	} else {
		e, err = c.bindAndRead(ctx, cfg, username, password)
	}
	switch {
	case errors.Is(err, ErrNoSuchUser), errors.Is(err, ErrAmbiguous):
		c.opts.Logger.Info("login refused", "uid", username, "reason", err)
		return Entry{}, ErrInvalidCredentials
	case err != nil:
		return Entry{}, err
	case e.disabled != "":
		c.opts.Logger.Info("login refused", "uid", e.UID, "reason", e.disabled)
		return Entry{}, ErrInvalidCredentials
	}
	return e, nil
}

// searchAndBind finds the user's DN and binds with it.
func (c *Client) searchAndBind(ctx context.Context, cfg *Config, username, password string) (e Entry, err error) {
	err = c.with(ctx, c.searches, cfg, c.maxWait, func(k *conn) (err error) {
		e, err = k.searchUser(ctx, cfg, username)
		return err
	})
	if err != nil {
		return Entry{}, nobody(err)
	}
	return e, c.with(ctx, c.binds, cfg, c.maxWait, func(k *conn) error { return k.bindUser(ctx, e.DN, password) })
}

// bindAndRead binds with the DN that the template makes, and reads the entry as that user. Where users may not read themselves, the
// uid is the typed name in lower case.
func (c *Client) bindAndRead(ctx context.Context, cfg *Config, username, password string) (e Entry, err error) {
	dn := fillDN(cfg.DNTemplate, username)
	err = c.with(ctx, c.binds, cfg, c.maxWait, func(k *conn) error {
		if err := k.bindUser(ctx, dn, password); err != nil {
			return err
		}
		e, err = k.readUser(ctx, cfg, dn, username)
		if hidden(err) {
			e, err = Entry{UID: strings.ToLower(username), DN: dn}, nil
		}
		return err
	})
	return e, err
}

// FindUser looks the user up, or returns ErrNoSuchUser or ErrAmbiguous. It takes 5 s at most. Only what the directory says is not
// there is ErrNoSuchUser: an entry that it hides, and a reference to another directory, are an UnreachableError.
func (c *Client) FindUser(ctx context.Context, cfg *Config, username string) (e Entry, err error) {
	defer func(start time.Time) { c.meter.observe("find_user", start, err) }(time.Now())
	return c.findUser(ctx, cfg, username, c.maxWait)
}

func (c *Client) findUser(ctx context.Context, cfg *Config, username string, wait time.Duration) (e Entry, err error) {
	if iam.ValidateUID(username) != nil {
		return Entry{}, ErrNoSuchUser
	}
	ctx, cancel := context.WithTimeout(ctx, c.loginTime)
	defer cancel()
	err = c.with(ctx, c.searches, cfg, wait, func(k *conn) (err error) {
		if cfg.UserSearch != nil {
			e, err = k.searchUser(ctx, cfg, username)
			return err
		}
		e, err = k.readUser(ctx, cfg, fillDN(cfg.DNTemplate, username), username)
		if missing(err) {
			return ErrNoSuchUser
		}
		return err
	})
	if err != nil {
		return Entry{}, err
	}
	return e, nil
}

// Attributes that say that an account is disabled: of Active Directory, of 389 Directory Server and its kin, and of the password
// policy of OpenLDAP. Most directories refuse the bind, too; a proxy in between may not.
const (
	userAccountControl   = "userAccountControl"
	nsAccountLock        = "nsAccountLock"
	pwdAccountLockedTime = "pwdAccountLockedTime"

	accountDisabled = 2               // the bit ACCOUNTDISABLE
	lockedForever   = "000001010000Z" // any other time is one at which a lock began that may have ended
)

// userAttributes are what is asked of the entry of a user.
func userAttributes(by []comparison) []string {
	wanted := []string{"cn", userAccountControl, nsAccountLock, pwdAccountLockedTime}
	for _, c := range by {
		wanted = append(wanted, c.attribute)
	}
	return wanted
}

// searchUser finds the one user of that name.
func (k *conn) searchUser(ctx context.Context, cfg *Config, username string) (Entry, error) {
	by := cfg.userComparisons()
	found, err := k.search(ctx, query{
		base: cfg.UserSearch.Base, scope: ldap.ScopeWholeSubtree, filter: fillFilter(cfg.UserSearch.Filter, usernamePlace, username),
		attributes: userAttributes(by), limit: 2, allowance: smallAnswer,
	})
	switch {
	case err != nil:
		return Entry{}, err
	case len(found) == 0:
		return Entry{}, ErrNoSuchUser
	case len(found) > 1:
		return Entry{}, ErrAmbiguous
	case !shows(found[0], by):
		return Entry{}, errHidden
	}
	return named(found[0], by, username)
}

// What is no answer to the question whether somebody is there.
var (
	// errHidden means that an entry exists and shows nothing of itself.
	errHidden = &UnreachableError{StageSearch, errors.New("the entry cannot be read")}
	// errElsewhere means that the directory knows only where else to ask.
	errElsewhere = &UnreachableError{StageSearch, errors.New("the answer leads to another directory; references are not followed")}
)

// nobody makes of an entry that nobody sees one that does not exist, which is all that it is to somebody who logs in.
func nobody(err error) error {
	if errors.Is(err, errHidden) || errors.Is(err, errElsewhere) {
		return fmt.Errorf("%w: %w", ErrNoSuchUser, cause(err))
	}
	return err
}

// shows reports whether an entry has a value of one of the compared attributes.
func shows(e *ldap.Entry, by []comparison) bool {
	return slices.ContainsFunc(by, func(c comparison) bool { return len(e.GetEqualFoldAttributeValues(c.attribute)) > 0 })
}

// readUser reads the entry of that DN, as whoever is bound.
func (k *conn) readUser(ctx context.Context, cfg *Config, dn, username string) (Entry, error) {
	by := cfg.userComparisons()
	found, err := k.search(ctx, query{
		base: dn, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: userAttributes(by), limit: 1, allowance: smallAnswer,
	})
	if err != nil {
		return Entry{}, err
	}
	if len(found) == 0 || !shows(found[0], by) {
		return Entry{}, errHidden
	}
	return named(found[0], by, username)
}

// named is a user that was found by a typed name.
func named(e *ldap.Entry, by []comparison, typed string) (Entry, error) {
	uid, ok := canonical(e, by, typed)
	if !ok || iam.ValidateUID(uid) != nil {
		return Entry{}, fmt.Errorf("%w: the entry `%s` has another name", ErrNoSuchUser, excerpt(e.DN))
	}
	return entryOf(e, uid), nil
}

func entryOf(e *ldap.Entry, uid string) Entry {
	return Entry{UID: uid, DN: e.DN, CN: e.GetEqualFoldAttributeValue("cn"), disabled: disabled(e)}
}

// disabled says why nobody may log in with the entry, or "".
func disabled(e *ldap.Entry) string {
	if flags, err := strconv.ParseInt(e.GetEqualFoldAttributeValue(userAccountControl), 10, 64); err == nil && flags&accountDisabled != 0 {
		return "the account is disabled (userAccountControl)"
	}
	if strings.EqualFold(e.GetEqualFoldAttributeValue(nsAccountLock), "true") {
		return "the account is disabled (nsAccountLock)"
	}
	if e.GetEqualFoldAttributeValue(pwdAccountLockedTime) == lockedForever {
		return "the account is locked (pwdAccountLockedTime)"
	}
	return ""
}

// missing reports whether the directory says that an entry does not exist.
func missing(err error) bool { return hasCode(err, ldap.LDAPResultNoSuchObject) }

// hidden reports whether an entry does not exist for whoever asked, or cannot be read.
func hidden(err error) bool {
	return errors.Is(err, errHidden) || errors.Is(err, errElsewhere) || missing(err) || hasCode(err, ldap.LDAPResultInsufficientAccessRights)
}

func hasCode(err error, code uint16) bool {
	var refused *resultError
	return errors.As(err, &refused) && refused.code == code
}
