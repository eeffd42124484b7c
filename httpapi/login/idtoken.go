package login

import (
	"context"
	"errors"
	"log/slog"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login/oidc"
)

// idTokenKind is the label of logins by ID token in metrics and audit records.
const idTokenKind = "id-token"

// IDToken logs in whoever brings a token of the configured issuer (contract 1.11). Guessing is no use against a signature, so that nothing
// is throttled here, and refusals name their reason.
func (s *Service) IDToken(ctx context.Context, r *httpapi.Request, raw string, answer Answer) (*httpapi.Response, error) {
	if s.options.IDTokenIssuer == "" || s.options.IDTokens == nil {
		return nil, fault.New(fault.BadRequest, "Login with an OpenID Connect ID token is not enabled")
	}
	id, err := s.options.IDTokens.VerifyIDToken(ctx, s.options.IDTokenIssuer, s.options.IDTokenAudience, raw, r.Time)
	if err != nil {
		return nil, s.refuseIDToken(ctx, r, "", idTokenFault(err), err)
	}
	who := Named(id.Subject, id.Email, id.Email)
	who.ProviderType, who.ProviderID = iam.OIDC, s.options.IDTokenIssuer
	uid := who.UID
	u, state, err := s.bearer(ctx, r, who)
	if err != nil {
		return nil, s.refuseIDToken(ctx, r, uid, err, err)
	}
	session, err := s.Open(ctx, r, u, sameUser(u))
	if err != nil {
		return nil, s.refuseIDToken(ctx, r, uid, err, err)
	}
	resp, reason := answer(session), "valid ID token provided"
	if state != r.State {
		resp.Index, reason = state.Index(), "valid ID token provided: the first user was made"
	}
	record(r, idTokenKind, uid, true, "ok", reason)
	return resp, nil
}

// sameUser rechecks a user who has waited: the record must be the same, or the login begins anew.
func sameUser(u *iam.User) func(*state.State) (*iam.User, error) {
	return func(s *state.State) (*iam.User, error) {
		if now, ok := s.User(u.UID); ok && *now == *u {
			return now, nil
		}
		return nil, fault.New(fault.Conflict, "The user was changed meanwhile. Log in again.")
	}
}

// What an ID token is refused for (contract 1.11).
var (
	errUserUnknown  = refusedIDToken("ID Token login failed: user unknown")
	errProviderType = refusedIDToken("ID Token login failed: provider type mismatch")
	errProviderID   = refusedIDToken("ID Token login failed: provider ID mismatch")
)

func refusedIDToken(text string) error { return fault.New(fault.IDTokenRefused, "%s", text) }

// bearer is the user of an ID token. Somebody unknown is let in only while there is no regular user at all: the first to come owns the
// cluster, as with the original.
func (s *Service) bearer(ctx context.Context, r *httpapi.Request, id Identity) (*iam.User, *state.State, error) {
	u, known := r.State.User(id.UID)
	switch {
	case known && u.ProviderType != id.ProviderType:
		return nil, nil, errProviderType
	case known && u.ProviderID != id.ProviderID:
		return nil, nil, errProviderID
	case known:
		return s.Admit(ctx, r, id)
	case r.State.RegularUserCount() > 0 || iam.ValidateUID(id.UID) != nil:
		return nil, nil, errUserUnknown
	}
	return s.firstUser(ctx, r, id)
}

// firstUser makes the first user. Of several who come at once only one is: the leader makes users one after another.
func (s *Service) firstUser(ctx context.Context, r *httpapi.Request, id Identity) (*iam.User, *state.State, error) {
	if r.Lead {
		s.first.Lock()
		defer s.first.Unlock()
		now := s.options.Machine.State()
		u, known := now.User(id.UID)
		switch {
		case known && id.of(u) && id.means(u):
			return u, now, nil
		case now.RegularUserCount() > 0:
			return nil, nil, errUserUnknown
		}
	}
	u, now, err := s.Admit(ctx, r, id)
	if err == nil {
		s.options.Logger.WarnContext(ctx, "the first user was made by an ID token", slog.String("uid", u.UID), slog.String("issuer", id.ProviderID),
			slog.String("client", r.Client.String()), slog.String("request", r.ID))
	}
	return u, now, err
}

// idTokenFault is what the client is told of a token that does not hold.
func idTokenFault(err error) error {
	const failed = "OpenID Connect ID Token login failed: "
	switch {
	case errors.Is(err, oidc.ErrExpired):
		return refusedIDToken(failed + "token expired")
	case errors.Is(err, oidc.ErrNoEmail):
		return refusedIDToken(failed + "ID Token lacks non-standard claim: email")
	case errors.Is(err, oidc.ErrUnverified):
		return refusedIDToken(failed + "ID Token must have `\"email_verified\": true` claim")
	case errors.Is(err, oidc.ErrBadToken):
		return refusedIDToken(failed + "bad token")
	}
	return fault.New(fault.Internal, "Could not fetch public key material from token issuer")
}

// refuseIDToken records the refusal and logs its cause, which is not told to the client.
func (s *Service) refuseIDToken(ctx context.Context, r *httpapi.Request, uid string, told, cause error) error {
	var up *httpapi.EscalateError
	if errors.As(told, &up) {
		return told
	}
	result, reason := "error", "not decided: error"
	var f *fault.Error
	switch {
	case errors.Is(told, ErrOtherSubject):
		result, reason = "denied", ErrOtherSubject.Error()
	case (fault.Is(told, fault.IDTokenRefused) || fault.Is(told, fault.CannotImportUser)) && errors.As(told, &f):
		result, reason = "denied", f.Description
	}
	record(r, idTokenKind, uid, false, result, reason)
	s.options.Logger.WarnContext(ctx, "login with an ID token failed", slog.String("uid", uid), slog.Any("error", cause), slog.String("request", r.ID))
	return told
}
