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
)

func (m *master) look(path string) answer {
	return m.do(call{method: "GET", path: "/acs/api/v1" + path})
}

func TestProvidersFollowTheEdition(t *testing.T) {
	for edition, want := range map[httpapi.Edition][]string{
		httpapi.Enterprise: {"dcos-services", "dcos-users"},
		httpapi.Open:       {"dcos-oidc-auth0", "dcos-services", "dcos-users"},
	} {
		h := newHouse(t, 1, func(o *Options) { o.Edition = edition })
		var got map[string]loginWay
		h.leader().do(call{method: "GET", path: "/acs/api/v1/auth/providers", header: map[string]string{"Authorization": "token="}}).ok(t, http.StatusOK).into(t, &got)
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", edition, got, want)
		}
		for _, id := range want {
			if got[id].AuthenticationType == "" {
				t.Errorf("%s lacks %s", edition, id)
			}
		}
	}
}

func TestProviderListsAndKeysAreAnsweredWithoutACluster(t *testing.T) {
	h := newHouse(t, 1)
	h.down = true
	for _, path := range []string{"/auth/oidc/providers", "/auth/saml/providers/"} {
		if got := h.leader().look(path).ok(t, http.StatusOK); got.body != "{}\n" {
			t.Errorf("GET %s: %q, want {}", path, got.body)
		}
	}
	h.leader().look("/auth/jwks").ok(t, http.StatusOK)
	h.leader().look("/auth/providers").ok(t, http.StatusOK)
	h.leader().look("/auth/logout").ok(t, http.StatusOK)
}

func TestKeysOfAMasterWithoutClusterAreNotReady(t *testing.T) {
	h := newHouse(t, 2)
	h.masters[1].look("/auth/jwks").want(t, 503, "ERR_NO_LEADER", "This master has not joined a cluster yet.")
}

func TestStartOfALoginKnowsNoProvider(t *testing.T) {
	h := newHouse(t, 1)
	browser := map[string]string{"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
	for _, query := range []string{"", "?", "?target=/x", "?oidc-provider=&saml-provider="} {
		h.leader().do(call{method: "GET", path: loginPath + query, header: browser}).
			want(t, 400, "ERR_MISSING_QUERY_PARAMETERS", "Expected query parameter `oidc-provider` or `saml-provider`.")
	}
	got := h.leader().do(call{method: "GET", path: loginPath + "?saml-provider=b&oidc-provider=a%20%22%0d%0aX:&target=//evil", header: browser}).ok(t, http.StatusSeeOther)
	want := "/?iam-error=The%20login%20provider%20with%20ID%20%27a%20%22%0D%0AX%3A%27%20is%20not%20known"
	if location := got.header.Get("Location"); location != want {
		t.Errorf("Location is %q, want %q", location, want)
	}
	h.leader().do(call{method: "GET", path: loginPath + "?saml-provider=b"}).want(t, 400, "", "The login provider with ID 'b' is not known")
}

func TestLogoutClearsOneCookie(t *testing.T) {
	h := newHouse(t, 1)
	got := h.leader().look("/auth/logout").ok(t, http.StatusOK)
	want := `dcos-acs-auth-cookie=""; Path=/; Expires=Sat, 01 Jan 2000 00:00:00 GMT; HttpOnly`
	if cookies := got.header["Set-Cookie"]; len(cookies) != 1 || cookies[0] != want {
		t.Errorf("cookies %q, want one: %q", cookies, want)
	}
	if got.body != "" {
		t.Errorf("body %q, want none", got.body)
	}
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
			got.ok(t, http.StatusInternalServerError)
			continue
		}
		want := "{\n  \"clusterConfiguration\": {\n    \"firstUser\": false,\n    \"id\": \"cluster-1\"\n  },\n  \"uiConfiguration\": {\n    \"a\": \"é\"\n  }\n}\n"
		if got.ok(t, http.StatusOK); got.body != want {
			t.Errorf("ui config\n%s\nwant\n%s", got.body, want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	h.leader().look("/uiconfig").ok(t, http.StatusInternalServerError)
}

func TestUIConfigShowsTheClusterIDThatIsSet(t *testing.T) {
	h := newHouse(t, 1, func(o *Options) { o.ClusterID = "shown-1" })
	for _, path := range []string{"/acs/api/v1/uiconfig", "/dcos-metadata/ui-config.json"} {
		var got struct{ ClusterConfiguration clusterConfiguration }
		h.leader().do(call{method: "GET", path: path}).ok(t, http.StatusOK).into(t, &got)
		if got.ClusterConfiguration.ID != "shown-1" {
			t.Errorf("GET %s: id %q, want shown-1", path, got.ClusterConfiguration.ID)
		}
	}
}

func TestFirstUserIsARegularOne(t *testing.T) {
	h := newHouse(t, 1)
	first := func() bool {
		var got struct{ ClusterConfiguration clusterConfiguration }
		h.leader().look("/uiconfig").ok(t, http.StatusOK).into(t, &got)
		return got.ClusterConfiguration.FirstUser
	}
	if first() {
		t.Error("firstUser is true beside the superuser")
	}
	token := h.leader().rootToken()
	h.leader().put(token, "robot", object("public_key", publicPEM(serviceKey()))).ok(t, http.StatusCreated)
	if first() {
		t.Error("firstUser is true beside the superuser and a service account")
	}
}

func TestInfoCookieIsASCIIAndShort(t *testing.T) {
	for _, c := range []struct{ description, want string }{
		{"Alice", `{"uid": "alice", "description": "Alice", "is_remote": false}`},
		{"é😀\u2028", `{"uid": "alice", "description": "\u00e9\ud83d\ude00\u2028", "is_remote": false}`},
		{"a;b\r\n<\"\\>&\x7f", `{"uid": "alice", "description": "a;b\u000d\u000a\u003c\"\\\u003e\u0026\u007f", "is_remote": false}`},
	} {
		if got := decodeInfo(t, infoValue("alice", c.description, false)); got != c.want {
			t.Errorf("info cookie of %q is %s, want %s", c.description, got, c.want)
		}
	}
	long := infoValue(strings.Repeat("u", 96), strings.Repeat("😀", 1024), true)
	if len(long) > maxInfoCookie {
		t.Errorf("info cookie of a long description has %d bytes, want at most %d", len(long), maxInfoCookie)
	}
	if text := decodeInfo(t, long); !strings.HasSuffix(text, `\ude00", "is_remote": true}`) {
		t.Errorf("cut info cookie ends with %q", text[len(text)-40:])
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
