package ldap

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// resolvers is how many members are looked up at once. Logins find some connections free beside them.
const resolvers = MaxConnections/2 - 2

// bulkWait is how long a look-up for an import or a synchronisation waits for a connection.
const bulkWait = 30 * time.Second

// ResolveMembers hands the user behind each of the values to each, in any order, one after the other. Values that name no user
// are left out; those whose entries cannot be read are an error. It ends with the first error of each or of the directory, or with that
// of ctx; what was handed over before stays so.
func (c *Client) ResolveMembers(ctx context.Context, cfg *Config, members []string, each func(Entry) error) (err error) {
	defer func(start time.Time) { c.meter.observe("resolve", start, err) }(time.Now())
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	values, resolved := make(chan string), make(chan Entry)
	var working sync.WaitGroup
	for range min(resolvers, len(members)) {
		working.Go(func() {
			for member := range values {
				if err := c.resolveTo(ctx, cfg, member, resolved); err != nil {
					cancel(err)
				}
			}
		})
	}
	go func() {
		defer close(resolved)
		defer working.Wait()
		defer close(values)
		offer(ctx, members, values)
	}()
	for e := range resolved {
		if context.Cause(ctx) != nil {
			continue // let the others end
		}
		if err := each(e); err != nil {
			cancel(err)
		}
	}
	return context.Cause(ctx)
}

// offer hands the values out, each of them once, until ctx ends.
func offer(ctx context.Context, members []string, values chan<- string) {
	seen := make(map[string]bool, len(members))
	for _, member := range members {
		if folded := strings.ToLower(member); !seen[folded] {
			seen[folded] = true
			select {
			case values <- member:
			case <-ctx.Done():
				return
			}
		}
	}
}

// resolveTo sends the user behind a value, if there is one.
func (c *Client) resolveTo(ctx context.Context, cfg *Config, member string, to chan<- Entry) error {
	e, err := c.resolve(ctx, cfg, member)
	switch {
	case errors.Is(err, ErrNoSuchUser), errors.Is(err, ErrAmbiguous):
		return nil
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	}
	to <- e // somebody receives until all workers have ended
	return nil
}

// bitString is what may follow a DN in a value of uniqueMember (RFC 4517 section 3.3.21).
var bitString = regexp.MustCompile(`#'[01]*'B$`)

// resolve returns the user that a value of a member attribute names, by DN or by name.
func (c *Client) resolve(ctx context.Context, cfg *Config, member string) (e Entry, err error) {
	dn := bitString.ReplaceAllString(member, "")
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return c.findUser(ctx, cfg, member, bulkWait)
	}
	root, filter := parent(cfg.DNTemplate), anything
	if cfg.UserSearch != nil {
		root, filter = cfg.UserSearch.Base, anyName(cfg.UserSearch.Filter, usernamePlace)
	}
	if len(dn) > maxMemberDN || !within(root, dn) {
		return Entry{}, ErrNoSuchUser // a group, or somebody from elsewhere
	}
	ctx, cancel := context.WithTimeout(ctx, c.loginTime)
	defer cancel()
	err = c.with(ctx, c.searches, cfg, bulkWait, func(k *conn) (err error) {
		e, err = k.readMember(ctx, cfg, dn, filter)
		return err
	})
	return e, err
}

// maxMemberDN is how long the DN of a member may be, in bytes.
const maxMemberDN = 4 << 10

const anything = "(objectClass=*)"

// readMember reads the entry of a member, if the filter admits it as a user. What the filter does not admit must be there to see: an
// entry that cannot be read may be a user.
func (k *conn) readMember(ctx context.Context, cfg *Config, dn, filter string) (Entry, error) {
	by := cfg.userComparisons()
	q := query{base: dn, scope: ldap.ScopeBaseObject, filter: filter, attributes: userAttributes(by), limit: 1, allowance: smallAnswer}
	found, err := k.search(ctx, q)
	admitted := len(found) > 0
	if err == nil && !admitted && filter != anything {
		q.filter = anything
		found, err = k.search(ctx, q)
	}
	switch {
	case missing(err):
		return Entry{}, ErrNoSuchUser
	case err != nil:
		return Entry{}, err
	case len(found) == 0 || !shows(found[0], by) && namedBy(found[0].DN, by):
		return Entry{}, errHidden
	}
	uids := validNames(found[0], by)
	if !admitted || len(uids) == 0 || cfg.UserSearch == nil && !sameDN(fillDN(cfg.DNTemplate, uids[0]), found[0].DN) {
		return Entry{}, ErrNoSuchUser
	}
	e := entryOf(found[0], uids[0])
	e.Names = uids
	return e, nil
}

// namedBy reports whether a DN begins with one of the compared attributes, so that its entry has it.
func namedBy(dn string, by []comparison) bool {
	parsed, err := ldap.ParseDN(dn)
	return err == nil && len(parsed.RDNs) > 0 && slices.ContainsFunc(parsed.RDNs[0].Attributes, func(a *ldap.AttributeTypeAndValue) bool {
		return slices.ContainsFunc(by, func(c comparison) bool { return strings.EqualFold(c.attribute, a.Type) })
	})
}

// sameDN reports whether two texts are one DN.
func sameDN(a, b string) bool {
	x, err := ldap.ParseDN(a)
	if err != nil {
		return false
	}
	y, err := ldap.ParseDN(b)
	return err == nil && x.EqualFold(y)
}

// BaseExists returns nil when the entries under which users and groups are searched exist and can be read. Only then does an
// empty result mean that something is not there.
func (c *Client) BaseExists(ctx context.Context, cfg *Config) (err error) {
	defer func(start time.Time) { c.meter.observe("base", start, err) }(time.Now())
	ctx, cancel := context.WithTimeout(ctx, c.loginTime)
	defer cancel()
	return c.with(ctx, c.searches, cfg, bulkWait, func(k *conn) error {
		for _, base := range cfg.bases() {
			if err := k.readBase(ctx, base); err != nil {
				return err
			}
		}
		return nil
	})
}

// bases are the entries under which users and groups are.
func (c *Config) bases() []string {
	bases := []string{parent(c.DNTemplate)}
	if c.UserSearch != nil {
		bases[0] = c.UserSearch.Base
	}
	if c.GroupSearch != nil {
		bases = append(bases, c.GroupSearch.Base)
	}
	return bases
}

// readBase fails when an entry cannot be read.
func (k *conn) readBase(ctx context.Context, base string) error {
	found, err := k.search(ctx, query{base: base, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"1.1"}, limit: 1, allowance: smallAnswer})
	if err == nil && len(found) == 0 {
		err = errHidden
	}
	if err != nil {
		return &UnreachableError{StageSearch, atBase(base, cause(err))}
	}
	return nil
}
