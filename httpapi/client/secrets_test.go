package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/client"
)

// text is a secret as masters answer it, file one that is none but bytes.
func text(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", `"3.17"`)
	w.Header().Set("X-Gatehouse-Version", "3")
	w.Header().Set("X-Gatehouse-Expires", "2026-03-05T12:00:00Z")
	fmt.Fprint(w, `{"value":"hunter2","author":"alice","created":"2026-03-04T12:00:00Z","description":"d","labels":["a","b"],"new":1}`)
}

func file(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"1.9"`)
	w.Header().Set("X-Gatehouse-Version", "1")
	_, _ = w.Write([]byte{0, 0xff, '\n'})
}

func TestSecretsAreReadAsTheyAreStored(t *testing.T) {
	m := startMaster(t, text, file, text)
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	got, err := c.ReadSecret(t.Context(), "default", "/a/b c%2F")
	want := client.Secret{Value: []byte("hunter2"), Author: "alice", Description: "d", Labels: []string{"a", "b"},
		Created: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), Expires: time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC),
		SecretVersion: client.SecretVersion{Version: 3, ETag: `"3.17"`}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("text: %v (-want +got)\n%s", err, diff)
	}
	got, err = c.ReadSecretVersion(t.Context(), "default", "f", 1)
	want = client.Secret{Value: []byte{0, 0xff, '\n'}, Binary: true, SecretVersion: client.SecretVersion{Version: 1, ETag: `"1.9"`}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("file: %v (-want +got)\n%s", err, diff)
	}
	if got, err = c.StatSecret(t.Context(), "default", "f"); err != nil || got.Version != 3 || got.Value != nil {
		t.Errorf("stat: version %d, %v", got.Version, err)
	}
	var asked []string
	for _, a := range m.seen() {
		asked = append(asked, a.method+" "+a.path)
	}
	if diff := cmp.Diff([]string{"GET /secrets/v1/secret/default/a/b%20c%252F", "GET /secrets/v1/secret/default/f?version=1", "HEAD /secrets/v1/secret/default/f"}, asked); diff != "" {
		t.Errorf("asked (-want +got)\n%s", diff)
	}
}

func TestASecretThatIsKnownIsNotSentAgain(t *testing.T) {
	m := startMaster(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == `"3.17"` && r.Header.Get("Accept") == "*/*" {
			w.Header().Set("ETag", `"3.17"`)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		text(w, r)
	})
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	for etag, want := range map[string]bool{`"3.17"`: false, `"2.11"`: true} {
		s, changed, err := c.ReadSecretIfChanged(t.Context(), "default", "a", etag)
		if err != nil || changed != want || s.ETag != `"3.17"` || (s.Value != nil) != want {
			t.Errorf("%s: %v, changed %t, ETag %s", etag, err, changed, s.ETag)
		}
	}
}

// sent is a request with the headers that matter to a secret.
type sent struct{ Request, Kind, IfMatch, Key, Body string }

func TestSecretsAreWrittenAsTextOrAsFiles(t *testing.T) {
	var got []sent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, sent{r.Method + " " + r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header.Get("If-Match"), r.Header.Get("Idempotency-Key"), string(body)})
		w.Header().Set("ETag", `"4.18"`)
		w.Header().Set("X-Gatehouse-Version", "4")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "{}")
	}))
	defer server.Close()
	c := newClient(t, client.Options{Addresses: []string{server.URL}})
	ctx, hour, description, labels := t.Context(), time.Hour, "", []string{}
	for i, do := range []func() (client.SecretVersion, error){
		func() (client.SecretVersion, error) {
			return c.CreateSecret(ctx, "default", "a/b", client.NewSecret{Value: []byte("ä\n"), Description: "d", Labels: []string{"x"}, TTL: hour})
		},
		func() (client.SecretVersion, error) {
			return c.CreateSecret(ctx, "s", "a", client.NewSecret{Binary: true, Value: []byte(`{"value":"x"}`)})
		},
		func() (client.SecretVersion, error) { return c.CreateSecret(ctx, "s", "a", client.NewSecret{}) },
		func() (client.SecretVersion, error) {
			return c.CreateSecret(ctx, "s", "a", client.NewSecret{Binary: true})
		},
		func() (client.SecretVersion, error) {
			return c.UpdateSecret(ctx, "s", "a", client.SecretUpdate{Value: []byte("v"), IfMatch: `"3.17"`})
		},
		func() (client.SecretVersion, error) {
			return c.UpdateSecret(ctx, "s", "a", client.SecretUpdate{Description: &description, Labels: &labels, TTL: &hour})
		},
	} {
		if v, err := do(); err != nil || v != (client.SecretVersion{Version: 4, ETag: `"4.18"`}) {
			t.Errorf("%d: %+v, %v", i, v, err)
		}
	}
	const asJSON, asFile = "application/json", "application/octet-stream"
	want := []sent{
		{"PUT /secrets/v1/secret/default/a/b?ttl=1h0m0s", asJSON, "", "", `{"value":"ä\n","description":"d","labels":["x"]}`},
		{"PUT /secrets/v1/secret/s/a", asFile, "", "", `{"value":"x"}`},
		{"PUT /secrets/v1/secret/s/a", asJSON, "", "", `{"value":""}`},
		{"PUT /secrets/v1/secret/s/a", asFile, "", "", ``},
		{"PATCH /secrets/v1/secret/s/a", asJSON, `"3.17"`, "", `{"value":"v"}`},
		{"PATCH /secrets/v1/secret/s/a?ttl=1h0m0s", asJSON, "", "", `{"description":"","labels":[]}`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sent (-want +got)\n%s", diff)
	}
}

func TestSecretsThatCannotBeAreNotSent(t *testing.T) {
	m := startMaster(t, fine)
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	write := func(path string, s client.NewSecret) error {
		_, err := c.CreateSecret(t.Context(), "default", path, s)
		return err
	}
	for name, err := range map[string]error{
		"no text":     write("a", client.NewSecret{Value: []byte{0xff}}),
		"description": write("a", client.NewSecret{Binary: true, Description: "d"}),
		"no path":     write("", client.NewSecret{}),
		"directory":   write("a/", client.NewSecret{}),
		"two slashes": write("//a", client.NewSecret{}),
		"dots":        write("a/../b", client.NewSecret{}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if seen := m.seen(); len(seen) > 0 {
		t.Errorf("asked %+v", seen)
	}
}

// The masters keep a hash of what came under a key, and values can be guessed: writes of them have none, and are not repeated.
func TestAValueThatMayHaveBeenWrittenIsNotSentAgain(t *testing.T) {
	m := startMaster(t, hangsUp)
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	_, errPut := c.CreateSecret(t.Context(), "default", "a", client.NewSecret{Value: []byte("hunter2")})
	_, errPatch := c.UpdateSecret(t.Context(), "default", "a", client.SecretUpdate{Binary: true, Value: []byte("{}")})
	if !client.OutcomeUnknown(errPut) || !client.OutcomeUnknown(errPatch) {
		t.Errorf("got %v and %v, want unknown outcomes", errPut, errPatch)
	}
	if seen := m.seen(); len(seen) != 2 || seen[0].key != "" || seen[1].key != "" {
		t.Errorf("asked %+v, want each once without a key", seen)
	}
}

// changesOfStores are the other methods that change something, and what they send. Those that have a key, or that do no harm twice, are
// repeated.
var changesOfStores = []struct {
	request, body string
	keyed, once   bool
	do            func(t *testing.T, c *client.Client) error
}{
	{"DELETE /secrets/v1/secret/default/a/b", ``, true, false, func(t *testing.T, c *client.Client) error {
		return c.DeleteSecret(t.Context(), "default", "a/b", "")
	}},
	{"PUT /secrets/v1/renew/default/a/b", `{"duration":"1h0m0s"}`, true, false, func(t *testing.T, c *client.Client) error {
		return c.RenewSecret(t.Context(), "default", "a/b", time.Hour)
	}},
	{"PUT /secrets/v1/revoke/default/a", ``, true, false, func(t *testing.T, c *client.Client) error { return c.RevokeSecret(t.Context(), "default", "a") }},
	{"POST /gatehouse/v1/secrets/default/undelete/a/b", ``, true, false, func(t *testing.T, c *client.Client) error {
		return c.UndeleteSecret(t.Context(), "default", "a/b")
	}},
	{"POST /gatehouse/v1/secrets/default/purge/a", ``, true, false, func(t *testing.T, c *client.Client) error {
		return c.PurgeSecret(t.Context(), "default", "a")
	}},
	{"PUT /secrets/v1/store/pay", `{"description":"d"}`, true, false, func(t *testing.T, c *client.Client) error {
		return c.CreateStore(t.Context(), client.NewStore{Name: "pay", Description: "d"})
	}},
	{"PATCH /gatehouse/v1/secrets/pay", `{"max_versions":3}`, true, false, func(t *testing.T, c *client.Client) error {
		three := 3
		return c.UpdateStore(t.Context(), "pay", client.StoreSettings{MaxVersions: &three})
	}},
	{"DELETE /secrets/v1/store/pay?force=true", ``, true, false, func(t *testing.T, c *client.Client) error { return c.DeleteStore(t.Context(), "pay", true) }},
	{"PUT /secrets/v1/seal/default", ``, false, false, func(t *testing.T, c *client.Client) error { return c.Seal(t.Context(), "default") }},
	{"PUT /secrets/v1/unseal/default", `{"key":"00ff"}`, false, false, func(t *testing.T, c *client.Client) error {
		_, err := c.Unseal(t.Context(), "default", "00ff")
		return err
	}},
	{"PUT /secrets/v1/unseal/default", `{"reset":true}`, false, false, func(t *testing.T, c *client.Client) error {
		_, err := c.ResetUnseal(t.Context(), "default")
		return err
	}},
	{"PUT /secrets/v1/auto-unseal/default", ``, false, false, func(t *testing.T, c *client.Client) error {
		_, err := c.AutoUnseal(t.Context(), "default")
		return err
	}},
	{"PUT /secrets/v1/init/default", `{"shares":2,"threshold":2,"pgp_keys":["AA==","AQ=="]}`, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.InitStore(t.Context(), "default", client.NewShares{Shares: 2, Threshold: 2, PGPKeys: []string{"AA==", "AQ=="}})
		return err
	}},
	{"POST /gatehouse/v1/secrets/default/rekey", `{"shares":1,"threshold":1,"auto_unseal":true}`, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.StartRekey(t.Context(), "default", client.NewShares{Shares: 1, Threshold: 1, AutoUnseal: true})
		return err
	}},
	{"PUT /gatehouse/v1/secrets/default/rekey", `{"nonce":"n","key":"00ff"}`, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.RekeyShare(t.Context(), "default", "n", "00ff")
		return err
	}},
	{"PUT /gatehouse/v1/secrets/default/rekey", `{"nonce":"n","auto":true}`, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.RekeyAuto(t.Context(), "default", "n")
		return err
	}},
	{"PUT /gatehouse/v1/secrets/default/rekey/verify", `{"nonce":"n","key":"00ff"}`, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.VerifyRekey(t.Context(), "default", "n", "00ff")
		return err
	}},
	{"DELETE /gatehouse/v1/secrets/default/rekey", ``, false, true, func(t *testing.T, c *client.Client) error { return c.CancelRekey(t.Context(), "default") }},
	{"POST /gatehouse/v1/secrets/default/rotate", ``, false, true, func(t *testing.T, c *client.Client) error {
		_, err := c.RotateStore(t.Context(), "default")
		return err
	}},
}

func TestChangesOfStoresAreRepeatedWhenThatIsRight(t *testing.T) {
	for _, tt := range changesOfStores {
		m := startMaster(t, hangsUp, fine)
		err := tt.do(t, newClient(t, client.Options{Addresses: []string{m.URL}}))
		seen := m.seen()
		if len(seen) == 0 || seen[0].method+" "+seen[0].path != tt.request || seen[0].body != tt.body || (seen[0].key != "") != tt.keyed {
			t.Errorf("asked %+v, want %s with %q, key %t", seen, tt.request, tt.body, tt.keyed)
		}
		if tt.once != client.OutcomeUnknown(err) || tt.once != (len(seen) == 1) || !tt.once && err != nil {
			t.Errorf("%s: %v after %d requests", tt.request, err, len(seen))
		}
	}
}

func TestStoresAndTheirSealsAreRead(t *testing.T) {
	_, c := answers(t, map[string]string{
		"GET /secrets/v1/store":                          `{"array":[{"name":"default","description":"d","driver":"vault","initialized":true,"sealed":true}]}`,
		"GET /gatehouse/v1/secrets/default":              `{"name":"default","sealed":false,"epoch":4,"shares":5,"threshold":3,"max_versions":10,"undelete":"168h0m0s","auto_unseal":"key-file","terms":[1,2],"secrets":7,"bytes":9}`,
		"GET /secrets/v1/seal-status/default":            `{"sealed":true,"threshold":3,"shares":5,"progress":2,"nonce":"n"}`,
		"GET /secrets/v1/init/default":                   `{"initialized":true,"keys":["c1"],"pgp_fingerprints":["f1"],"recovery_keys":[],"root_token":""}`,
		"GET /gatehouse/v1/secrets/default/rekey":        `{"stage":"shares","nonce":"n","shares":3,"threshold":2,"progress":1,"required":2,"auto_unseal":false,"pgp_fingerprints":[]}`,
		"GET /secrets/v1/secret/default/?list=true":      `{"array":["a","b/c"]}`,
		"GET /secrets/v1/secret/default/b/d?list=true":   `{"array":[]}`,
		"PUT /secrets/v1/unseal/default":                 `{"sealed":false,"threshold":3,"shares":5,"progress":0,"unreached":["m3"]}`,
		"PUT /gatehouse/v1/secrets/default/rekey":        `{"stage":"verify","nonce":"n","keys":["k1","k2"]}`,
		"POST /gatehouse/v1/secrets/default/rotate":      `{"term":3}`,
		"GET /gatehouse/v1/secrets/default/rekey?x=y":    ``,
		"GET /gatehouse/v1/secrets/default/nothing/else": ``,
	})
	ctx := t.Context()
	for name, row := range map[string]struct {
		got  func() (any, error)
		want any
	}{
		"stores": {func() (any, error) { return c.Stores(ctx) }, []client.Store{{Name: "default", Description: "d", Driver: "vault", Initialized: true, Sealed: true}}},
		"store": {func() (any, error) { return c.Store(ctx, "default") }, client.StoreDetails{Store: client.Store{Name: "default"}, Epoch: 4, Shares: 5, Threshold: 3,
			MaxVersions: 10, Undelete: "168h0m0s", AutoUnseal: "key-file", Terms: []uint32{1, 2}, Secrets: 7, Bytes: 9}},
		"status":  {func() (any, error) { return c.SealStatus(ctx, "default") }, client.SealStatus{Sealed: true, Threshold: 3, Shares: 5, Progress: 2, Nonce: "n"}},
		"init":    {func() (any, error) { return c.InitStatus(ctx, "default") }, client.Initialization{Initialized: true, Keys: []string{"c1"}, Fingerprints: []string{"f1"}}},
		"rekey":   {func() (any, error) { return c.RekeyStatus(ctx, "default") }, client.Rekey{Stage: "shares", Nonce: "n", Shares: 3, Threshold: 2, Progress: 1, Required: 2, Fingerprints: []string{}}},
		"list":    {func() (any, error) { return c.ListSecrets(ctx, "default", "") }, []string{"a", "b/c"}},
		"nothing": {func() (any, error) { return c.ListSecrets(ctx, "default", "/b/d/") }, []string{}},
		"unseal":  {func() (any, error) { return c.Unseal(ctx, "default", "00") }, client.SealStatus{Threshold: 3, Shares: 5, Unreached: []string{"m3"}}},
		"shares":  {func() (any, error) { return c.RekeyShare(ctx, "default", "n", "00") }, client.Rekey{Stage: "verify", Nonce: "n", Keys: []string{"k1", "k2"}}},
		"rotate":  {func() (any, error) { return c.RotateStore(ctx, "default") }, uint32(3)},
	} {
		got, err := row.got()
		if diff := cmp.Diff(row.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
}

// A sealed store does not open by waiting.
func TestASealedStoreIsReportedAtOnce(t *testing.T) {
	m := startMaster(t, says(503, "ERR_STORE_SEALED"))
	_, err := newClient(t, client.Options{Addresses: []string{m.URL}}).ReadSecret(t.Context(), "default", "a")
	if !client.IsCode(err, "ERR_STORE_SEALED") || len(m.seen()) != 1 {
		t.Errorf("got %v after %d requests", err, len(m.seen()))
	}
}

// An answer that is no secret does not show in the error: it may be one all the same.
func TestAnswersThatAreNoSecretDoNotShow(t *testing.T) {
	m := startMaster(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"value":hunter2}`) })
	_, err := newClient(t, client.Options{Addresses: []string{m.URL}}).ReadSecret(t.Context(), "default", "a")
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "'h'") {
		t.Errorf("got %v", err)
	}
}

// Whatever somebody prints or logs, and inside whatever, no value, description or share is in it.
func TestValuesAndSharesDoNotShow(t *testing.T) {
	const planted = "hunter2"
	labels := []string{planted}
	text := planted
	holders := []any{
		client.Secret{Value: []byte(planted), Author: planted, Description: planted, Labels: labels},
		client.NewSecret{Value: []byte(planted), Author: planted, Description: planted, Labels: labels},
		client.SecretUpdate{Value: []byte(planted), Author: &text, Description: &text, Labels: &labels},
		client.Initialization{Keys: labels},
		client.Rekey{Keys: labels},
		client.OIDCProvider{Issuer: "https://i", ClientSecret: planted},
		client.Directory{Host: "h", LookupPassword: planted, ClientCert: planted},
	}
	for _, holder := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			shown := fmt.Sprintf(verb+verb, holder, []any{holder}) + fmt.Sprintf(verb, &holder)
			if strings.Contains(shown, planted) || strings.Contains(shown, fmt.Sprintf("%x", planted)) || strings.Contains(shown, "104 117 110") {
				t.Errorf("%T with %s shows %s", holder, verb, shown)
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "it", holder, "inside", slog.AnyValue(holder))
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "it", holder)
		if strings.Contains(log.String(), planted) {
			t.Errorf("%T is logged: %s", holder, log.String())
		}
		encoded, err := json.Marshal([]any{holder, struct{ Holder any }{holder}})
		if err != nil || strings.Contains(string(encoded), planted) || strings.Contains(string(encoded), "aHVudGVyMg") {
			t.Errorf("%T is encoded: %s, %v", holder, encoded, err)
		}
	}
}

func TestHistoryAndChangesOfSecretsAreRead(t *testing.T) {
	_, c := answers(t, map[string]string{
		"GET /gatehouse/v1/secrets/default/versions/a/b":                         `{"path":"a/b","deleted":true,"ends":"2026-03-05T12:00:00Z","array":[{"version":3,"created":"2026-03-04T12:00:00Z","etag":"\"3.17\"","bytes":77}]}`,
		"GET /gatehouse/v1/secrets/default/deleted/":                             `{"array":[{"path":"a/b","version":3,"until":"2026-03-05T12:00:00Z"}]}`,
		"GET /gatehouse/v1/secrets/default/deleted/a":                            `{"array":[]}`,
		"GET /gatehouse/v1/secrets/default/watch":                                `{"index":7,"reset":false,"array":[]}`,
		"GET /gatehouse/v1/secrets/default/watch?index=7&prefix=a&wait=1m0s":     `{"index":9,"reset":true,"array":[{"path":"a/b","version":3,"event":"delete","index":9}]}`,
		"GET /gatehouse/v1/secrets/default/space?path=a%2Fb&service=%2Fa%2Fmain": `{"path":"a/b","service":"/a/main","readable":true}`,
	})
	ctx, end := t.Context(), time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		got  func() (any, error)
		want any
	}{
		"history": {func() (any, error) { return c.History(ctx, "default", "/a/b") }, client.SecretHistory{Path: "a/b", Deleted: true, Ends: end,
			Versions: []client.SecretRecord{{Version: 3, Created: end.Add(-24 * time.Hour), ETag: `"3.17"`, Bytes: 77}}}},
		"deleted":       {func() (any, error) { return c.DeletedSecrets(ctx, "default", "/") }, []client.DeletedSecret{{Path: "a/b", Version: 3, Until: end}}},
		"deleted below": {func() (any, error) { return c.DeletedSecrets(ctx, "default", "a/") }, []client.DeletedSecret{}},
		"now":           {func() (any, error) { return c.WatchSecrets(ctx, "default", "", 0, time.Hour) }, client.SecretChanges{Index: 7, Changes: []client.SecretChange{}}},
		"changes": {func() (any, error) { return c.WatchSecrets(ctx, "default", "/a", 7, time.Hour) }, client.SecretChanges{Index: 9, Reset: true,
			Changes: []client.SecretChange{{Path: "a/b", Version: 3, Event: "delete", Index: 9}}}},
		"space": {func() (any, error) { return c.Readable(ctx, "default", "a/b", "/a/main") }, true},
	} {
		got, err := row.got()
		if diff := cmp.Diff(row.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
}

// A master may keep a watch open for longer than other requests; how long it waits counts beside the timeout of an attempt.
func TestAWatchIsNotCutOff(t *testing.T) {
	m := startMaster(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(400 * time.Millisecond):
			fmt.Fprint(w, `{"index":8,"array":[]}`)
		}
	})
	c := newClient(t, client.Options{Addresses: []string{m.URL}, AttemptTimeout: 100 * time.Millisecond, Patience: -1})
	changes, err := c.WatchSecrets(t.Context(), "default", "", 7, 30*time.Second)
	if err != nil || changes.Index != 8 {
		t.Errorf("got %+v, %v", changes, err)
	}
}
