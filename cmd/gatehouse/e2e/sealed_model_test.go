//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// cupboard is what a correct cluster holds in one store: secrets with their versions, and whether it is sealed. It answers as the
// contract says.
type cupboard struct {
	sealed  bool
	secrets map[string]*treasure
	written int // values so far, so that each is written once
}

// treasure is one secret. Numbers of versions go on when it is deleted and made again.
type treasure struct {
	deleted  bool
	last     uint64
	versions map[uint64]string // number → value
	tags     map[uint64]string // number → ETag, as the cluster told it
}

// keptVersions is how many versions a store keeps of each secret unless told otherwise.
const keptVersions = 10

// modelPaths are few, so that operations meet; one of them is a directory too.
var modelPaths = []string{"a", "a/b", "a/b/c", "team/db__password", "team/web.pem"}

func newCupboard() *cupboard { return &cupboard{secrets: map[string]*treasure{}} }

// live is the secret at a path unless it is deleted or was never there.
func (c *cupboard) live(path string) *treasure {
	if k := c.secrets[path]; k != nil && !k.deleted {
		return k
	}
	return nil
}

// value is the newest one.
func (k *treasure) value() string { return k.versions[k.last] }

// add makes a version of a value.
func (k *treasure) add(value string) {
	k.last++
	k.versions[k.last] = value
	delete(k.versions, k.last-keptVersions)
	k.deleted = false
}

// list has the live paths below a directory, relative to it.
func (c *cupboard) list(dir string) []string {
	names := []string{}
	for _, path := range slices.Sorted(maps.Keys(c.secrets)) {
		if name, below := strings.CutPrefix(path, dir); below && c.live(path) != nil {
			names = append(names, name)
		}
	}
	return names
}

// storeChange is one request that changes the store, and what it does to a cupboard: it answers status and error code.
type storeChange struct {
	method, url string // below the API of a master
	path        string // of the secret
	body        any
	header      map[string]string
	apply       func(*cupboard) (int, string)
}

// missing and locked are outcomes of the contract (6.1, 9.6).
func missing() (int, string) { return 404, "ERR_UNKNOWN_SECRET" }
func locked() (int, string)  { return 503, "ERR_STORE_SEALED" }

const modelStore = "default"

// choose picks a change of a secret. Writes weigh more, so that there is something to work on.
func (c *cupboard) choose(r *rand.Rand) storeChange {
	path := oneOf(r, modelPaths)
	switch n := r.IntN(100); {
	case n < 25:
		return c.put(path)
	case n < 55:
		return c.patch(path, nil)
	case n < 65:
		return c.patchIf(r, path)
	case n < 82:
		return remove(path)
	case n < 95:
		return undelete(path)
	}
	return purge(path)
}

func (c *cupboard) text() map[string]string {
	c.written++
	return map[string]string{"value": fmt.Sprintf("value %d", c.written)}
}

func (c *cupboard) put(path string) storeChange {
	body := c.text()
	return storeChange{"PUT", secretsPath + "/secret/" + modelStore + "/" + path, path, body, nil, func(c *cupboard) (int, string) {
		switch {
		case c.sealed:
			return locked()
		case c.live(path) != nil:
			return exists("ERR_SECRET_EXISTS")
		}
		c.at(path).add(body["value"])
		return created()
	}}
}

// at is the secret at a path, made if it was never there.
func (c *cupboard) at(path string) *treasure {
	if c.secrets[path] == nil {
		c.secrets[path] = &treasure{deleted: true, versions: map[uint64]string{}, tags: map[uint64]string{}}
	}
	return c.secrets[path]
}

func (c *cupboard) patch(path string, header map[string]string) storeChange {
	body := c.text()
	return storeChange{"PATCH", secretsPath + "/secret/" + modelStore + "/" + path, path, body, header, func(c *cupboard) (int, string) {
		switch {
		case c.sealed:
			return locked()
		case c.live(path) == nil:
			return missing()
		}
		c.live(path).add(body["value"])
		return done()
	}}
}

// patchIf changes a secret if it is at a version still: the newest one, or one before.
func (c *cupboard) patchIf(r *rand.Rand, path string) storeChange {
	k := c.live(path)
	if k == nil {
		return c.patch(path, nil)
	}
	number := k.last - uint64(r.IntN(2))
	tag := k.tags[number]
	if tag == "" {
		return c.patch(path, map[string]string{"If-Match": "*"})
	}
	next := c.patch(path, map[string]string{"If-Match": tag})
	if number != k.last {
		next.apply = func(c *cupboard) (int, string) {
			if c.sealed {
				return locked()
			}
			return 412, "ERR_PRECONDITION_FAILED"
		}
	}
	return next
}

func remove(path string) storeChange {
	return storeChange{"DELETE", secretsPath + "/secret/" + modelStore + "/" + path, path, nil, nil, func(c *cupboard) (int, string) {
		switch {
		case c.sealed:
			return locked()
		case c.live(path) == nil:
			return missing()
		}
		c.live(path).deleted = true
		return done()
	}}
}

func undelete(path string) storeChange {
	return storeChange{"POST", ourSecrets + modelStore + "/undelete/" + path, path, nil, nil, func(c *cupboard) (int, string) {
		switch {
		case c.sealed:
			return locked()
		case c.secrets[path] == nil || len(c.secrets[path].versions) == 0:
			return missing()
		case c.live(path) != nil:
			return exists("ERR_SECRET_EXISTS")
		}
		c.secrets[path].deleted = false
		return done()
	}}
}

// purge destroys all versions; numbers go on for a while.
func purge(path string) storeChange {
	return storeChange{"POST", ourSecrets + modelStore + "/purge/" + path, path, nil, nil, func(c *cupboard) (int, string) {
		switch {
		case c.sealed:
			return locked()
		case c.secrets[path] == nil || len(c.secrets[path].versions) == 0:
			return missing()
		}
		k := c.secrets[path]
		clear(k.versions)
		k.deleted = true
		return done()
	}}
}
