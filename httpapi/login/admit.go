package login

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
)

// Identity is somebody whom a directory or an identity provider vouches for.
type Identity struct {
	UID, Description, ProviderType, ProviderID string
	// Version is that of the configuration of the provider or directory; 0 when there is none in the state.
	Version uint64
}

// Admit finds the user of an identity, and makes one at the first login (contract 5.7, 1 to 3, and 9, decision 10). It returns an
// *httpapi.EscalateError when it must write and this master does not lead, and fault.CannotImportUser when the uid is none or belongs to
// somebody else: a local user, a service account, or one whom another provider vouches for. Known users cost no write. The state is the
// one in which the user is. Of two first logins at once both get the one user.
func (s *Service) Admit(ctx context.Context, r *httpapi.Request, id Identity) (*iam.User, *state.State, error) {
	if iam.ValidateUID(id.UID) != nil {
		return nil, nil, fault.New(fault.CannotImportUser, "Cannot import user: invalid uid `%s`", Shown(id.UID))
	}
	u, known := r.State.User(id.UID)
	switch {
	case known && id.is(u):
		return u, r.State, nil
	case known:
		return nil, nil, fault.New(fault.CannotImportUser, "Cannot import user: the uid `%s` belongs to another user", id.UID)
	case r.Stale:
		return nil, nil, errFirstLogin
	case !r.Lead:
		return nil, nil, &httpapi.EscalateError{}
	}
	return s.create(ctx, r, id)
}

var errFirstLogin = fault.New(fault.NoLeader, "No leader: the first login of a user needs one.").After(time.Second)

// is reports whether the user is the one whom the identity means.
func (id Identity) is(u *iam.User) bool {
	return u.ProviderType == id.ProviderType && u.ProviderID == id.ProviderID
}

func (s *Service) create(ctx context.Context, r *httpapi.Request, id Identity) (*iam.User, *state.State, error) {
	u := iam.User{UID: id.UID, Description: description(id.Description), ProviderType: id.ProviderType, ProviderID: id.ProviderID}
	if _, err := s.options.Submitter.Submit(ctx, s.header(r), command.AdmitUser{User: u, Version: id.Version}); err != nil {
		return nil, nil, err
	}
	now := s.options.Machine.State()
	made, ok := now.User(id.UID)
	if !ok || !id.is(made) {
		return nil, nil, fault.New(fault.Conflict, "The user was changed meanwhile.")
	}
	s.options.Logger.InfoContext(ctx, "user made at the first login", slog.String("uid", id.UID), slog.String("provider_type", id.ProviderType),
		slog.String("provider_id", id.ProviderID), slog.String("request", r.ID))
	return made, now, nil
}

// description cuts what another system says about a user down to what we keep.
func description(text string) string {
	text = strings.ToValidUTF8(text, "")
	if len(text) > iam.MaxDescription {
		text = strings.ToValidUTF8(text[:iam.MaxDescription], "")
	}
	return text
}

// foreign is what a uid cannot hold.
var foreign = regexp.MustCompile(`[^a-zA-Z0-9\-_@.]+`)

// SanitizeUID makes of a name that an identity provider said one that a uid can be, as the original does: runs of other characters
// become one "_" (contract 1.11). What comes out may still be no uid: too long, or empty.
func SanitizeUID(s string) string { return foreign.ReplaceAllString(s, "_") }
