package iamapi

import (
	"context"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// removeMaster takes a server out of the cluster for ever. Its id is refused first, so that it cannot come back while it is taken
// out; a removal that was interrupted in between is repeated. A removal that the cluster cannot bear is refused before that: an id
// that is refused for ever stays so. The leader is not removed: nobody would let it finish.
func (a *api) removeMaster(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id := r.Param("id")
	switch {
	case repeated(r):
	case !a.Masters.HasServer(id):
		return nil, fault.New(fault.UnknownMaster, "Master with id `%s` not known.", id)
	case id == r.State.Meta().LeaderID:
		return nil, fault.New(fault.Conflict, "The master %s leads the cluster. Stop it, then remove it.", id)
	default:
		if err := a.Masters.MayRemove(id); err != nil {
			return nil, err
		}
	}
	answer, err := a.submit(ctx, r, http.StatusNoContent, command.RemoveServer{ID: id})
	if err != nil || !a.Masters.HasServer(id) {
		return answer, err
	}
	if err := a.Masters.RemoveServer(ctx, id); err != nil {
		return nil, err
	}
	return answer, nil
}
