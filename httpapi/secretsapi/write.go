package secretsapi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/keyring/barrier"
)

// mostTries is how often a value is sealed anew because the secret, or the key that seals, changed meanwhile. On one master
// changes of one secret take turns, so hardly ever does it need a second.
const mostTries = 5

// attempt is one change of a secret under way: the state that it is tried against, and the secret there.
type attempt struct {
	*httpapi.Request
	path  string
	state *state.State
	store *secret.Store
	old   *secret.Secret // nil if there is no record
	now   time.Time
}

// live reports whether there is a secret.
func (t *attempt) live() bool { return t.old != nil && t.old.Live(t.now) }

// change runs try until its command meets the state that it was made for. Nothing but a command that certainly did nothing is
// tried again; what became of another is the answer, known or not.
func (a *api) change(ctx context.Context, r *httpapi.Request, try func(*attempt) (command.Command, error)) (*attempt, command.Outcome, error) {
	store, path, err := secretOf(r)
	if err != nil {
		return nil, command.Outcome{}, err
	}
	if _, err := a.open(ctx, r.State, store); err != nil {
		return nil, command.Outcome{}, err
	}
	leave, err := a.turns.enter(ctx, store+":"+path)
	if err != nil {
		return nil, command.Outcome{}, err
	}
	defer leave()
	for tries := 1; ; tries++ {
		t, err := a.attempt(ctx, r, store, path)
		if err != nil {
			return nil, command.Outcome{}, err
		}
		c, err := try(t)
		if err != nil || c == nil {
			return t, command.Outcome{}, err
		}
		outcome, err := a.Submitter.Submit(ctx, a.header(r), c)
		if err == nil || tries == mostTries || !outdated(err) {
			return t, outcome, crowded(err)
		}
	}
}

// plainly is a change that writes no value, and may come under an Idempotency-Key.
func (a *api) plainly(ctx context.Context, r *httpapi.Request, try func(*attempt) (command.Command, error)) (*httpapi.Response, error) {
	var outcome command.Outcome
	var err error
	if r.Repeated() {
		outcome, err = a.repeat(ctx, r)
	} else {
		_, outcome, err = a.change(ctx, r, try)
	}
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Status: http.StatusNoContent, Index: outcome.Index}, nil
}

// noVersion is a number that no version has.
const noVersion = math.MaxUint64

// repeat asks for the outcome of the same request before. What it submits does nothing if that is forgotten at this very moment.
func (a *api) repeat(ctx context.Context, r *httpapi.Request) (command.Outcome, error) {
	store, path, err := secretOf(r)
	if err != nil {
		return command.Outcome{}, err
	}
	if _, err := a.open(ctx, r.State, store); err != nil {
		return command.Outcome{}, err
	}
	outcome, err := a.Submitter.Submit(ctx, a.header(r), command.DeleteSecret{Store: store, Path: path, IfVersion: noVersion})
	return outcome, crowded(err)
}

// attempt looks at the newest state: that of the request may be from before the change whose turn it was before.
func (a *api) attempt(ctx context.Context, r *httpapi.Request, store, path string) (*attempt, error) {
	t := &attempt{Request: r, path: path, state: a.Machine.State(), now: a.now(r)}
	var err error
	if t.store, err = a.open(ctx, t.state, store); err != nil {
		return nil, err
	}
	t.old, _ = t.state.Secret(store, path)
	return t, nil
}

// outdated reports whether a command was refused because the secret is not as it was any more.
func outdated(err error) bool {
	return fault.Is(err, fault.Conflict) || fault.Is(err, fault.PreconditionFailed)
}

// crowded is the answer to a change that came too late every time.
func crowded(err error) error {
	if outdated(err) {
		return fault.New(fault.Busy, "The secret is changed by too many at once. Nothing was changed.").After(time.Second)
	}
	return err
}

// create writes a secret that is not there (contract 6.1: PUT never updates).
func (a *api) create(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	in, err := a.parse(r)
	if err != nil {
		return nil, err
	}
	if in.value == nil {
		return nil, fault.New(fault.InvalidData, "`value` is needed.")
	}
	t, outcome, err := a.change(ctx, r, func(t *attempt) (command.Command, error) {
		if t.live() {
			return nil, fault.New(fault.SecretExists, "Secret `%s` already exists.", t.path)
		}
		if len(r.Header["If-Match"]) > 0 {
			return nil, fault.New(fault.PreconditionFailed, "Secret `%s` does not exist.", t.path)
		}
		fresh := plain{meta: meta{Created: t.now}}
		if !in.file {
			fresh.Author = r.Caller.UID
		}
		born := t.now
		if t.old != nil {
			born = t.old.Born
		}
		data, err := a.seal(t, in.over(fresh), born)
		return command.CreateSecret{Store: t.store.Name, Path: t.path, Epoch: t.store.Epoch, Version: data, Born: born, Ends: in.ends(t.now)}, err
	})
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Status: http.StatusCreated, Raw: []byte("{}"), ContentType: jsonType, Index: outcome.Index, Header: a.made(t, outcome)}, nil
}

// update replaces the value of a secret, or what is said about it; what is not sent stays.
func (a *api) update(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	in, err := a.parse(r)
	if err != nil {
		return nil, err
	}
	if in.empty() {
		return nil, fault.New(fault.InvalidData, "One of `value`, `author`, `description`, `labels` and `ttl` is needed.")
	}
	t, outcome, err := a.change(ctx, r, func(t *attempt) (command.Command, error) {
		newest, err := t.newest()
		if err != nil {
			return nil, err
		}
		next, err := a.merged(t, &in, newest)
		if err != nil {
			return nil, err
		}
		data, err := a.seal(t, next, t.old.Born)
		c := command.UpdateSecret{Store: t.store.Name, Path: t.path, Epoch: t.store.Epoch, Version: data, IfVersion: newest.Number}
		if in.life != nil {
			ends := in.ends(t.now)
			c.Ends = &ends
		}
		return c, err
	})
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Status: http.StatusNoContent, Index: outcome.Index, Header: a.made(t, outcome)}, nil
}

// merged is what is stored after a change. A damaged secret can be repaired by a new value.
func (a *api) merged(t *attempt, in *written, newest secret.Version) (plain, error) {
	old, err := a.decrypt(t.Request, t.store, t.old, newest)
	if fault.Is(err, fault.StoreDamaged) && in.value != nil {
		old, err = plain{meta: meta{Created: t.old.Born}}, nil
	}
	return in.over(old), err
}

// newest is the version that a change is about to replace or delete.
func (t *attempt) newest() (secret.Version, error) {
	if !t.live() {
		return secret.Version{}, unknownSecret(t.path)
	}
	v, _ := t.old.Newest()
	return v, ifMatch(t.Request, t.path, v)
}

// delete takes a secret out of sight; it can be brought back for a while.
func (a *api) delete(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.plainly(ctx, r, func(t *attempt) (command.Command, error) {
		newest, err := t.newest()
		c := command.DeleteSecret{Store: t.store.Name, Path: t.path}
		if len(r.Header["If-Match"]) > 0 {
			c.IfVersion = newest.Number
		}
		return c, err
	})
}

// parse reads the body, or says that it is too large.
func (a *api) parse(r *httpapi.Request) (written, error) {
	in, err := parse(r)
	if err != nil {
		return in, err
	}
	sent := in.over(plain{})
	return in, a.fits(&sent)
}

func (a *api) fits(p *plain) error {
	if p.counted() > a.Limits.Secret {
		return a.tooLarge()
	}
	return nil
}

func (a *api) tooLarge() error {
	return fault.New(fault.PayloadTooLarge, "Value and metadata of a secret are larger than %d bytes.", a.Limits.Secret)
}

// seal encrypts what the next version of the secret holds, if there is room for it.
func (a *api) seal(t *attempt, p plain, born time.Time) (v command.VersionData, err error) {
	if err := a.fits(&p); err != nil {
		return v, err
	}
	text, err := p.bytes()
	if err != nil {
		return v, err
	}
	if int64(len(text)) > a.Limits.Secret+aroundPlain { // of many short labels, or escapes, more is stored than was sent
		return v, a.tooLarge()
	}
	v.Number = 1
	if t.old != nil {
		v.Number = t.old.Last + 1
	}
	if v.Term, v.Sealed, err = a.Barrier.Seal(t.store.Name, t.store.Epoch, barrier.Name{Path: t.path, Version: v.Number, Born: born}, text); err != nil {
		return v, a.unsealed(t, err)
	}
	return v, a.room(t, len(v.Sealed))
}

// unsealed is the answer when a value cannot be encrypted.
func (a *api) unsealed(t *attempt, err error) error {
	if errors.Is(err, barrier.ErrSealed) {
		return sealed(t.store.Name)
	}
	a.Logger.Error("the key that seals does not open", slog.String("store", t.store.Name), slog.String("request", t.ID), slog.Any("error", err))
	return fault.New(fault.StoreDamaged, "The data key of secret store `%s` is damaged.", t.store.Name)
}

// room refuses a version for which there is no room in all stores together; the one that it pushes out of the history makes
// some. What a record takes beside its values counts too, or many small ones would fill the memory of all masters.
func (a *api) room(t *attempt, sealed int) error {
	size := int64(sealed + state.VersionCost)
	if t.old == nil {
		size += int64(len(t.path) + state.RecordCost)
	} else if len(t.old.Versions) >= t.store.MaxVersions {
		size -= int64(len(t.old.Versions[0].Sealed) + state.VersionCost)
	}
	all := size
	for s := range t.state.Stores() {
		all += t.state.StoreCounts(s.Name).Taken()
	}
	if size > 0 && all > a.Limits.All {
		return fault.New(fault.StoreFull, "The secrets of all stores would take more than %d bytes.", a.Limits.All)
	}
	return nil
}

// made tells of the version that a change made, if it is kept still.
func (a *api) made(t *attempt, outcome command.Outcome) http.Header {
	s, ok := a.Machine.State().Secret(t.Param("store"), t.path)
	if !ok {
		return nil
	}
	for i := len(s.Versions) - 1; i >= 0; i-- {
		if v := &s.Versions[i]; v.Index == outcome.Index {
			return versionHeaders(s, v.Number, v.Index)
		}
	}
	return nil
}

// header is the header of the command that does what the request asks for.
func (a *api) header(r *httpapi.Request) command.Header {
	h := command.Header{
		Level: r.State.Meta().Level,
		Term:  r.Term,
		Time:  a.now(r),
		Actor: command.Actor{UID: r.Caller.UID, IssuedAt: r.Caller.IssuedAt, Right: r.Right},
	}
	if r.Idempotency != nil { // only what is answered by 204 takes one
		h.Idempotency = &command.Idempotency{UID: r.Caller.UID, Key: r.Idempotency.Key, Hash: r.Idempotency.Hash, Status: http.StatusNoContent}
	}
	return h
}

// now is the clock of this master, which leads, and never behind what the request was told.
func (a *api) now(r *httpapi.Request) time.Time {
	now := a.Now().UTC()
	if now.Before(r.Time) {
		return r.Time
	}
	return now
}
