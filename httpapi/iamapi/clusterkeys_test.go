package iamapi

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/apitest"
	"gatehouse/keyring/autounseal"
)

const newClusterKey = "00112233445566ff"

// C19: the old cluster key stays until every master has said that it has the new one, also one that is cut off.
func TestHostileC19ClusterKeyWaitsForEveryMaster(t *testing.T) {
	h := newHouse(t, 3)
	old := apitest.Ring().PrimaryID()
	token, path := h.leader().rootToken(), "cluster-keys/"+newClusterKey+"/activate"
	both := []string{old, newClusterKey}
	h.holders = []KeyHolder{{"m1", "one", true, both}, {"m2", "two", true, []string{old}}, {"m3", "three", false, both}}
	h.leader().post(token, path, "").Fails(t, 409, "ERR_CONFLICT",
		"Every master must have the cluster key "+newClusterKey+" before it is activated: two (m2) does not have it, three (m3) does not answer.")
	h.holders[1].KeyIDs = both
	h.masters[1].post(token, path, "").Fails(t, 409, "ERR_CONFLICT",
		"Every master must have the cluster key "+newClusterKey+" before it is activated: three (m3) does not answer.")
	if got := h.leader().State().Meta().PrimaryKeyID; got != old {
		t.Fatalf("the primary key is %s, want still %s", got, old)
	}
	h.holders[2].Answered = true
	h.masters[1].post(token, path, "").Is(t, http.StatusOK)
	if got := h.leader().State().Meta().PrimaryKeyID; got != newClusterKey {
		t.Errorf("the primary key is %s, want %s", got, newClusterKey)
	}
	h.leader().post(token, path, "").Fails(t, 409, "ERR_CONFLICT", "The cluster key "+newClusterKey+" is primary already.")
	h.leader().post(token, "cluster-keys/"+old+"/activate", "").Is(t, http.StatusOK) // and back
}

func TestClusterKeyThatNobodyHasIsUnknown(t *testing.T) {
	h := newHouse(t, 1)
	token := h.leader().rootToken()
	for _, holders := range [][]KeyHolder{nil, {{"m1", "one", true, []string{"x"}}}, {{"m1", "one", false, []string{newClusterKey}}}} {
		h.holders = holders
		h.leader().post(token, "cluster-keys/"+newClusterKey+"/activate", "").Fails(t, 400, "ERR_UNKNOWN_KEY_ID", "Cluster key with id `"+newClusterKey+"` not known.")
	}
}

func TestRepeatedActivationOfAClusterKeyAnswersTheSame(t *testing.T) {
	h := newHouse(t, 1)
	h.holders = []KeyHolder{{"m1", "one", true, []string{newClusterKey}}}
	activate := func() apitest.Answer {
		return h.leader().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/cluster-keys/" + newClusterKey + "/activate", Token: h.leader().rootToken(),
			Header: map[string]string{"Idempotency-Key": "k"}})
	}
	first := activate().Is(t, http.StatusOK)
	if again := activate().Is(t, http.StatusOK); again.Body != first.Body {
		t.Errorf("repeated: %s, first: %s", again.Body, first.Body)
	}
}

func TestClusterKeysTellWhoHasThemAndWhatNeedsThem(t *testing.T) {
	h := newHouse(t, 2)
	old := apitest.Ring().PrimaryID()
	h.holders = []KeyHolder{{"m1", "one", true, []string{old, newClusterKey}}, {"m2", "two", true, []string{old}}, {"m3", "three", false, []string{old}}}
	h.Do(command.PrepareKey{SigningKey: *otherSigningKey()})
	var list array[clusterKey]
	h.masters[1].Call(apitest.Call{Method: "GET", Path: "/gatehouse/v1/cluster-keys", Token: h.leader().rootToken()}).Is(t, http.StatusOK).Into(t, &list)
	want := []clusterKey{
		{ID: old, Primary: true, Masters: []string{"m1", "m2"}, Unconfirmed: []string{"m3"}, SigningKeys: 2},
		{ID: newClusterKey, Masters: []string{"m1"}, Unconfirmed: []string{"m2", "m3"}},
	}
	if diff := cmp.Diff(want, list.Array); diff != "" {
		t.Errorf("cluster keys (-want +got):\n%s", diff)
	}
}

func TestTheSecretsOfTheDirectoryAreCounted(t *testing.T) {
	keys := apitest.Ring()
	txn := state.New().Begin()
	txn.PutDirectory(&iam.Directory{Host: "ldap", SealedLookupPassword: keys.Seal("a", []byte("x"), nil), SealedClientKey: keys.Seal("b", []byte("x"), nil)})
	want := map[string]sealings{keys.PrimaryID(): {directorySecrets: 2}}
	if diff := cmp.Diff(want, sealedBy(txn.Commit(1)), cmp.AllowUnexported(sealings{})); diff != "" {
		t.Errorf("what cluster keys seal (-want +got):\n%s", diff)
	}
}

func TestStoresThatOpenByTheClusterKeyAreCounted(t *testing.T) {
	store := func(name string, auto *secret.Auto) *secret.Store {
		return &secret.Store{Name: name, Seal: &secret.Seal{RootID: name, Auto: auto}}
	}
	txn := state.New().Begin()
	txn.PutStore(store("one", &secret.Auto{Method: autounseal.NameKeyFile, KeyID: "k1", Blob: []byte("b")}))
	txn.PutStore(store("two", &secret.Auto{Method: autounseal.NameKeyFile, KeyID: "k1", Blob: []byte("b")}))
	txn.PutStore(store("three", &secret.Auto{Method: autounseal.NamePKCS11, KeyID: "a1:root", Blob: []byte("b")})) // no cluster key
	txn.PutStore(store("four", nil))
	txn.PutStore(&secret.Store{Name: "five"})
	want := map[string]sealings{"k1": {autoUnseal: 2}}
	if diff := cmp.Diff(want, sealedBy(txn.Commit(1)), cmp.AllowUnexported(sealings{})); diff != "" {
		t.Errorf("what cluster keys seal (-want +got):\n%s", diff)
	}
}
