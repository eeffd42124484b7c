package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"gatehouse/fsm/iam"
	"gatehouse/keyring/password"
	"gatehouse/keyring/token"
)

// verdict is what checking credentials came to.
type verdict struct {
	// reason says why the attempt is refused, for the audit record only; "" when the credentials are right.
	reason string
	// user is whose credentials they are; nil when the directory vouches for somebody who has no user yet: newcomer.
	user     *iam.User
	newcomer *Identity
	// needsRehash says that the password's hash is of an old scheme, longLived that a service login token lives too long.
	needsRehash, longLived bool
}

// verify checks the attempt against one state. Every wrong password costs exactly one hash, whether or not there is somebody to have it.
// The error is for what could not be decided.
func (s *Service) verify(ctx context.Context, m moment, at *attempt) (verdict, error) {
	u, known := m.state.User(at.uid)
	if known && !u.Remote() {
		s.options.Logger.InfoContext(ctx, fmt.Sprintf("User login: UID `%s` refers to a known local user", u.UID))
	}
	if at.token != nil {
		return s.verifyService(m, u, at), nil
	}
	cfg, err := s.directory(m.state)
	if err != nil {
		return verdict{}, err
	}
	if cfg != nil && asksDirectory(u, at) {
		return s.verifyDirectory(ctx, m, cfg, at)
	}
	if reason := withoutPassword(u); reason != "" {
		return verdict{reason: reason}, s.options.Passwords.Dummy(ctx, *at.password)
	}
	return s.verifyPassword(ctx, u, *at.password)
}

// withoutPassword says why nobody logs in as the user with a password; "" when somebody may.
func withoutPassword(u *iam.User) string {
	switch {
	case u == nil:
		return "unknown user"
	case u.Remote():
		return "password of a remote user provided"
	case u.Service():
		return "password of a service account provided"
	case u.PasswordHash == "":
		return "user has no password"
	}
	return ""
}

func (s *Service) verifyPassword(ctx context.Context, u *iam.User, text string) (verdict, error) {
	ok, needsRehash, err := s.options.Passwords.Verify(ctx, u.PasswordHash, text)
	switch {
	case errors.Is(err, password.ErrBusy):
		return verdict{}, err
	case errors.Is(err, password.ErrMalformed), errors.Is(err, password.ErrUnsupported):
		// The hasher has spent a wrong password's work on it, so that nobody can tell from outside.
		s.options.Logger.ErrorContext(ctx, "stored password hash cannot be used", slog.String("uid", u.UID), slog.Any("error", err))
		return verdict{reason: "stored password hash cannot be used"}, nil
	case err != nil:
		return verdict{}, err
	case !ok:
		return verdict{reason: "invalid password provided"}, nil
	}
	return verdict{user: u, needsRehash: needsRehash}, nil
}

func (s *Service) verifyService(m moment, u *iam.User, at *attempt) verdict {
	switch {
	case u == nil:
		return verdict{reason: "unknown user"}
	case !u.Service():
		return verdict{reason: "service login token of a regular user provided"}
	}
	opts := token.LoginOptions{RefuseLongLived: s.options.RefuseLongLived, MinKeyBits: s.options.MinServiceKeyBits, Keys: m.state}
	claims, err := s.options.ServiceLogins.VerifyServiceLogin(u.PublicKey, *at.token, u.UID, m.clock, opts)
	if err != nil {
		return verdict{reason: "invalid service login token provided"}
	}
	return verdict{user: u, longLived: claims.LongLived}
}
