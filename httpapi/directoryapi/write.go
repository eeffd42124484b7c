package directoryapi

import (
	"context"
	"errors"
	"slices"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/cutoff"
	"gatehouse/httpapi/login/ldap"
)

// batch is how many items one entry of the log carries. A thousand users and memberships take about 150 KiB.
const batch = 1000

// errSlow means that everything was written, and that tokens issued meanwhile may be alive.
var errSlow = cutoff.ErrSlow

// item is one thing to change: exactly one of its fields is set.
type item struct {
	user                    *iam.User
	group                   *iam.Group
	join, leave             *state.Membership
	removeUser, removeGroup string
}

// Report counts what a synchronisation changed.
type Report struct {
	GroupsRemoved  int `json:"groups_removed"`
	UsersRemoved   int `json:"users_removed"`
	UsersCreated   int `json:"users_created"`
	MembersAdded   int `json:"members_added"`
	MembersRemoved int `json:"members_removed"`
	// Skipped says what was left alone, and why: a sentence each.
	Skipped []string `json:"skipped"`
}

// joining is what makes somebody a member of a group: the user, unless it is known, and the membership.
func joining(s *state.State, gid string, e ldap.Entry) []item {
	known, exists := s.User(e.UID)
	join := item{join: &state.Membership{GID: gid, UID: e.UID}}
	switch {
	case !exists:
		return []item{{user: userOf(e)}, join}
	case known.ProviderType != iam.LDAP || s.Member(gid, e.UID):
		return nil
	}
	return []item{join}
}

// writer makes changes in entries of a bounded size, as the request's author.
type writer struct {
	api     *API
	request *httpapi.Request
	action  string
	version uint64
	done    Report
	index   uint64 // of the last entry; 0: nothing was written
	slow    error  // errSlow, once it has happened
}

func (a *API) writer(r *httpapi.Request, c *ldap.Config, action string) *writer {
	return &writer{api: a, request: r, action: action, version: c.Version, done: Report{Skipped: []string{}}}
}

// write makes the changes in their order. What comes before an error stays; errSlow ends nothing.
func (w *writer) write(ctx context.Context, items []item) error {
	for part := range slices.Chunk(items, batch) {
		if err := w.entry(ctx, part); err != nil {
			return err
		}
	}
	return w.slow
}

// entry makes changes all at once. When the cluster must not lose one of them, the others are made without it.
func (w *writer) entry(ctx context.Context, items []item) error {
	h, before := w.api.header(w.request), w.api.Machine.State()
	outcome, err := w.api.Submitter.Submit(ctx, h, w.command(items))
	switch {
	case err == nil:
	case !needed(err):
		return err
	case len(items) > 1:
		half := len(items) / 2
		if err := w.entry(ctx, items[:half]); err != nil {
			return err
		}
		return w.entry(ctx, items[half:])
	default:
		w.skip(items[0].String() + " is needed by the last superuser")
		return nil
	}
	w.index = outcome.Index
	after := w.api.Machine.State()
	for _, i := range items {
		if i.holds(after) && !i.holds(before) { // else it was passed over
			w.count(i)
		}
	}
	cutoffs := cutoff.Keeper{Submitter: w.api.Submitter, Now: w.api.Now, TokenLife: w.api.TokenLife}
	err = cutoffs.CatchUpAll(ctx, w.request, removedUsers(items), command.NextSecond(h.Time))
	if errors.Is(err, errSlow) {
		w.slow = err
		return nil
	}
	return err
}

// needed reports whether a change was refused because nobody could administer the cluster after it.
func needed(err error) bool {
	return fault.Is(err, fault.NoMoreSuperusers) || fault.Is(err, fault.IsSuperuserGroup)
}

func removedUsers(items []item) (uids []string) {
	for _, i := range items {
		if i.removeUser != "" {
			uids = append(uids, i.removeUser)
		}
	}
	return uids
}

func (w *writer) command(items []item) command.SyncDirectory {
	c := command.SyncDirectory{Version: w.version, TokenLife: w.api.TokenLife}
	for _, i := range items {
		switch {
		case i.user != nil:
			c.CreateUsers = append(c.CreateUsers, *i.user)
		case i.group != nil:
			c.CreateGroups = append(c.CreateGroups, *i.group)
		case i.join != nil:
			c.AddMembers = append(c.AddMembers, *i.join)
		case i.leave != nil:
			c.RemoveMembers = append(c.RemoveMembers, *i.leave)
		case i.removeUser != "":
			c.RemoveUsers = append(c.RemoveUsers, i.removeUser)
		default:
			c.RemoveGroups = append(c.RemoveGroups, i.removeGroup)
		}
	}
	return c
}

// count counts a change that was made, and leaves a record of it, so that a search of the audit trail for a user or a group finds it.
func (w *writer) count(i item) {
	switch {
	case i.user != nil:
		w.done.UsersCreated++
	case i.join != nil:
		w.done.MembersAdded++
	case i.leave != nil:
		w.done.MembersRemoved++
	case i.removeUser != "":
		w.done.UsersRemoved++
	case i.removeGroup != "":
		w.done.GroupsRemoved++
	}
	w.audit(httpapi.Record{Action: w.action, Object: i.String(), Allow: true, Reason: "as the directory has it", Stage: audit.Outcome, Index: w.index})
}

func (w *writer) audit(rec httpapi.Record) {
	switch {
	case w.request.Route != nil:
		w.request.Audit(rec)
	case w.api.Auditor != nil:
		rec.Time = w.api.Now()
		w.api.Auditor.Append(rec)
	}
}

func (w *writer) skip(why string) {
	w.done.Skipped = append(w.done.Skipped, why)
	w.api.Logger.Warn("the synchronisation with the directory left something alone", "why", why)
}

// holds reports whether a state is as the item wants it.
func (i item) holds(s *state.State) bool {
	user := func(uid string) bool { u, ok := s.User(uid); return ok && u.ProviderType == iam.LDAP }
	group := func(gid string) bool { g, ok := s.Group(gid); return ok && g.ProviderType == iam.LDAP }
	switch {
	case i.user != nil:
		return user(i.user.UID)
	case i.group != nil:
		return group(i.group.GID)
	case i.join != nil:
		return s.Member(i.join.GID, i.join.UID)
	case i.leave != nil:
		return !s.Member(i.leave.GID, i.leave.UID)
	case i.removeUser != "":
		return !user(i.removeUser)
	}
	return !group(i.removeGroup)
}

// String says what is changed.
func (i item) String() string {
	switch {
	case i.user != nil:
		return "create user " + i.user.UID
	case i.group != nil:
		return "create group " + i.group.GID
	case i.join != nil:
		return "add user " + i.join.UID + " to group " + i.join.GID
	case i.leave != nil:
		return "remove user " + i.leave.UID + " from group " + i.leave.GID
	case i.removeUser != "":
		return "remove user " + i.removeUser
	}
	return "remove group " + i.removeGroup
}
