package iamapi

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
)

func (m *master) look(path string) apitest.Answer {
	return m.Call(apitest.Call{Method: "GET", Path: "/acs/api/v1" + path})
}

func TestKeysOfAMasterWithoutClusterAreNotReady(t *testing.T) {
	h := newHouse(t, 2)
	h.masters[1].look("/auth/jwks").Fails(t, 503, "ERR_NO_LEADER", "This master has not joined a cluster yet.")
}

func TestUIConfigExtendsTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ui-config.json")
	h := newHouse(t, 1, func(o *Options) { o.UIConfigFile = file })
	for text, ok := range map[string]bool{`[]`: false, `null`: false, `{`: false, strings.Repeat(" ", maxUIConfig) + "{}": false, `{"uiConfiguration":{"a":"é"},"clusterConfiguration":1}`: true} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := h.leader().look("/uiconfig/")
		if !ok {
			got.Is(t, http.StatusInternalServerError)
			continue
		}
		want := "{\n  \"clusterConfiguration\": {\n    \"firstUser\": false,\n    \"id\": \"cluster-1\"\n  },\n  \"uiConfiguration\": {\n    \"a\": \"é\"\n  }\n}\n"
		if got.Is(t, http.StatusOK); got.Body != want {
			t.Errorf("ui config\n%s\nwant\n%s", got.Body, want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	h.leader().look("/uiconfig").Is(t, http.StatusInternalServerError)
}

func TestUIConfigShowsTheClusterIDThatIsSet(t *testing.T) {
	h := newHouse(t, 1, func(o *Options) { o.ClusterID = "shown-1" })
	for _, path := range []string{"/acs/api/v1/uiconfig", "/dcos-metadata/ui-config.json"} {
		var got struct{ ClusterConfiguration clusterConfiguration }
		h.leader().Call(apitest.Call{Method: "GET", Path: path}).Is(t, http.StatusOK).Into(t, &got)
		if got.ClusterConfiguration.ID != "shown-1" {
			t.Errorf("GET %s: id %q, want shown-1", path, got.ClusterConfiguration.ID)
		}
	}
}

func TestFirstUserIsARegularOne(t *testing.T) {
	h := newHouse(t, 1)
	first := func() bool {
		var got struct{ ClusterConfiguration clusterConfiguration }
		h.leader().look("/uiconfig").Is(t, http.StatusOK).Into(t, &got)
		return got.ClusterConfiguration.FirstUser
	}
	if first() {
		t.Error("firstUser is true beside the superuser")
	}
	token := h.leader().rootToken()
	h.leader().put(token, "robot", apitest.Object("public_key", apitest.PublicPEM(apitest.ServiceKey()))).Is(t, http.StatusCreated)
	if first() {
		t.Error("firstUser is true beside the superuser and a service account")
	}
}

func TestFirstUserIsTrueUntilThereIsARegularOne(t *testing.T) {
	a := newAPI(Options{})
	empty := state.New()
	txn := empty.Begin()
	txn.PutUser(&iam.User{UID: "robot", PublicKey: "key", ProviderType: iam.Internal})
	service := txn.Commit(1)
	txn = service.Begin()
	txn.PutUser(&iam.User{UID: "alice", PasswordHash: "hash", ProviderType: iam.Internal})
	for want, s := range map[string]*state.State{"true, no user": empty, "true, a service account": service, "false, a user": txn.Commit(2)} {
		got, err := a.uiConfig(t.Context(), &httpapi.Request{State: s})
		if err != nil {
			t.Fatal(err)
		}
		first := got.Body.(map[string]any)["clusterConfiguration"].(clusterConfiguration).FirstUser
		if first != strings.HasPrefix(want, "true") {
			t.Errorf("firstUser is %v, want %s", first, want)
		}
	}
}
