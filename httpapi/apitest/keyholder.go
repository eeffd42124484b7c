package apitest

import (
	"context"
	"net/http"

	"gatehouse/httpapi/keyholder"
)

// KeyCluster is what the keyholder of a master sees of the cluster.
type KeyCluster struct{ *Master }

// ReadIndex hides that of the funnel.
func (k KeyCluster) ReadIndex(ctx context.Context) (uint64, error) {
	r, err := k.Master.ReadIndex(ctx)
	return r.Index, err
}

// Peers are the other masters.
func (k KeyCluster) Peers() (peers []keyholder.Peer) {
	for _, id := range k.Others() {
		peers = append(peers, keyholder.Peer{ID: id, Name: "name of " + id, Voter: true})
	}
	return peers
}

// PeerOf is in the place of a certificate.
func (KeyCluster) PeerOf(r *http.Request) string { return r.RemoteAddr }

// KeyDoors is the door for other masters of a master with a keyholder.
func KeyDoors(keys *keyholder.Holder, funnel http.Handler) http.Handler {
	doors := http.NewServeMux()
	doors.Handle(keyholder.PathPrefix, keys.Peer())
	doors.Handle("/", funnel)
	return doors
}
