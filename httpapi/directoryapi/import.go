package directoryapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login/ldap"
)

// importUser makes a user of somebody in the directory before the first login (contract 4.6).
func (a *API) importUser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Username string `json:"username"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	config, err := a.config(r.State)
	if err != nil {
		return nil, err
	}
	if err := iam.ValidateUID(in.Username); err != nil {
		return nil, err
	}
	entry, err := a.Directory.FindUser(ctx, config, in.Username)
	if err != nil {
		return nil, a.refusal(err, in.Username)
	}
	if u, known := r.State.UserLike(iam.LDAP, entry.UID); known {
		return nil, userExists(u.UID)
	}
	if _, known := r.State.User(entry.UID); known {
		return nil, userExists(entry.UID)
	}
	w := a.writer(r, config, "iam.ldap.import.user")
	if err := w.write(ctx, []item{{user: userOf(entry)}}); err != nil {
		return nil, err
	}
	if w.done.UsersCreated == 0 {
		return nil, userExists(entry.UID) // somebody else has made one meanwhile
	}
	return created("users", entry.UID, &httpapi.Response{Status: http.StatusCreated, Index: w.index}), nil
}

func userExists(uid string) error {
	return fault.New(fault.UserExists, "User with id `%s` already exists.", uid)
}

// created tells in the answer what the directory calls the user or group, which may be spelt otherwise than what was asked for.
func created(kind, id string, answer *httpapi.Response) *httpapi.Response {
	answer.Header = http.Header{"Location": {"/acs/api/v1/" + kind + "/" + id}}
	return answer
}

// userOf is the user of ours that an entry of the directory becomes.
func userOf(e ldap.Entry) *iam.User {
	u := &iam.User{UID: e.UID, Description: cmp.Or(e.CN, e.UID), ProviderType: iam.LDAP}
	if iam.ValidateDescription(u.Description) != nil {
		u.Description = e.UID
	}
	return u
}

// imported is the answer to the import of a group: how many of its members became users by it. The others were users before.
type imported struct {
	Users int `json:"imported_user_count"`
}

// importGroup makes a group of one in the directory, with its members (contract 4.6).
func (a *API) importGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Groupname string `json:"groupname"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	config, err := a.config(r.State)
	if err != nil {
		return nil, err
	}
	if err := iam.ValidateGID(in.Groupname); err != nil {
		return nil, err
	}
	leave, err := a.begin()
	if err != nil {
		return nil, err
	}
	defer leave()
	group, err := a.Directory.FindGroup(ctx, config, in.Groupname)
	if err != nil {
		return nil, a.refusal(err, in.Groupname)
	}
	if err := absent(r, group.Name); err != nil {
		return nil, err
	}
	names := spellings(r.State, func(uid, now string) {
		a.Logger.Warn("the directory spells a user otherwise by now", "uid", uid, "now", now)
	})
	entries, whole, err := a.membersWithin(ctx, names, config, group)
	if err != nil {
		return nil, a.refusal(err, in.Groupname)
	}
	if group.Truncated {
		a.Logger.Warn("a group has too many members: only some of them are imported", "group", group.Name, "limit", ldap.MaxMembers)
	} else if !whole {
		a.Logger.Warn("a group is imported in part: the time limit was reached; the next synchronisation completes it", "group", group.Name, "members", len(entries))
	}
	return a.createGroup(ctx, r, config, group.Name, entries, whole)
}

// absent refuses a group that cannot be made. Apply decides again.
func absent(r *httpapi.Request, gid string) error {
	if err := iam.ValidateGID(gid); err != nil {
		return err
	}
	if _, known := r.State.Group(gid); known {
		return fault.New(fault.GroupExists, "Group with id `%s` already exists.", gid)
	}
	return nil
}

// membersWithin finds the members that can be found within the limit of an import, and whether these are all.
func (a *API) membersWithin(ctx context.Context, names *spelling, config *ldap.Config, g ldap.Group) (entries []ldap.Entry, whole bool, err error) {
	end := time.Now().Add(a.ImportLimit)
	limited, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	entries, err = a.members(limited, names, config, g)
	// A connection may end at the deadline a moment before its context does.
	if err != nil && !time.Now().Before(end) && ctx.Err() == nil {
		return entries, false, nil
	}
	return entries, !g.Truncated, err
}

// members finds the users that a group names, each of them once. What else it names is left out.
func (a *API) members(ctx context.Context, names *spelling, config *ldap.Config, g ldap.Group) (entries []ldap.Entry, err error) {
	seen := map[string]bool{}
	err = a.Directory.ResolveMembers(ctx, config, g.Members, func(e ldap.Entry) error {
		if e.UID = names.uid(e); !seen[e.UID] {
			seen[e.UID] = true
			entries = append(entries, e)
		}
		return nil
	})
	if left := len(g.Members) - len(entries); left > 0 && err == nil {
		a.Logger.Info("members of a group are left out: they are groups, or not users by user-search, or named twice", "group", g.Name, "members", len(g.Members), "left_out", left)
	}
	return entries, err
}

// createGroup makes the group and those of its members that are not known. Users of the same name that came from elsewhere do not
// become members: they are other people.
func (a *API) createGroup(ctx context.Context, r *httpapi.Request, config *ldap.Config, gid string, entries []ldap.Entry, whole bool) (*httpapi.Response, error) {
	items := []item{{group: &iam.Group{GID: gid, Description: "Imported from the directory", ProviderType: iam.LDAP}}}
	for _, e := range entries {
		items = append(items, joining(r.State, gid, e)...)
	}
	w := a.writer(r, config, "iam.ldap.import.group")
	err := w.write(ctx, items)
	if err != nil {
		if w.index > 0 && !errors.Is(err, errSlow) {
			err = fault.New(fault.OutcomeUnknown, "The group was imported in part. The next synchronisation completes it.").After(time.Second)
		}
		return nil, err
	}
	status := http.StatusCreated
	if !whole {
		status = http.StatusAccepted
	}
	return created("groups", gid, &httpapi.Response{Status: status, Body: imported{w.done.UsersCreated}, Index: w.index}), nil
}

// refusal is what a superuser is told about an answer of the directory.
func (a *API) refusal(err error, name string) error {
	var unreachable *ldap.UnreachableError
	switch {
	case errors.Is(err, ldap.ErrNoSuchUser):
		return fault.New(fault.LDAPImportUserNotFound, "The directory has no user `%s`.", name)
	case errors.Is(err, ldap.ErrNoSuchGroup):
		return fault.New(fault.LDAPImportGroupNotFound, "The directory has no group `%s`.", name)
	case errors.Is(err, ldap.ErrAmbiguous):
		return fault.New(fault.LDAPImportSearchFailed, "More than one entry of the directory matches `%s`.", name)
	case errors.Is(err, ldap.ErrNoGroupSearch):
		return fault.New(fault.LDAPImportSearchFailed, "The LDAP configuration has no `group-search`.")
	case errors.Is(err, ldap.ErrBusy):
		return fault.New(fault.Busy, "Too many requests wait for the directory. Nothing was changed.").After(time.Second)
	case errors.As(err, &unreachable):
		a.Logger.Warn("the directory could not be asked", "stage", string(unreachable.Stage), "error", unreachable.Err)
		return fault.New(fault.LDAPImportSearchFailed, "The directory could not be asked. Nothing was changed. (%v)", unreachable)
	}
	return err
}
