package directoryapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/login/ldap"
)

// askAtOnce is how many users are looked for at a time: a quarter of the connections that a master has.
const askAtOnce = 4

// plan is what a synchronisation would change, worked out before anything is.
type plan struct {
	api    *API
	config *ldap.Config
	state  *state.State
	names  *spelling
	force  bool // whatever it removes is right

	mu      sync.Mutex // guards what follows while users are looked for
	skipped []string
	told    map[string]bool // what skipped has

	found                           map[string]bool // named by a group, so there
	created                         map[string]bool
	join                            []item
	leaving                         []leaving
	leave                           []state.Membership
	goneUsers, goneGroups           []string
	allUsers, allGroups, allMembers int
}

// leaving are the members of a group who are not in it any more, in the directory, of all whom a synchronisation may take out.
type leaving struct {
	gid  string
	uids []string
	all  int
}

// plan asks the directory about every user and group that came from it. Any error of the directory ends it.
func (a *API) plan(ctx context.Context, s *state.State, c *ldap.Config, force bool) (*plan, error) {
	p := &plan{api: a, config: c, state: s, force: force, told: map[string]bool{}, found: map[string]bool{}, created: map[string]bool{}}
	p.names = spellings(s, p.respelled)
	if err := a.Directory.BaseExists(ctx, c); err != nil {
		return nil, err
	}
	for g := range s.GroupsFrom(iam.LDAP) {
		p.allGroups++
		if err := p.group(ctx, g); err != nil {
			return nil, fmt.Errorf("group %s: %w", g.GID, err)
		}
	}
	if err := p.users(ctx); err != nil {
		return nil, err
	}
	p.settle()
	// What was found missing counts only if the directory is still whole.
	if p.removals() > 0 {
		if err := a.Directory.BaseExists(ctx, c); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// group compares the members of a group.
func (p *plan) group(ctx context.Context, g *iam.Group) error {
	there, err := p.api.Directory.FindGroup(ctx, p.config, g.GID)
	switch {
	case errors.Is(err, ldap.ErrNoSuchGroup):
		p.goneGroups = append(p.goneGroups, g.GID)
		return nil
	case errors.Is(err, ldap.ErrNoGroupSearch):
		p.skip("group " + g.GID + ": the LDAP configuration has no group-search")
		return nil
	case errors.Is(err, ldap.ErrAmbiguous):
		p.skip("group " + g.GID + ": more than one entry of the directory matches")
		return nil
	case err != nil:
		return err
	}
	entries, err := p.api.members(ctx, p.names, p.config, there)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, e := range entries {
		wanted[e.UID], p.found[e.UID] = true, true
		p.joins(g.GID, e)
	}
	if there.Truncated {
		p.skip("group " + g.GID + " has too many members: none is removed from it")
		return nil
	}
	left := leaving{gid: g.GID}
	for uid := range p.state.Members(g.GID) {
		if u, ok := p.state.User(uid); ok && u.ProviderType == iam.LDAP {
			left.all++
			if !wanted[uid] {
				left.uids = append(left.uids, uid)
			}
		}
	}
	p.allMembers += left.all
	if left.all > 0 && len(there.Members) == 0 && !p.force {
		p.skip("group " + g.GID + ": the directory shows no members at all; if that is right, ask for it with `force`")
		return nil
	}
	p.leaving = append(p.leaving, left)
	return nil
}

// joins adds somebody to a group, and creates a user once.
func (p *plan) joins(gid string, e ldap.Entry) {
	for _, i := range joining(p.state, gid, e) {
		if i.user != nil && p.created[e.UID] {
			continue
		}
		p.created[e.UID] = p.created[e.UID] || i.user != nil
		p.join = append(p.join, i)
	}
}

// users looks for everybody whom no group has named.
func (p *plan) users(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(askAtOnce)
	var missing []string
	for u := range p.state.UsersFrom(iam.LDAP) {
		p.allUsers++
		if p.found[u.UID] {
			continue
		}
		all.Go(func() error {
			gone, err := p.gone(ctx, u.UID)
			if gone {
				p.mu.Lock()
				missing = append(missing, u.UID)
				p.mu.Unlock()
			}
			return err
		})
	}
	err := all.Wait()
	if p.blind() && len(missing) == p.allUsers && p.allUsers > 0 {
		p.skip("users: not one of them is shown to an anonymous search; configure lookup-dn or user-search")
		return err
	}
	slices.Sort(missing)
	p.goneUsers = missing
	return err
}

// blind reports whether users are looked for by their DNs, anonymously. Many directories then hide each of them and show what is above.
func (p *plan) blind() bool { return p.config.UserSearch == nil && p.config.LookupDN == "" }

// gone reports whether the directory says that there is no such user.
func (p *plan) gone(ctx context.Context, uid string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	e, err := p.api.Directory.FindUser(ctx, p.config, uid)
	switch {
	case err == nil && e.UID != uid:
		p.respelled(uid, e.UID)
		return false, nil
	case err == nil:
		return false, nil
	case errors.Is(err, ldap.ErrNoSuchUser):
		return true, nil
	case errors.Is(err, ldap.ErrAmbiguous):
		p.skip("user " + uid + ": more than one entry of the directory matches")
		return false, nil
	}
	return false, fmt.Errorf("user %s: %w", uid, err)
}

// respelled tells of a user whom the directory calls otherwise by now. It stays who it is: permissions are bound to the uid.
func (p *plan) respelled(uid, now string) {
	p.skip("user " + uid + ": the directory spells it " + now)
}

func (p *plan) skip(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.told[why] {
		p.told[why] = true
		p.skipped = append(p.skipped, why)
	}
}

// items are the changes in the order in which they are made: who is new, who leaves, what is gone.
func (p *plan) items() []item {
	items := p.join
	for _, m := range p.leave {
		items = append(items, item{leave: &m})
	}
	for _, uid := range p.goneUsers {
		items = append(items, item{removeUser: uid})
	}
	for _, gid := range p.goneGroups {
		items = append(items, item{removeGroup: gid})
	}
	return items
}
