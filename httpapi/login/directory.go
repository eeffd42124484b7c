package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/login/ldap"
)

// directory is the configuration of the directory with its secrets open, nil when there is none. It is opened once per version.
func (s *Service) directory(st *state.State) (*ldap.Config, error) {
	d := st.Directory()
	if d == nil || s.options.Directory == nil {
		return nil, nil
	}
	if cfg := s.opened.Load(); cfg != nil && cfg.Version == d.Version {
		return cfg, nil
	}
	cfg, err := ldap.FromRecord(d, s.options.Keys)
	if err != nil {
		return nil, fmt.Errorf("open the directory's configuration: %w", err)
	}
	s.opened.Store(cfg)
	return cfg, nil
}

// asksDirectory reports whether the directory decides the attempt: one of a user of the directory, or of nobody whom we know. A local
// uid never falls through to it (hostile D9), and what can be no uid or no password of a person never reaches it (hostile D1, D4).
func asksDirectory(u *iam.User, at *attempt) bool {
	if u != nil && u.ProviderType != iam.LDAP || iam.ValidateUID(at.uid) != nil {
		return false
	}
	return !strings.Contains(*at.password, "\x00") && strings.TrimSpace(*at.password) != ""
}

var (
	errDirectory     = fault.New(fault.LDAPAuthFailed, "The directory could not be asked.")
	errDirectoryBusy = fault.New(fault.Throttled, "Too many logins wait for the directory. Try again later.").After(time.Second)
)

// verifyDirectory has the directory check the password (contract 4.5). A wrong one costs a hash like that of a local user, so that a busy
// machine does not tell the two apart; a right one costs nothing beside the directory's answer.
func (s *Service) verifyDirectory(ctx context.Context, m moment, cfg *ldap.Config, at *attempt) (verdict, error) {
	at.directory = true
	entry, err := s.options.Directory.Authenticate(ctx, cfg, at.uid, *at.password)
	switch {
	case errors.Is(err, ldap.ErrInvalidCredentials):
		return s.wrongPassword(ctx, at, "the directory refused the credentials")
	case errors.Is(err, ldap.ErrBusy):
		return verdict{}, errDirectoryBusy
	case err != nil:
		s.options.Logger.WarnContext(ctx, "the directory could not be asked", slog.String("uid", at.shown()), slog.Any("error", err))
		return verdict{}, errDirectory
	case !strings.EqualFold(entry.UID, at.uid) || iam.ValidateUID(entry.UID) != nil:
		return s.wrongPassword(ctx, at, "the directory calls the user something else")
	}
	at.canonical = entry.UID
	u, known := m.state.User(entry.UID)
	if !known { // nobody becomes another user because the directory spells the name otherwise by now
		u, known = m.state.UserLike(iam.LDAP, entry.UID)
	}
	switch {
	case !known:
		return verdict{newcomer: &Identity{UID: entry.UID, Description: nameOf(entry), ProviderType: iam.LDAP, Version: cfg.Version}}, nil
	case u.ProviderType != iam.LDAP:
		return s.wrongPassword(ctx, at, "the uid belongs to a user who is not of the directory")
	}
	return verdict{user: u}, nil
}

// wrongPassword is a refusal by the directory, at the price of one by ourselves.
func (s *Service) wrongPassword(ctx context.Context, at *attempt, reason string) (verdict, error) {
	return verdict{reason: reason}, s.options.Passwords.Dummy(ctx, *at.password)
}

// nameOf is the description of a user of the directory.
func nameOf(e ldap.Entry) string {
	if e.CN != "" {
		return e.CN
	}
	return e.UID
}

// throttleKey is the name by which guesses at the uid are counted.
func (s *Service) throttleKey(st *state.State, uid string) string {
	u, known := st.User(uid)
	if st.Directory() == nil || s.options.Directory == nil || known && u.ProviderType != iam.LDAP {
		return uid
	}
	return directoryKey + strings.ToLower(uid)
}
