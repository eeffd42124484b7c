package directoryapi

import (
	"net/http"
	"strings"
	"testing"
)

// The command line advises --force by this word, and only by it: see client.NeedsForce.
func TestOnlyARefusalThatForceOverridesNamesIt(t *testing.T) {
	b := newBed(t)
	b.people(20, "all")
	b.call("POST", prefix+"/importgroup", `{"groupname":"all"}`).OK(t, http.StatusCreated)
	clear(b.fake.users)
	got := b.call("POST", ours+"/sync", "")
	if got.Want(t, http.StatusConflict, "ERR_CONFLICT"); !strings.Contains(string(got.Body), "`force`") {
		t.Errorf("got %s", got.Body)
	}
	done, err := b.api.begin()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	got = b.call("POST", ours+"/sync", "")
	if got.Want(t, http.StatusConflict, "ERR_CONFLICT"); strings.Contains(string(got.Body), "force") {
		t.Errorf("got %s", got.Body)
	}
}
