package iamapi

import (
	"context"
	"log/slog"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/httpapi"
)

// forgetSubject makes of a user whom an identity provider calls something else since one that was made beforehand: who logs in through
// that provider by exactly its uid is the user. A user who has no subject stays as it is.
func (a *api) forgetSubject(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	before, known := r.State.User(r.Param("uid"))
	answer, err := a.submit(ctx, r, http.StatusNoContent, command.ForgetSubject{UID: r.Param("uid")})
	if err == nil && known && before.Subject != "" {
		a.Logger.InfoContext(ctx, "subject forgotten", slog.String("uid", before.UID), slog.String("provider_type", before.ProviderType),
			slog.String("provider_id", before.ProviderID), slog.String("by", r.Caller.UID), slog.String("request", r.ID))
	}
	return answer, err
}
