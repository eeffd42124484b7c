package state

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"

	"gatehouse/fsm/iam"
)

// record is one line of a dump: exactly one member is set. The order of the members is the order of the lines.
type record struct {
	Meta      *Meta          `json:"meta,omitempty"`
	User      *iam.User      `json:"user,omitempty"`
	Group     *iam.Group     `json:"group,omitempty"`
	ACL       *iam.ACL       `json:"acl,omitempty"`
	Member    *Membership    `json:"member,omitempty"`
	Grant     *Grant         `json:"grant,omitempty"`
	Provider  *iam.Provider  `json:"provider,omitempty"`
	Directory *iam.Directory `json:"directory,omitempty"`
	Key       *keyRecord     `json:"key,omitempty"`
	Cutoff    *Cutoff        `json:"cutoff,omitempty"`
	Replay    *Replay        `json:"replay,omitempty"`
	Head      *AuditHead     `json:"audit_head,omitempty"`
	Store     *storeRecord   `json:"store,omitempty"`
	Secret    *secretRecord  `json:"secret,omitempty"`
	Version   *versionRecord `json:"version,omitempty"`
}

// keyRecord is a signing key with the bytes that a command carries beside its JSON.
type keyRecord struct {
	iam.SigningKey
	PublicKey []byte `json:"public_key"`
	Sealed    []byte `json:"sealed"`
}

// WriteRecords writes the canonical dump: one JSON record a line and one call of Write a record, always in the same
// order, so that equal states give equal bytes. The index is not part of it. It returns how many records it wrote.
func (s *State) WriteRecords(w io.Writer) (int, error) {
	d := dumper{e: json.NewEncoder(w)}
	d.e.SetEscapeHTML(false)
	d.put(record{Meta: &s.meta})
	s.users.t.Scan(func(item userItem) bool { return d.put(record{User: item.u}) })
	s.groups.t.Scan(func(item groupItem) bool { return d.put(record{Group: item.g}) })
	s.acls.t.Scan(func(item aclItem) bool { return d.put(record{ACL: item.a}) })
	s.members.t.Scan(func(m *Membership) bool { return d.put(record{Member: m}) })
	s.grants.t.Scan(func(g *Grant) bool { return d.put(record{Grant: g}) })
	s.providers.t.Scan(func(p *iam.Provider) bool { return d.put(record{Provider: p}) })
	if s.directory != nil {
		d.put(record{Directory: s.directory})
	}
	for _, k := range s.keys {
		d.put(record{Key: &keyRecord{SigningKey: *k, PublicKey: k.PublicKey, Sealed: k.Sealed}})
	}
	s.cutoffs.t.Scan(func(item cutoffItem) bool { return d.put(record{Cutoff: item.c}) })
	s.replaySeq.t.Scan(func(r *Replay) bool { return d.put(record{Replay: r}) })
	s.heads.t.Scan(func(h *AuditHead) bool { return d.put(record{Head: h}) })
	s.writeSecrets(&d)
	if d.err != nil {
		return d.n, fmt.Errorf("dump record %d: %w", d.n, d.err)
	}
	return d.n, nil
}

// dumper writes records until the first error.
type dumper struct {
	e   *json.Encoder
	r   record
	n   int
	err error
}

func (d *dumper) put(r record) bool {
	if d.err == nil {
		d.r = r
		if d.err = d.e.Encode(&d.r); d.err == nil {
			d.n++
		}
	}
	return d.err == nil
}

// Digest is the SHA-256 over the canonical dump: equal on all masters that have applied the same entries, whether they
// came there by the log or through a snapshot. It takes time in proportion to the state.
func (s *State) Digest() [32]byte {
	h := sha256.New()
	if _, err := s.WriteRecords(h); err != nil {
		panic(fmt.Sprintf("state: a record cannot be written: %v", err)) // a hash takes everything: programmer error
	}
	return [32]byte(h.Sum(nil))
}
