package secretsapi

import (
	"slices"
	"strings"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
)

// storeOf is the store that the path names. One that no store can be called is unknown to everybody.
func storeOf(r *httpapi.Request) (string, error) {
	name := r.Param("store")
	if secret.StoreName(name) != nil {
		return "", unknownStore(name)
	}
	return name, nil
}

// secretOf is the secret that the path names, in its one spelling.
func secretOf(r *httpapi.Request) (store, path string, err error) {
	if store, err = storeOf(r); err != nil {
		return "", "", err
	}
	path, err = secret.ParsePath(rest(r))
	return store, path, err
}

// directoryOf is the directory that the path names; "" is the root.
func directoryOf(r *httpapi.Request) (store, dir string, err error) {
	if store, err = storeOf(r); err != nil {
		return "", "", err
	}
	dir, err = secret.ParseDir(rest(r))
	return store, dir, err
}

// rest is what follows the store in the path of the request, without the slash that ends the store.
func rest(r *httpapi.Request) string { return strings.TrimPrefix(r.Param("path"), "/") }

// onSecret asks for the action on the secret that the path names (contract 3.6).
func onSecret(action iam.Actions) func(*httpapi.Request) (httpapi.Grant, error) {
	return func(r *httpapi.Request) (httpapi.Grant, error) {
		store, path, err := secretOf(r)
		if err != nil {
			return httpapi.Grant{}, err
		}
		return httpapi.Grant{Rights: rights(secret.RIDs(store, path), action), Object: secret.RID(store, path)}, nil
	}
}

// readOrList asks for the right to read the secret, or with ?list=true to see the names in the directory.
func readOrList(r *httpapi.Request) (httpapi.Grant, error) {
	if lists(r) {
		return onDirectory(r)
	}
	return onSecret(iam.Read)(r)
}

// lists reports whether a directory is to be listed: nothing but true says so (contract 6.4).
func lists(r *httpapi.Request) bool { return r.Query.Get("list") == "true" }

// onDirectory asks for the right to see the names in the directory that the path names, or some of them.
func onDirectory(r *httpapi.Request) (httpapi.Grant, error) {
	store, dir, err := directoryOf(r)
	if err != nil {
		return httpapi.Grant{}, err
	}
	return httpapi.Grant{Rights: listRights(r, store, dir), Object: secret.ListRID(store, dir)}, nil
}

// listRights are the rights that show all names below the directory, and those of the caller's that show a part of them.
func listRights(r *httpapi.Request, store, dir string) []iam.Right {
	all := rights(secret.ListRIDs(store, dir), iam.Read)
	for lower, rid := range shown(r.State, r.Caller.UID, store) {
		if below(lower, dir) {
			all = append(all, iam.Right{RID: rid, Action: iam.Read})
		}
	}
	return all
}

// shown yields the directories of the store whose names were granted to the user, and the resources on which they were.
func shown(s *state.State, uid, store string) func(yield func(dir, rid string) bool) {
	return func(yield func(dir, rid string) bool) {
		each := func(principal string, group bool) bool {
			for g := range s.GrantsOf(principal, group) {
				if dir, ok := secret.ListedBy(store, g.RID); ok && g.Actions&(iam.Read|iam.Full) != 0 && !yield(dir, g.RID) {
					return false
				}
			}
			return true
		}
		if !each(uid, false) {
			return
		}
		for gid := range s.GroupsOf(uid) {
			if !each(gid, true) {
				return
			}
		}
	}
}

// visible are the directories below which the caller may see every name that lies in dir: dir itself, or parts of it, sorted and
// none within another.
func visible(r *httpapi.Request, store, dir string) []string {
	if slices.Contains(secret.ListRIDs(store, dir), r.Right.RID) {
		return []string{dir}
	}
	var dirs []string
	for lower := range shown(r.State, r.Caller.UID, store) {
		if below(lower, dir) {
			dirs = append(dirs, lower)
		}
	}
	slices.SortFunc(dirs, byPath)
	return outermost(dirs)
}

// outermost drops directories that lie in one before them.
func outermost(sorted []string) (dirs []string) {
	for _, dir := range sorted {
		if n := len(dirs); n > 0 && (dir == dirs[n-1] || below(dir, dirs[n-1])) {
			continue
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// byPath sorts directories as the paths below them are sorted, and a directory before those within it.
func byPath(a, b string) int { return strings.Compare(a+"/", b+"/") }

// below reports whether a path lies in the directory, at any depth. Nothing lies in itself.
func below(path, dir string) bool {
	if dir == "" {
		return path != ""
	}
	return len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir
}

func rights(rids []string, action iam.Actions) []iam.Right {
	list := make([]iam.Right, len(rids), len(rids)+1)
	for i, rid := range rids {
		list[i] = iam.Right{RID: rid, Action: action}
	}
	return list
}

func unknownStore(name string) error {
	return fault.New(fault.UnknownStore, "Secret store `%.64s` not known.", name)
}

func unknownSecret(path string) error {
	return fault.New(fault.UnknownSecret, "Secret `%s` not known.", path)
}

func sealed(store string) error {
	return fault.New(fault.StoreSealed, "Secret store `%s` is sealed.", store)
}
