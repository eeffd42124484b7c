package state

import (
	"gatehouse/fsm/secret"
)

// storeRecord is a store with what is counted for it and follows from nothing else.
type storeRecord struct {
	secret.Store
	Forgotten uint64 `json:"forgotten,omitempty"`
	// Sealings are those of the data keys, in their order.
	Sealings []uint64 `json:"sealings,omitempty"`
}

// secretRecord is a secret without its versions, which follow as so many records of their own: so no line holds more than
// one value.
type secretRecord struct {
	secret.Secret
	Kept int `json:"kept,omitempty"`
}

// versionRecord is a version of the secret before it, with the bytes that a command carries beside its JSON.
type versionRecord struct {
	secret.Version
	Sealed []byte `json:"sealed"`
}

func (s *State) writeSecrets(d *dumper) {
	s.stores.t.Scan(func(item storeItem) bool { return d.put(record{Store: s.storeRecord(item.s)}) })
	s.secrets.t.Scan(func(item secretItem) bool {
		d.put(record{Secret: &secretRecord{*item.s, len(item.s.Versions)}})
		for i := range item.s.Versions {
			v := &item.s.Versions[i]
			d.put(record{Version: &versionRecord{*v, v.Sealed}})
		}
		return d.err == nil
	})
}

func (s *State) storeRecord(store *secret.Store) *storeRecord {
	counted, _ := s.tallies.get(tally{store: store.Name})
	r := &storeRecord{Store: *store, Forgotten: counted.forgotten}
	for _, term := range counted.terms {
		r.Sealings = append(r.Sealings, term.sealings)
	}
	return r
}

func (d *data) loadStore(r *storeRecord) error {
	s := r.Store
	if err := s.Validate(); err != nil {
		return err
	}
	counted := tally{store: s.Name, forgotten: r.Forgotten}
	if s.Seal != nil {
		if err := s.Seal.Validate(); err != nil {
			return err
		}
		counted.follow(&s)
	}
	if len(r.Sealings) != len(counted.terms) {
		return errReference
	}
	for i, n := range r.Sealings {
		counted.terms[i].sealings = n
	}
	if err := load(&d.tallies, counted); err != nil {
		return err
	}
	return load(&d.stores, storeItem{s.Name, &s})
}

// halfSecret is a secret whose versions are still to come.
type halfSecret struct {
	s       *secret.Secret
	missing int
}

// whole refuses to go on before all versions are there.
func (h *halfSecret) whole() error {
	if h.missing > 0 {
		return errReference
	}
	return nil
}

func (h *halfSecret) load(d *data, r *secretRecord) error {
	s := &r.Secret
	store, ok := d.Store(s.Store)
	if !ok || !plausible(r) {
		return errReference
	}
	s.Store = store.Name // one string for all
	s.Versions = make([]secret.Version, 0, r.Kept)
	h.s, h.missing = s, r.Kept
	if err := load(&d.secrets, secretItem{s.Store, s.Path, s}); err != nil {
		return err
	}
	if r.Kept == 0 {
		return d.countSecret(s)
	}
	return nil
}

// plausible reports whether a command could have made the record.
func plausible(r *secretRecord) bool {
	path, err := secret.ParsePath(r.Path)
	deletedEnds := !r.Deleted || !r.Ends.IsZero()
	return err == nil && path == r.Path && r.Last > 0 && r.Changed > 0 && deletedEnds &&
		r.Kept >= 0 && r.Kept <= secret.MostVersions && (r.Kept > 0 || r.Deleted)
}

func (h *halfSecret) add(d *data, r *versionRecord) error {
	if h.missing == 0 {
		return errOrder
	}
	v := r.Version
	v.Sealed = r.Sealed
	if newest, ok := h.s.Newest(); ok && newest.Number >= v.Number || v.Number == 0 {
		return errOrder
	}
	store, _ := d.Store(h.s.Store)
	if store.Seal == nil || len(v.Sealed) == 0 {
		return errReference
	}
	if _, ok := store.Seal.Key(v.Term); !ok {
		return errReference
	}
	h.s.Versions = append(h.s.Versions, v)
	h.missing--
	if h.missing > 0 {
		return nil
	}
	if v.Number != h.s.Last {
		return errReference
	}
	return d.countSecret(h.s)
}

// countSecret makes a secret that is whole known to what follows from secrets.
func (d *data) countSecret(s *secret.Secret) error {
	if _, repeated := d.changed.own().Set(s); repeated {
		return errOrder
	}
	if !s.Ends.IsZero() {
		d.due.own().Set(s)
	}
	counted, _ := d.tallies.get(tally{store: s.Store})
	counted.add(s, 1) // terms in place: nobody else has seen them
	d.tallies.own().Set(counted)
	return nil
}
