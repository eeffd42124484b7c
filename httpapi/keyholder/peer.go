package keyholder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"gatehouse/keyring/secretmem"
)

// PathPrefix begins the paths of what masters ask each other about keys. They are served on the peer port alone.
const PathPrefix = "/peer/v1/keys/"

const (
	rootPath  = PathPrefix + "root"   // the root key of an open store
	offerPath = PathPrefix + "offer"  // the root key that the master that is asked offers
	takePath  = PathPrefix + "take"   // get the root key of a store now
	acceptOf  = PathPrefix + "accept" // get the root key that the asking master offers
)

// maxCall bounds a question and an answer, in bytes.
const maxCall = 4 << 10

// errNotThere says that the other master does not have what it was asked for.
var errNotThere = errors.New("it does not have the key")

// call is what masters ask each other.
type call struct {
	Store  string `json:"store"`
	RootID string `json:"root_id"`
	Epoch  uint64 `json:"epoch,omitempty"`
	Check  []byte `json:"check,omitempty"`  // of an offered key
	Public []byte `json:"public,omitempty"` // to which the answer is sealed
}

// reply is the answer to rootPath and offerPath.
type reply struct {
	Sealed []byte `json:"sealed"`
}

// askRoot asks one master for a root key. The caller wipes it.
func (h *Holder) askRoot(ctx context.Context, peer, path string, q question) (*secretmem.Buffer, error) {
	one, public, err := ask()
	if err != nil {
		return nil, err
	}
	var in reply
	if err := h.post(ctx, peer, path, call{Store: q.Store, RootID: q.RootID, Epoch: q.Epoch, Public: public}, &in); err != nil {
		return nil, err
	}
	return one.open(q, in.Sealed)
}

// post makes a call. A refusal is errNotThere.
func (h *Holder) post(ctx context.Context, peer, path string, out call, in any) error {
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "https", Host: peer, Path: path}, Host: peer, Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	resp, err := h.Cluster.RoundTrip(peer, r.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxCall))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case resp.StatusCode == http.StatusConflict, resp.StatusCode == http.StatusNotFound: // 404: a master of an older version
		return errNotThere
	case resp.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("status %d", resp.StatusCode)
	case in == nil:
		return nil
	}
	return json.Unmarshal(answer, in)
}

// Peer answers other masters. It belongs on the peer port, in front of what else is served there under PathPrefix.
func (h *Holder) Peer() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := h.answer(r)
		switch {
		case errors.Is(err, errNotThere):
			w.WriteHeader(http.StatusConflict)
		case err != nil:
			h.Logger.Warn("another master's question about keys was refused", "path", r.URL.Path, "error", err)
			w.WriteHeader(http.StatusBadRequest)
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(answer) // a master that left needs no answer
		}
	})
}

// answer decides about one question; members only ask.
func (h *Holder) answer(r *http.Request) (*reply, error) {
	peer, ok := h.member(h.Cluster.PeerOf(r))
	if !ok {
		return nil, errors.New("whoever asks is no member of the cluster")
	}
	var in call
	if err := json.NewDecoder(io.LimitReader(r.Body, maxCall)).Decode(&in); err != nil {
		return nil, fmt.Errorf("read the question: %w", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	switch "/" + strings.TrimPrefix(r.URL.Path, "/") {
	case rootPath:
		return h.giveRoot(ctx, peer, in)
	case offerPath:
		return h.giveOffer(peer, in)
	case takePath:
		return nil, h.take(ctx, in)
	case acceptOf:
		return nil, h.accept(ctx, peer, in)
	}
	return nil, errors.New("no such question")
}

// member is the peer of that server id, if the configuration has it.
func (h *Holder) member(id string) (Peer, bool) {
	for _, p := range h.Cluster.Peers() {
		if p.ID == id {
			return p, true
		}
	}
	return Peer{}, false
}

// giveRoot seals the root key of a store to a peer, after a read index of this master: whoever is cut off from the cluster, and
// may have missed a seal, tells nothing.
func (h *Holder) giveRoot(ctx context.Context, to Peer, in call) (*reply, error) {
	if epoch, open := h.Barrier.Open(in.Store); !open || epoch != in.Epoch {
		return nil, errNotThere // spares a read index; whoever asks does so again
	}
	if err := h.confirm(ctx); err != nil {
		return nil, errNotThere
	}
	state := h.Machine.State()
	s, ok := state.Store(in.Store)
	if !ok || s.Seal == nil || s.Sealed || s.Epoch != in.Epoch || s.Seal.RootID != in.RootID {
		return nil, errNotThere
	}
	root, err := h.Barrier.Root(in.Store, in.Epoch)
	if err != nil {
		return nil, errNotThere
	}
	defer clear(root)
	h.meter.gave()
	return h.sealed(state.Meta().ClusterID, to, in, root)
}

func (h *Holder) sealed(cluster string, to Peer, in call, root []byte) (*reply, error) {
	q := question{Cluster: cluster, Asker: to.ID, Answerer: h.Cluster.ID(), Store: in.Store, RootID: in.RootID, Epoch: in.Epoch}
	sealed, err := envelop(q, in.Public, root)
	if err != nil {
		return nil, err
	}
	return &reply{Sealed: sealed}, nil
}

// take gets the root key of a store that another master has just opened.
func (h *Holder) take(ctx context.Context, in call) error {
	for ctx.Err() == nil {
		if epoch, open := h.Barrier.Open(in.Store); open && epoch >= in.Epoch {
			return nil
		}
		if err := h.acquire(ctx, in.Store); errors.Is(err, errNotWanted) {
			return errNotThere
		}
		sleep(ctx, takePause) // an attempt that began before the other master had the keys
	}
	return errNotThere
}
