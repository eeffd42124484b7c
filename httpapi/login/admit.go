package login

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
)

// Identity is somebody whom a directory or an identity provider vouches for.
type Identity struct {
	UID, Description, ProviderType, ProviderID string
	// Subject is what an identity provider calls the person, and Name that of which the UID was made, both as the provider said them;
	// "" for the directory, which says the UID itself.
	Subject, Name string
	// Version is that of the configuration of the provider or directory; 0 when there is none in the state.
	Version uint64
}

// Named is the identity of somebody whom an identity provider calls that. Several names become one uid: the subject tells them apart.
func Named(subject, name, description string) Identity {
	return Identity{UID: SanitizeUID(name), Subject: subject, Name: name, Description: cmp.Or(description, name)}
}

// Admit finds the user of an identity, and makes one at the first login (contract 5.7, 1 to 3, and 9, decision 10). It returns an
// *httpapi.EscalateError when it must write and this master does not lead, and fault.CannotImportUser when the uid is none or belongs to
// somebody else: a local user, a service account, one whom another provider vouches for, or another person of the same provider
// (ErrOtherSubject as well). Known users cost no write, but for one whose subject was forgotten and who is bound to this one. The state
// is the one in which the user is. Of two first logins at once both get the one user.
func (s *Service) Admit(ctx context.Context, r *httpapi.Request, id Identity) (*iam.User, *state.State, error) {
	if iam.ValidateUID(id.UID) != nil {
		return nil, nil, fault.New(fault.CannotImportUser, "Cannot import user: invalid uid `%s`", Shown(id.UID))
	}
	u, known := r.State.User(id.UID)
	switch {
	case known && !id.awaited(u):
		if err := s.mustMean(ctx, r, id, u); err != nil {
			return nil, nil, err
		}
		return u, r.State, nil
	case r.Stale:
		return nil, nil, errFirstLogin
	case !r.Lead:
		return nil, nil, &httpapi.EscalateError{}
	}
	return s.write(ctx, r, id, known)
}

var errFirstLogin = fault.New(fault.NoLeader, "No leader: the first login of a user needs one.").After(time.Second)

// ErrOtherSubject says that the uid belongs to somebody whom the same provider calls something else.
var ErrOtherSubject = errors.New("another subject of the provider")

// of reports whether the user is one of who vouches for the identity.
func (id Identity) of(u *iam.User) bool {
	return u.ProviderType == id.ProviderType && u.ProviderID == id.ProviderID
}

// awaited reports whether the user is to be whoever logs in next, which is this one.
func (id Identity) awaited(u *iam.User) bool { return id.of(u) && u.Subject == iam.NextSubject }

// subject is the subject as users hold it.
func (id Identity) subject() string {
	if id.Subject == "" {
		return ""
	}
	hash := sha256.Sum256([]byte(id.Subject))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// means reports whether the user, who is of the same provider, is the person. A user who was made beforehand has no subject: only a name
// that is the uid itself means it, not one that was made to fit.
func (id Identity) means(u *iam.User) bool {
	if u.Subject == "" {
		return id.ProviderType == iam.LDAP || id.Name == u.UID
	}
	return u.Subject == id.subject()
}

// mustMean refuses the identity of somebody else than the user, and tells an operator why.
func (s *Service) mustMean(ctx context.Context, r *httpapi.Request, id Identity, u *iam.User) error {
	taken := fault.New(fault.CannotImportUser, "Cannot import user: the uid `%s` belongs to another user", id.UID)
	switch {
	case !id.of(u):
		return taken
	case id.means(u):
		return nil
	}
	advice := "if it is the same person: gatehouse user forget-subject " + u.UID + ", and the next login is the user; if the uid is somebody else's by now: " +
		"delete the user, and the next login makes it anew, without permissions"
	s.options.Logger.WarnContext(ctx, "login refused: the uid belongs to somebody whom the provider calls something else", slog.String("uid", u.UID),
		slog.String("provider_type", u.ProviderType), slog.String("provider_id", u.ProviderID), slog.String("advice", advice), slog.String("request", r.ID))
	return fmt.Errorf("%w: %w", ErrOtherSubject, taken)
}

// write makes the user, or binds the known one to the subject.
func (s *Service) write(ctx context.Context, r *httpapi.Request, id Identity, known bool) (*iam.User, *state.State, error) {
	u := iam.User{UID: id.UID, Description: description(id.Description), ProviderType: id.ProviderType, ProviderID: id.ProviderID, Subject: id.subject()}
	outcome, err := s.options.Submitter.Submit(ctx, s.header(r), command.AdmitUser{User: u, Version: id.Version})
	if err != nil {
		return nil, nil, err
	}
	now := s.options.Machine.State()
	made, ok := now.User(id.UID)
	if !ok {
		return nil, nil, fault.New(fault.Conflict, "The user was changed meanwhile.")
	}
	if err := s.mustMean(ctx, r, id, made); err != nil {
		return nil, nil, err
	}
	did, action, reason := "user made at the first login", "iam.users.create", "first login through "
	if known {
		did, action, reason = "user bound to what the identity provider calls the person", "iam.users.bind", "first login since the subject was forgotten, through "
	}
	s.options.Logger.InfoContext(ctx, did, slog.String("uid", id.UID), slog.String("provider_type", id.ProviderType),
		slog.String("provider_id", id.ProviderID), slog.String("request", r.ID))
	r.Audit(httpapi.Record{Component: Component, UID: id.UID, Action: action, Object: "/acs/api/v1/users/" + id.UID, Allow: true,
		Reason: reason + cmp.Or(id.ProviderID, "the directory"), Stage: audit.Outcome, Index: outcome.Index})
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
