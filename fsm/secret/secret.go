package secret

import "time"

// Secret is one path of a store with the versions of its value. A deleted one keeps them until Ends; one that was purged
// keeps none, and stays as a tombstone until Ends.
type Secret struct {
	Store string `json:"store"`
	Path  string `json:"path"`
	// Born is when the path was first written. All versions are bound to it, so it stays as long as the record does,
	// also when the secret is deleted and created again.
	Born time.Time `json:"born"`
	// Last is the newest number of a version that there ever was.
	Last uint64 `json:"last"`
	// Versions are those that are kept, oldest first.
	Versions []Version `json:"-"`
	Deleted  bool      `json:"deleted,omitempty"`
	// Ends is when a live secret ends, zero if never; when a deleted one is purged; when a tombstone is dropped.
	Ends time.Time `json:"ends,omitzero"`
	// Lease is what Ends was when the secret was deleted: what it is again if the secret is brought back.
	Lease time.Time `json:"lease,omitzero"`
	// Changed is the log index of the last change that a watcher sees: written, deleted, brought back, purged.
	Changed uint64 `json:"changed"`
}

// Version is one sealed value with its metadata.
type Version struct {
	// Number counts the versions of a path from 1. Together with Index, the log entry that wrote it, it is unique for ever.
	Number uint64 `json:"number"`
	Index  uint64 `json:"index"`
	// Term says which data key sealed it.
	Term    uint32    `json:"term"`
	Created time.Time `json:"created"`
	// Sealed is bound to cluster, store, path, number, birth and term. Bytes travel beside the JSON of a command, hence no
	// name in it.
	Sealed []byte `json:"-"`
}

// Live reports whether the secret can be read at that time.
func (s *Secret) Live(now time.Time) bool { return !s.Deleted && !s.Ended(now) }

// Ended reports whether Ends has come: what follows then is only a matter of doing it.
func (s *Secret) Ended(now time.Time) bool { return !s.Ends.IsZero() && !now.Before(s.Ends) }

// Tombstone reports whether nothing is left but that there was a secret.
func (s *Secret) Tombstone() bool { return len(s.Versions) == 0 }

// Restorable reports whether the secret is deleted and can be brought back at that time.
func (s *Secret) Restorable(now time.Time) bool { return s.Deleted && !s.Tombstone() && !s.Ended(now) }

// Newest returns the newest version; a tombstone has none.
func (s *Secret) Newest() (Version, bool) {
	if len(s.Versions) == 0 {
		return Version{}, false
	}
	return s.Versions[len(s.Versions)-1], true
}

// Version returns the version of that number, if it is kept.
func (s *Secret) Version(number uint64) (Version, bool) {
	for i := len(s.Versions) - 1; i >= 0; i-- {
		if s.Versions[i].Number == number {
			return s.Versions[i], true
		}
	}
	return Version{}, false
}

// Bytes is how much the sealed versions take.
func (s *Secret) Bytes() (n int64) {
	for i := range s.Versions {
		n += int64(len(s.Versions[i].Sealed))
	}
	return n
}
