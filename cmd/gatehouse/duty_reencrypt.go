package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/keyring/barrier"
)

const (
	// reencryptPoll is how often the leader looks whether a data key is worn, to be replaced, or not needed any more.
	reencryptPoll = time.Second
	// wornAfter is how many values one data key seals at most, by and large: of 2^31 random nonces of 96 bits two are the same
	// under one of 2^34 keys (NIST SP 800-38D allows 2^32 values).
	wornAfter = 1 << 31
	// mostReencrypted bounds the sealed bytes of one entry, beside command.MaxReencrypted; a larger version goes alone.
	mostReencrypted = 256 << 10
	// unusedFor is for how long nothing has been sealed with a data key before it is dropped: requests that still work with
	// an older state are over then.
	unusedFor = time.Minute
	// damagedPause is how long a store rests of which versions do not open: nothing but their end changes that.
	damagedPause = time.Minute
)

// reencrypt replaces data keys that have sealed enough, seals anew what an older one has sealed, and drops those that nothing
// is sealed with any more.
func (m *master) reencrypt(ctx context.Context, term uint64) error {
	r := &reencrypter{
		state: m.machine.State, keys: m.barrier, now: time.Now, log: m.log, rest: rest, meter: m.reencryptions,
		submit: func(ctx context.Context, c command.Command) error {
			_, err := m.machine.Submit(ctx, m.node, m.header(term), c)
			return err
		},
		unused: map[dataKey]time.Time{}, resting: map[string]time.Time{},
	}
	return repeatedly(ctx, reencryptPoll, func() error { return r.run(ctx) })
}

// dataKeys is what the barrier does with the keys of an open store.
type dataKeys interface {
	NewKey(store string, epoch uint64, term uint32) (barrier.WrappedKey, error)
	Reseal(store string, epoch uint64, n barrier.Name, oldTerm uint32, sealed []byte) (term uint32, resealed []byte, err error)
}

// dataKey names one.
type dataKey struct {
	store, rootID string
	term          uint32
}

// reencrypter looks after data keys. When nothing is due, it writes nothing.
type reencrypter struct {
	state  func() *state.State
	keys   dataKeys
	now    func() time.Time
	submit func(context.Context, command.Command) error
	rest   func(context.Context, time.Duration)
	log    *slog.Logger
	meter  *reencryptMeter

	unused  map[dataKey]time.Time // since when nothing is sealed with a key
	resting map[string]time.Time  // until when a store rests
}

// run does what is due in every store. A store that is not open on this master waits.
func (r *reencrypter) run(ctx context.Context) error {
	for s := range r.state().Stores() {
		if !s.Open() {
			continue
		}
		err := r.replaceWorn(ctx, s)
		if err == nil {
			err = r.sealAnew(ctx, s.Name)
		}
		if err == nil {
			err = r.dropUnused(ctx, s.Name)
		}
		if err != nil && !overtaken(err) {
			return fmt.Errorf("data keys of store %s: %w", s.Name, err)
		}
	}
	return nil
}

// overtaken reports whether the store was sealed, changed or deleted meanwhile; the next look finds what is due then.
func overtaken(err error) bool {
	return errors.Is(err, barrier.ErrSealed) || fault.Is(err, fault.StoreSealed) || fault.Is(err, fault.Conflict) || fault.Is(err, fault.UnknownStore)
}

// replaceWorn adds a data key when the one that seals has sealed enough (hostile S21).
func (r *reencrypter) replaceWorn(ctx context.Context, s *secret.Store) error {
	sealings := r.state().Sealings(s.Name, s.Term())
	if sealings < wornAfter {
		return nil
	}
	key, err := r.keys.NewKey(s.Name, s.Epoch, s.Term()+1)
	if err != nil {
		return err
	}
	rotate := command.RotateStore{Name: s.Name, RootID: s.RootID(), Key: secret.DataKey{Term: key.Term, Wrapped: key.Wrapped}}
	if err := r.submit(ctx, rotate); err != nil {
		return err
	}
	r.log.Info("data key replaced", "store", s.Name, "term", key.Term, "sealings_of_the_last", sealings)
	return nil
}

// sealAnew goes through the store once, batch by batch, in a twentieth of the time.
func (r *reencrypter) sealAnew(ctx context.Context, store string) error {
	if r.now().Before(r.resting[store]) {
		return nil
	}
	done, damaged := 0, 0
	for b := (&batch{more: true}); b.more && ctx.Err() == nil; {
		start := time.Now()
		var err error
		if b, err = r.collect(store, b.after); err != nil {
			return err
		}
		damaged += b.damaged
		if len(b.Items) > 0 {
			if err := r.submit(ctx, b.ReencryptSecrets); err != nil && !fault.Is(err, fault.Conflict) {
				return err
			}
			done += len(b.Items)
			r.meter.add(store, len(b.Items))
			r.rest(ctx, dutyShare*time.Since(start))
		}
	}
	if damaged > 0 {
		r.resting[store] = r.now().Add(damagedPause)
	}
	if done > 0 {
		r.log.Info("secrets sealed anew", "store", store, "versions", done)
	}
	return nil
}

// batch is what the next entry replaces, and where to go on.
type batch struct {
	command.ReencryptSecrets
	after   string // the last path that is done with
	more    bool   // whether something did not fit in
	bytes   int
	damaged int
}

// full reports whether one more version does not fit in.
func (b *batch) full(more int) bool {
	return len(b.Items) == command.MaxReencrypted || len(b.Items) > 0 && b.bytes+more > mostReencrypted
}

// collect seals anew what comes behind that path, as much as fits into one entry.
func (r *reencrypter) collect(store, after string) (*batch, error) {
	now := r.state()
	s, ok := now.Store(store)
	if !ok || !s.Open() {
		return nil, barrier.ErrSealed
	}
	b := &batch{ReencryptSecrets: command.ReencryptSecrets{Store: store, Epoch: s.Epoch}, after: after}
	for one := range now.SecretsOfOldTerms(store, after) {
		whole, err := r.take(b, s, one)
		if err != nil {
			return nil, err
		}
		if b.more = !whole; b.more {
			break
		}
		b.after = one.Path
	}
	return b, nil
}

// take seals the old versions of one secret anew, as far as they fit into the entry. Some of a secret may: the rest comes with
// the next entry.
func (r *reencrypter) take(b *batch, s *secret.Store, one *secret.Secret) (whole bool, err error) {
	for _, v := range one.Versions {
		if v.Term == s.Term() {
			continue
		}
		if b.full(len(v.Sealed)) {
			return false, nil
		}
		name := barrier.Name{Path: one.Path, Version: v.Number, Born: one.Born}
		term, sealed, err := r.keys.Reseal(s.Name, s.Epoch, name, v.Term, v.Sealed)
		if errors.Is(err, barrier.ErrDamaged) {
			b.damaged++
			r.log.Error("version of a secret is damaged and stays as it is", "store", s.Name, "path", one.Path, "version", v.Number, "term", v.Term)
			continue
		}
		if err != nil {
			return false, err
		}
		b.Items = append(b.Items, command.ReencryptedSecret{Path: one.Path, Version: v.Number, OldTerm: v.Term, Term: term, Sealed: sealed})
		b.bytes += len(sealed)
	}
	return true, nil
}
