package iamapi

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/keyring"
	"gatehouse/keyring/autounseal"
)

// clusterKey is a key of the key files, and who has it.
type clusterKey struct {
	ID      string `json:"id"`
	Primary bool   `json:"primary"`
	// Masters have said just now that they have the key; Unconfirmed have it not, or did not answer. Both are server ids.
	Masters     []string `json:"masters"`
	Unconfirmed []string `json:"unconfirmed"`
	// SigningKeys is how many keys that sign tokens are sealed by it.
	SigningKeys int `json:"signing_keys"`
	// ClientSecrets is how many client secrets of identity providers are.
	ClientSecrets int `json:"client_secrets"`
	// DirectorySecrets is how many secrets of the directory's configuration are.
	DirectorySecrets int `json:"directory_secrets"`
	// AutoUnseal is how many secret stores that open by themselves are.
	AutoUnseal int `json:"auto_unseal"`
}

// sealings counts what a cluster key seals in the state.
type sealings struct{ signingKeys, clientSecrets, directorySecrets, autoUnseal int }

// listClusterKeys asks every master which keys it has. Any of them can be asked, and no key is ever shown but its id.
func (a *api) listClusterKeys(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	holders := a.Masters.KeyHolders(ctx)
	primary := r.State.Meta().PrimaryKeyID
	sealed := sealedBy(r.State)
	list := array[clusterKey]{Array: []clusterKey{}}
	for _, id := range keyIDs(r.State, holders) {
		k := clusterKey{ID: id, Primary: id == primary, Masters: []string{}, Unconfirmed: []string{}}
		for _, h := range holders {
			if h.has(id) {
				k.Masters = append(k.Masters, h.ID)
			} else {
				k.Unconfirmed = append(k.Unconfirmed, h.ID)
			}
		}
		n := sealed[id]
		k.SigningKeys, k.ClientSecrets, k.DirectorySecrets, k.AutoUnseal = n.signingKeys, n.clientSecrets, n.directorySecrets, n.autoUnseal
		list.Array = append(list.Array, k)
	}
	return &httpapi.Response{Body: list}, nil
}

// keyIDs are the keys that somebody has or needs, the primary first.
func keyIDs(s *state.State, holders []KeyHolder) []string {
	var ids []string
	for _, h := range holders {
		ids = append(ids, h.KeyIDs...)
	}
	ids = slices.AppendSeq(ids, maps.Keys(sealedBy(s)))
	slices.Sort(ids)
	primary := s.Meta().PrimaryKeyID
	ids = slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id == primary })
	return append([]string{primary}, ids...)
}

// sealedBy counts what each cluster key seals.
func sealedBy(s *state.State) map[string]sealings {
	all := map[string]sealings{}
	count := func(id string, add func(*sealings)) {
		n := all[id]
		add(&n)
		all[id] = n
	}
	countSealed := func(sealed []byte, add func(*sealings)) {
		if id, err := keyring.SealedKeyID(sealed); err == nil {
			count(id, add)
		}
	}
	for _, k := range s.SigningKeys() {
		countSealed(k.Sealed, func(n *sealings) { n.signingKeys++ })
	}
	for p := range s.Providers() {
		if p.OIDC != nil {
			countSealed(p.OIDC.SealedSecret, func(n *sealings) { n.clientSecrets++ })
		}
	}
	if d := s.Directory(); d != nil {
		countSealed(d.SealedLookupPassword, func(n *sealings) { n.directorySecrets++ })
		countSealed(d.SealedClientKey, func(n *sealings) { n.directorySecrets++ })
	}
	for store := range s.Stores() {
		if seal := store.Seal; seal != nil && seal.Auto != nil && seal.Auto.Method == autounseal.NameKeyFile {
			count(seal.Auto.KeyID, func(n *sealings) { n.autoUnseal++ })
		}
	}
	return all
}

func (h *KeyHolder) has(id string) bool { return h.Answered && slices.Contains(h.KeyIDs, id) }

// activatedClusterKey tells the operator what happens next.
type activatedClusterKey struct {
	ID          string `json:"id"`
	Description string `json:"description"`
}

const clusterKeyHint = "From now on the masters seal with this key, and the leader seals the signing keys anew. " +
	"Keep the old key in every key file: what lies on the disks of the masters is still sealed by it."

// activateClusterKey makes a key primary. Every configured server must have said just now that it has the key: one that has not
// could not open the signing keys any more, and would be left behind (hostile C19).
func (a *api) activateClusterKey(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id := r.Param("id")
	if !repeated(r) {
		if err := a.mayActivate(ctx, r.State, id); err != nil {
			return nil, err
		}
	}
	outcome, err := a.Submitter.Submit(ctx, a.header(r, http.StatusOK), command.SetPrimaryKey{KeyID: id})
	if err != nil {
		return nil, err
	}
	a.Logger.InfoContext(ctx, "cluster key activated", slog.String("key_id", id), slog.String("by", r.Caller.UID), slog.String("request", r.ID))
	return &httpapi.Response{Body: activatedClusterKey{ID: id, Description: clusterKeyHint}, Index: outcome.Index}, nil
}

func (a *api) mayActivate(ctx context.Context, s *state.State, id string) error {
	if id == s.Meta().PrimaryKeyID {
		return fault.New(fault.Conflict, "The cluster key %s is primary already.", id)
	}
	var without []string
	holders := a.Masters.KeyHolders(ctx)
	for _, h := range holders {
		switch {
		case !h.Answered:
			without = append(without, h.Name+" ("+h.ID+") does not answer")
		case !h.has(id):
			without = append(without, h.Name+" ("+h.ID+") does not have it")
		}
	}
	if !slices.ContainsFunc(holders, func(h KeyHolder) bool { return h.has(id) }) {
		return fault.New(fault.UnknownKey, "Cluster key with id `%s` not known.", id)
	}
	if len(without) > 0 {
		return fault.New(fault.Conflict, "Every master must have the cluster key %s before it is activated: %s.", id, strings.Join(without, ", "))
	}
	return nil
}
