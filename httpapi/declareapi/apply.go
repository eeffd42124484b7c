package declareapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/cutoff"
	"gatehouse/httpapi/declare"
	"gatehouse/httpapi/provider"
	"gatehouse/keyring/token"
)

var applySchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{{Name: "changes", Type: httpapi.Array, Required: true}}}

// apply makes all changes of the request, or none. A refusal names the change.
func (a *api) apply(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in declare.Changes
	if err := state.Strict(r.Body, &in); err != nil {
		return nil, fault.New(fault.Schema, "Unexpected JSON input. Hint: %s", hint(err))
	}
	changes, err := Commands(in.Changes, a.Keys, func(u *declare.UserChange) error { return a.checkKey(r.State, u) })
	if err != nil {
		return nil, err
	}
	ctx = r.Intend(ctx, parts(r.Route.ID, changes))
	h := a.header(r)
	outcome, err := a.Submitter.Submit(ctx, h, command.ApplyChanges{Changes: changes, TokenLife: a.TokenLife})
	if err != nil {
		return nil, err
	}
	r.Audit(part(httpapi.Record{Action: r.Route.ID, Object: declare.Summary(in.Changes), Stage: audit.Outcome, Index: outcome.Index}))
	if !outcome.Replayed {
		cutoffs := cutoff.Keeper{Submitter: a.Submitter, Now: a.Now, TokenLife: a.TokenLife}
		if err := cutoffs.CatchUpAll(ctx, r, cutOff(r.State, changes), command.NextSecond(h.Time)); err != nil {
			return nil, err
		}
	}
	return &httpapi.Response{Status: http.StatusNoContent, Index: outcome.Index}, nil
}

// cutOff are the users whose tokens the changes end: those that are removed, and service accounts whose key is replaced.
func cutOff(s *state.State, changes []command.Change) (uids []string) {
	for _, c := range changes {
		if c.User == nil {
			continue
		}
		old, ok := s.User(c.User.UID)
		if c.Remove || ok && old.PublicKey != c.User.PublicKey {
			uids = append(uids, c.User.UID)
		}
	}
	slices.Sort(uids)
	return slices.Compact(uids)
}

// parts are audit records of what a change is about to do, one of each thing, so that a search for a user or a resource finds who
// changed it. They have the request id of the whole, whose outcome is theirs.
func parts(action string, changes []command.Change) []httpapi.Record {
	records := make([]httpapi.Record, len(changes))
	for i, c := range changes {
		object := c.String()
		if c.Grant != nil && !c.Remove {
			object += ": " + c.Grant.Actions.String()
		}
		records[i] = part(httpapi.Record{Action: action, Object: object, Stage: audit.Intent})
	}
	return records
}

func part(rec httpapi.Record) httpapi.Record {
	rec.Allow, rec.Reason = true, "part of the change"
	return rec
}

// hint is what is wrong with the JSON, without the library's prefix and in bounds.
func hint(err error) string {
	text := strings.TrimPrefix(err.Error(), "json: ")
	const limit = 300
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}

// checkKey refuses keys that PUT of a user refuses (contract 1.3, step 7). One that the account has already is not looked at again.
func (a *api) checkKey(s *state.State, u *declare.UserChange) error {
	if old, ok := s.User(u.UID); ok && old.PublicKey == u.PublicKey {
		return nil
	}
	if err := token.CheckServiceKey(u.PublicKey, a.MinServiceKeyBits, s); err != nil {
		return fault.New(fault.InvalidPublicKey, "%s", err)
	}
	return nil
}

// header is the header of the command.
func (a *api) header(r *httpapi.Request) command.Header {
	h := command.Header{
		Level: r.State.Meta().Level,
		Term:  r.Term,
		Time:  a.Now().UTC(),
		Actor: command.Actor{UID: r.Caller.UID, IssuedAt: r.Caller.IssuedAt, Right: r.Right},
	}
	if r.Time.After(h.Time) {
		h.Time = r.Time
	}
	if r.Idempotency != nil {
		h.Idempotency = &command.Idempotency{UID: r.Caller.UID, Key: r.Idempotency.Key, Hash: r.Idempotency.Hash, Status: http.StatusNoContent}
	}
	return h
}

// Commands are declared changes as the log has them: client secrets are sealed with keys. Keys of service accounts are checked with
// checkKey, unless it is nil. A refusal names the change.
func Commands(changes []declare.Change, keys provider.Sealer, checkKey func(*declare.UserChange) error) ([]command.Change, error) {
	if len(changes) > command.MaxChanges {
		return nil, fault.New(fault.InvalidData, "%d changes at once, at most %d are possible.", len(changes), command.MaxChanges)
	}
	commands := make([]command.Change, len(changes))
	for i := range changes {
		c, err := commandOf(&changes[i], keys, checkKey)
		if err != nil {
			var refusal *fault.Error
			if !errors.As(err, &refusal) {
				return nil, fmt.Errorf("changes[%d] (%s): %w", i, c, err)
			}
			return nil, fault.New(refusal.Code, "changes[%d] (%s): %s", i, c, refusal.Description)
		}
		commands[i] = c
	}
	return commands, nil
}

// commandOf is one change.
func commandOf(c *declare.Change, keys provider.Sealer, checkKey func(*declare.UserChange) error) (command.Change, error) {
	out := command.Change{Remove: c.Remove}
	if c.User != nil {
		out.User = userOf(c.User)
	}
	if c.Group != nil {
		out.Group = &iam.Group{GID: c.Group.GID, Description: c.Group.Description, ProviderType: internal(c.Group.ProviderType)}
	}
	if c.ACL != nil {
		out.ACL = &iam.ACL{RID: c.ACL.RID, Description: c.ACL.Description}
	}
	if c.Member != nil {
		out.Member = &state.Membership{GID: c.Member.GID, UID: c.Member.UID}
	}
	if c.Grant != nil {
		grant, err := grantOf(c)
		out.Grant = grant
		if err != nil {
			return out, err
		}
	}
	if c.Provider != nil {
		p, err := providerOf(c, keys)
		out.Provider = p
		if err != nil {
			return out, err
		}
	}
	if checkKey != nil && c.User != nil && c.User.PublicKey != "" && !c.Remove {
		return out, checkKey(c.User)
	}
	return out, nil
}

// userOf is a user without a password: a new one has to be given one.
func userOf(u *declare.UserChange) *iam.User {
	out := &iam.User{UID: u.UID, Description: u.Description, PublicKey: u.PublicKey, ProviderType: internal(u.ProviderType), ProviderID: u.ProviderID}
	if out.ProviderType == iam.Internal && u.PublicKey == "" {
		out.PasswordHash = iam.LockedPassword
	}
	return out
}

func internal(providerType string) string {
	if providerType == "" {
		return iam.Internal
	}
	return providerType
}

// providerOf is a provider, of which nothing but the id counts when it is removed.
func providerOf(c *declare.Change, keys provider.Sealer) (*iam.Provider, error) {
	if c.Remove {
		return &iam.Provider{ID: c.Provider.ID}, nil
	}
	record, err := c.Provider.Record(keys)
	if err != nil {
		return &iam.Provider{ID: c.Provider.ID}, err
	}
	return record, nil
}

func grantOf(c *declare.Change) (*state.Grant, error) {
	g := &state.Grant{RID: c.Grant.RID, Principal: c.Grant.UID}
	if c.Grant.GID != "" {
		g.Principal, g.Group = c.Grant.GID, true
	}
	if (c.Grant.UID == "") == (c.Grant.GID == "") {
		return g, fault.New(fault.InvalidData, "A grant has exactly one of `uid` and `gid`.")
	}
	if c.Remove {
		return g, nil
	}
	for _, name := range c.Grant.Actions {
		action, err := iam.ParseAction(name)
		if err != nil {
			return g, err
		}
		g.Actions |= action
	}
	return g, nil
}
