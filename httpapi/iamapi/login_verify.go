package iamapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/keyring/password"
	"gatehouse/keyring/token"
)

// verdict is what checking credentials came to.
type verdict struct {
	// reason says why the attempt is refused, for the audit record only; "" when the credentials are right.
	reason string
	// user is whose credentials they are.
	user *iam.User
	// needsRehash says that the password's hash is of an old scheme, longLived that a service login token lives too long.
	needsRehash, longLived bool
}

// verify checks the attempt against one state. Every password costs exactly one hash, whether or not there is somebody to have it. The
// error is for what could not be decided.
//
// clock is the leader's clock that belongs to the state: the one clock by which tokens expire.
func (a *api) verify(ctx context.Context, s *state.State, clock time.Time, at *attempt) (verdict, error) {
	u, known := s.User(at.uid)
	if known && !u.Remote() {
		a.Logger.InfoContext(ctx, fmt.Sprintf("User login: UID `%s` refers to a known local user", u.UID))
	}
	if at.token != nil {
		return a.verifyService(s, clock, u, at), nil
	}
	if reason := withoutPassword(u); reason != "" {
		return verdict{reason: reason}, a.Passwords.Dummy(ctx, *at.password)
	}
	return a.verifyPassword(ctx, u, *at.password)
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

func (a *api) verifyPassword(ctx context.Context, u *iam.User, text string) (verdict, error) {
	ok, needsRehash, err := a.Passwords.Verify(ctx, u.PasswordHash, text)
	switch {
	case errors.Is(err, password.ErrBusy):
		return verdict{}, err
	case errors.Is(err, password.ErrMalformed), errors.Is(err, password.ErrUnsupported):
		// The hasher has spent a wrong password's work on it, so that nobody can tell from outside.
		a.Logger.ErrorContext(ctx, "stored password hash cannot be used", slog.String("uid", u.UID), slog.Any("error", err))
		return verdict{reason: "stored password hash cannot be used"}, nil
	case err != nil:
		return verdict{}, err
	case !ok:
		return verdict{reason: "invalid password provided"}, nil
	}
	return verdict{user: u, needsRehash: needsRehash}, nil
}

func (a *api) verifyService(s *state.State, clock time.Time, u *iam.User, at *attempt) verdict {
	switch {
	case u == nil:
		return verdict{reason: "unknown user"}
	case !u.Service():
		return verdict{reason: "service login token of a regular user provided"}
	}
	opts := token.LoginOptions{RefuseLongLived: a.RefuseLongLived, MinKeyBits: a.MinServiceKeyBits, Keys: s}
	claims, err := a.ServiceLogins.VerifyServiceLogin(u.PublicKey, *at.token, u.UID, clock, opts)
	if err != nil {
		return verdict{reason: "invalid service login token provided"}
	}
	return verdict{user: u, longLived: claims.LongLived}
}
