package secret

import (
	"slices"
	"strings"
)

// The rids that decide about secrets and their names (contract 3.6).
const (
	ridPrefix  = "dcos:secrets:"
	listPrefix = "dcos:secrets:list:"
)

// RID is the one spelling of a secret's resource in audit records.
func RID(store, path string) string { return ridPrefix + store + ":/" + path }

// ListRID is the one spelling of a directory's resource in audit records.
func ListRID(store, dir string) string { return listPrefix + store + ":/" + dir }

// RIDs lists every resource on which a grant decides about the secret, the most special first: its own, then everything
// below each of its directories, each in both spellings (contract 3.6).
func RIDs(store, path string) []string {
	base := ridPrefix + store + ":"
	rids := make([]string, 0, 4+2*strings.Count(path, "/"))
	rids = append(rids, base+path, base+"/"+path)
	for dir := parent(path); dir != ""; dir = parent(dir) {
		rids = append(rids, base+dir+"/*", base+"/"+dir+"/*")
	}
	return append(rids, base+"/*", base+"*")
}

// ListRIDs lists every resource on which a grant to read decides about the names below the directory: its own and those of
// all directories above, with and without a wildcard at the end.
func ListRIDs(store, dir string) []string {
	base := listPrefix + store + ":"
	rids := make([]string, 0, 7+4*strings.Count(dir, "/"))
	for ; dir != ""; dir = parent(dir) {
		rids = append(rids, base+dir, base+"/"+dir, base+dir+"/*", base+"/"+dir+"/*")
	}
	return append(rids, base+"/", base+"/*", base+"*")
}

// ListedBy is the other way round: the directory whose names a grant to read on the resource shows.
func ListedBy(store, rid string) (dir string, ok bool) {
	spelled, ok := strings.CutPrefix(rid, listPrefix+store+":")
	if !ok {
		return "", false
	}
	dir = strings.TrimSuffix(strings.TrimPrefix(spelled, "/"), "*")
	dir = strings.TrimSuffix(dir, "/")
	if dir != "" && validatePath(dir) != nil {
		return "", false
	}
	return dir, slices.Contains(ListRIDs(store, dir), rid)
}

// parent is the directory of a path, "" for the root.
func parent(path string) string { return path[:max(0, strings.LastIndexByte(path, '/'))] }
