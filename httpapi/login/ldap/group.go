package ldap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// MaxMembers is how many members of a group are read.
const MaxMembers = 100_000

// groupTime is how long reading a group may take altogether.
const groupTime = 30 * time.Second

// Group is a group of the directory.
type Group struct {
	// Name is the group's name as the directory has it.
	Name string
	// DN is the distinguished name of the entry.
	DN string
	// Members are the raw values of the member attributes: DNs, or names of users.
	Members []string
	// Truncated says that there are more members than MaxMembers.
	Truncated bool
}

// FindGroup looks the group up and reads all of its members, or returns ErrNoSuchGroup, ErrAmbiguous or ErrNoGroupSearch. It takes 30 s
// at most. As with FindUser, what is hidden or elsewhere is an UnreachableError.
func (c *Client) FindGroup(ctx context.Context, cfg *Config, groupname string) (g Group, err error) {
	defer func(start time.Time) { c.meter.observe("find_group", start, err) }(time.Now())
	if cfg.GroupSearch == nil {
		return Group{}, ErrNoGroupSearch
	}
	if groupname == "" {
		return Group{}, ErrNoSuchGroup
	}
	ctx, cancel := context.WithTimeout(ctx, c.groupTime)
	defer cancel()
	select { // a large answer takes memory
	case c.large <- struct{}{}:
		defer func() { <-c.large }()
	case <-ctx.Done():
		return Group{}, ErrBusy
	}
	err = c.with(ctx, c.searches, cfg, c.maxWait, func(k *conn) (err error) {
		g, err = k.searchGroup(ctx, cfg.GroupSearch, groupname)
		return err
	})
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

// searchGroup finds the one group of that name.
func (k *conn) searchGroup(ctx context.Context, s *GroupSearch, groupname string) (Group, error) {
	by := comparisons(s.Filter, comparesGroup)
	wanted := append([]string(nil), s.MemberAttributes...)
	for _, c := range by {
		wanted = append(wanted, c.attribute)
	}
	found, err := k.search(ctx, query{
		base: s.Base, scope: ldap.ScopeWholeSubtree, filter: fillFilter(s.Filter, groupnamePlace, groupname),
		attributes: wanted, limit: 2, allowance: largeAnswer,
	})
	switch {
	case err != nil:
		return Group{}, err
	case len(found) == 0:
		return Group{}, ErrNoSuchGroup
	case len(found) > 1:
		return Group{}, ErrAmbiguous
	case !shows(found[0], by):
		return Group{}, errHidden
	}
	name, ok := canonical(found[0], by, groupname)
	if !ok {
		return Group{}, fmt.Errorf("%w: the entry `%s` has another name", ErrNoSuchGroup, excerpt(found[0].DN))
	}
	g := Group{Name: name, DN: found[0].DN}
	return g, k.readMembers(ctx, &g, found[0], s.MemberAttributes)
}

// readMembers collects the members in an entry, and those of which Active Directory has told a range only: "member;range=0-1499"
// stands for the first of them (MS-ADTS section 3.1.1.3.1.3.3).
func (k *conn) readMembers(ctx context.Context, g *Group, e *ldap.Entry, attributes []string) error {
	for _, attribute := range attributes {
		next := g.take(e, attribute)
		for next > 0 && !g.Truncated {
			more := attribute + ";range=" + strconv.Itoa(next) + "-*"
			found, err := k.search(ctx, query{
				base: g.DN, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{more}, limit: 1, allowance: largeAnswer,
			})
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return &UnreachableError{StageSearch, errors.New("a group vanished while its members were read")}
			}
			before := next
			if next = g.take(found[0], attribute); next > 0 && next <= before {
				return &UnreachableError{StageSearch, errors.New("the ranges of a group's members do not ascend")}
			}
		}
	}
	return nil
}

// take adds the values of the attribute, and returns where the next range begins; 0 when there is none.
func (g *Group) take(e *ldap.Entry, attribute string) (next int) {
	for _, a := range e.Attributes {
		name, options, _ := strings.Cut(a.Name, ";")
		if !strings.EqualFold(name, attribute) {
			continue
		}
		room := MaxMembers - len(g.Members)
		g.Truncated = g.Truncated || len(a.Values) > room
		g.Members = append(g.Members, a.Values[:min(room, len(a.Values))]...)
		if last, ok := rangeEnd(options); ok {
			next = last + 1
		}
	}
	return next
}

// rangeEnd is the last index of "range=0-1499"; false for the last range, "range=1500-*", and without one.
func rangeEnd(options string) (int, bool) {
	for option := range strings.SplitSeq(options, ";") {
		if value, ok := strings.CutPrefix(strings.ToLower(option), "range="); ok {
			_, end, _ := strings.Cut(value, "-")
			last, err := strconv.Atoi(end)
			return last, err == nil && last >= 0
		}
	}
	return 0, false
}
