package iamapi

import (
	"context"
	"log/slog"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// forgetSubject is for a user whom an identity provider calls something else since: whoever logs in next, through that provider under
// that uid, is the user from then on. A user of no identity provider stays as it is.
func (a *api) forgetSubject(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	before, known := r.State.User(r.Param("uid"))
	answer, err := a.submit(ctx, r, http.StatusNoContent, command.ForgetSubject{UID: r.Param("uid")})
	if err == nil && known && before.OfProvider() && before.Subject != iam.NextSubject {
		a.Logger.InfoContext(ctx, "subject forgotten", slog.String("uid", before.UID), slog.String("provider_type", before.ProviderType),
			slog.String("provider_id", before.ProviderID), slog.String("by", r.Caller.UID), slog.String("request", r.ID))
	}
	return answer, err
}
