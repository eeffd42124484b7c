package state

import (
	"errors"
	"fmt"

	"gatehouse/fsm/iam"
)

// Loader builds a State from the records of a dump. It takes them only as WriteRecords orders them, once each, and only
// with what they refer to: a dump that was put together by anything else is refused.
type Loader struct {
	d         data
	stage     int
	n         int
	relations relations
	secret    halfSecret
}

// NewLoader returns a Loader that has no record yet.
func NewLoader() *Loader { return &Loader{d: New().data} }

// Record is one line of a dump that DecodeRecord has read.
type Record struct{ r record }

// DecodeRecord reads a line with or without its newline, as strictly as Strict does. It keeps nothing of the line, and may run
// beside a Loader.
func DecodeRecord(line []byte) (r Record, err error) {
	err = Strict(line, &r.r)
	return r, err
}

// Add takes the next record, which becomes the state's.
func (l *Loader) Add(r Record) error {
	if err := l.add(&r.r); err != nil {
		return fmt.Errorf("record %d: %w", l.n, err)
	}
	l.n++
	return nil
}

// Len is the number of records so far.
func (l *Loader) Len() int { return l.n }

// State ends the load. The Loader must not be used afterwards.
func (l *Loader) State(index uint64) (*State, error) {
	if l.n == 0 {
		return nil, errors.New("a dump without records")
	}
	if err := l.secret.whole(); err != nil {
		return nil, err
	}
	l.relations.finish(&l.d)
	s := &State{data: l.d}
	s.index = index
	s.freeze()
	*l = Loader{}
	return s, nil
}

var (
	errOrder     = errors.New("out of order or repeated")
	errReference = errors.New("refers to what is not there")
	errShape     = errors.New("not exactly one kind of record")
)

func (l *Loader) add(r *record) error {
	stage, err := r.stage()
	if err != nil {
		return err
	}
	if stage < l.stage || stage == 0 && l.n > 0 || stage > 0 && l.n == 0 {
		return errOrder
	}
	l.stage = stage
	if r.Version == nil {
		if err := l.secret.whole(); err != nil {
			return err
		}
	}
	d := &l.d
	switch {
	case r.Meta != nil:
		d.meta = *r.Meta
		return nil
	case r.User != nil:
		d.services += b2i(r.User.Service())
		l.relations.users.add(r.User.UID)
		return load(&d.users, userItem{r.User.UID, r.User})
	case r.Group != nil:
		return load(&d.groups, groupItem{r.Group.GID, r.Group, l.relations.groups.add(r.Group.GID)})
	case r.ACL != nil:
		return load(&d.acls, aclItem{r.ACL.RID, r.ACL})
	case r.Member != nil:
		return l.relations.loadMembership(d, r.Member)
	case r.Grant != nil:
		return l.relations.loadGrant(d, r.Grant)
	case r.Key != nil:
		return d.loadKey(r.Key)
	case r.Cutoff != nil:
		d.cutoffExpiry.own().Set(r.Cutoff)
		return load(&d.cutoffs, cutoffItem{r.Cutoff.UID, r.Cutoff})
	case r.Replay != nil:
		return d.loadReplay(r.Replay)
	case r.Provider != nil:
		return d.loadProvider(r.Provider)
	case r.Directory != nil:
		return d.loadDirectory(r.Directory)
	case r.Store != nil:
		return d.loadStore(r.Store)
	case r.Secret != nil:
		return l.secret.load(d, r.Secret)
	case r.Version != nil:
		return l.secret.add(d, r.Version)
	}
	return d.loadHead(r.Head)
}

// stage is the position of the record's kind in a dump.
func (r *record) stage() (int, error) {
	set := [...]bool{
		r.Meta != nil, r.User != nil, r.Group != nil, r.ACL != nil, r.Member != nil,
		r.Grant != nil, r.Provider != nil, r.Directory != nil, r.Key != nil, r.Cutoff != nil, r.Replay != nil, r.Head != nil,
		r.Store != nil, r.Secret != nil || r.Version != nil,
	}
	stage, n := 0, 0
	for i, is := range set {
		if is {
			stage, n = i, n+1
		}
	}
	if n != 1 || r.Secret != nil && r.Version != nil {
		return 0, errShape
	}
	return stage, nil
}

// load appends an item that must come after all others.
func load[T any](t *tree[T], item T) error {
	if last, ok := t.t.Max(); ok && !t.t.Less(last, item) {
		return errOrder
	}
	t.own().Load(item)
	return nil
}

func (d *data) loadKey(r *keyRecord) error {
	k := r.SigningKey
	k.PublicKey, k.Sealed = r.PublicKey, r.Sealed
	if _, repeated := d.SigningKey(k.KID); repeated {
		return errOrder
	}
	if n := len(d.keys); n > 0 && compareKeys(d.keys[n-1], &k) >= 0 {
		return errOrder
	}
	d.keys = append(d.keys[:len(d.keys):len(d.keys)], &k)
	return nil
}

func (d *data) loadProvider(p *iam.Provider) error {
	if err := p.Validate(); err != nil {
		return err
	}
	return load(&d.providers, p)
}

func (d *data) loadDirectory(dir *iam.Directory) error {
	if d.directory != nil {
		return errOrder
	}
	d.directory = dir
	return dir.Validate()
}

func (d *data) loadHead(h *AuditHead) error {
	if h.Master == "" || h.Sequence == 0 {
		return errReference
	}
	if h.Told.IsZero() || h.Told.After(d.meta.Clock) {
		return errReference
	}
	if last, ok := d.AuditHead(h.Master); ok && h.Told.Before(last.Told) {
		return errOrder
	}
	return load(&d.heads, h)
}

func (d *data) loadReplay(r *Replay) error {
	if last, ok := d.replaySeq.t.Max(); ok && last.UID == r.UID && last.Seq+1 != r.Seq {
		return errOrder
	}
	if _, repeated := d.replays.own().Set(r); repeated {
		return errOrder
	}
	d.replayAge.own().Set(r)
	return load(&d.replaySeq, r)
}
