package secretsapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi/apitest"
)

// rows are requests of every row that looks at secrets.
var rows = []struct{ method, path, body string }{
	{"GET", base + "a", ""}, {"GET", base + "?list=true", ""}, {"GET", strings.TrimSuffix(base, "/") + "?list=true", ""}, {"PUT", base + "b", `{"value":"1"}`}, {"PATCH", base + "a", `{"value":"1"}`},
	{"DELETE", base + "a", ""}, {"PUT", "/secrets/v1/renew/default/a", `{"duration":"1h"}`}, {"PUT", "/secrets/v1/revoke/default/a", ""},
	{"GET", "/gatehouse/v1/secrets/default/versions/a", ""}, {"GET", "/gatehouse/v1/secrets/default/deleted/", ""},
	{"GET", "/gatehouse/v1/secrets/default/watch", ""}, {"POST", "/gatehouse/v1/secrets/default/undelete/a", ""},
	{"POST", "/gatehouse/v1/secrets/default/purge/a", ""},
}

func everyRow(t *testing.T, u user, status int, code string) {
	t.Helper()
	for _, r := range rows {
		var body []byte
		if r.body != "" {
			body = []byte(r.body)
		}
		u.do(r.method, r.path, body).Want(t, status, code)
	}
}

func TestASealedStoreAnswersNothingOnAnyMaster(t *testing.T) {
	h := newHouse(t, 2)
	h.superuser().put(t, "a", "1")
	h.Do(command.SealStore{Name: secret.Default})
	for _, m := range h.Masters {
		everyRow(t, h.as(apitest.Root, m), http.StatusServiceUnavailable, "ERR_STORE_SEALED")
	}
	h.Put("nobody")
	everyRow(t, h.as("nobody", h.Follower()), http.StatusForbidden, "ERR_FORBIDDEN")
}

func TestAClusterThatIsNotThatFarYetIsBusy(t *testing.T) {
	h := newHouse(t, 2, func(_ *Options, o *apitest.Options) { o.Level = command.LevelPermissions })
	edge := h.as(apitest.Root, h.Follower())
	everyRow(t, edge, http.StatusServiceUnavailable, "ERR_BUSY")
	if got := edge.do("PUT", base+"a", jsonOf("1")); got.Header.Get("Retry-After") != "10" {
		t.Errorf("to be asked again after %q", got.Header.Get("Retry-After"))
	}
	if seen := h.Leader().Audits.String(); seen != "" {
		t.Errorf("handed on to the leader, which may not know the row: %s", seen)
	}
	everyRow(t, h.superuser(), http.StatusServiceUnavailable, "ERR_BUSY")
}

func TestAMasterWithoutKeysAsksBeforeItRefuses(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	h.superuser().put(t, "a", "1")
	p := of(h.Follower())
	if got := u.value(t, "a"); got != "1" || p.ensure.Load() != 1 {
		t.Errorf("read %q, asked %d times", got, p.ensure.Load())
	}
	p.Refuse(secret.Default, epochOf(h))
	p.lacks.Store(true)
	u.get(base+"a").Want(t, 503, "ERR_STORE_SEALED")
	u.get(base+"?list=true").Want(t, 503, "ERR_STORE_SEALED")
}

func TestADamagedSecretIsNamedInTheLogAndOthersGoOn(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	u.put(t, "whole", "1")
	u.put(t, "moved", "canary-value-1")
	from, _ := h.Leader().State().Secret(secret.Default, "moved")
	h.Do(command.CreateSecret{Store: secret.Default, Path: "there", Epoch: epochOf(h), Born: from.Born,
		Version: command.VersionData{Number: 1, Term: 1, Sealed: from.Versions[0].Sealed}})
	u.get(base+"there").Want(t, 500, "ERR_STORE_DAMAGED")
	if got := u.value(t, "whole"); got != "1" {
		t.Errorf("read %q", got)
	}
	if logs := h.Leader().Logs.String(); !strings.Contains(logs, `"path":"there"`) || strings.Contains(logs, "canary") {
		t.Errorf("logged: %s", logs)
	}
	u.do("PATCH", base+"there", []byte(`{"description":"x"}`)).Want(t, 500, "ERR_STORE_DAMAGED")
	u.do("PATCH", base+"there", jsonOf("repaired")).OK(t, 204)
	if got := u.value(t, "there"); got != "repaired" {
		t.Errorf("read %q", got)
	}
}

func TestHostileS25NothingThatWasSentIsRepeatedOrLogged(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	const canary = "canary-4711"
	for _, body := range []string{`"` + canary + `"`, `{"value":{"x":"` + canary + `"}}`, `{"value":"` + canary + `","ttl":"` + canary + `"}`, `{"value":["` + canary, canary,
		`{"value":"` + canary + `","labels":"` + canary + `"}`, `{"value":"` + canary + `","author":7}`} {
		if got := u.do("PUT", base+"a", []byte(body)); got.Status != 400 || strings.Contains(got.Body, canary) {
			t.Errorf("%s: got %d %s", body, got.Status, got.Body)
		}
	}
	u.put(t, "a", canary)
	u.do("PATCH", base+"a", jsonOf(canary+"2")).OK(t, 204)
	u.get(base+"a").OK(t, 200)
	for _, m := range h.Masters {
		if strings.Contains(m.Logs.String(), canary) || strings.Contains(m.Audits.String(), canary) {
			t.Errorf("%s wrote it down", m.ID())
		}
	}
}

func TestADeletedSecretComesBackWithItsHistory(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	const ours = "/gatehouse/v1/secrets/default/"
	u.put(t, "a/b", "1")
	u.do("PATCH", base+"a/b", jsonOf("2")).OK(t, 204)
	u.do("POST", ours+"undelete/a/b", nil).Want(t, 409, "ERR_SECRET_EXISTS")
	u.do("POST", ours+"undelete/none", nil).Want(t, 404, "ERR_UNKNOWN_SECRET")
	u.do("DELETE", base+"a/b", nil).OK(t, 204)
	var list struct{ Array []gone }
	u.get(ours+"deleted/a").OK(t, 200).Into(t, &list)
	if want := []gone{{"a/b", 2, "2030-01-01T13:00:00Z"}}; !cmp.Equal(list.Array, want) {
		t.Errorf("deleted: %+v, want %+v", list.Array, want)
	}
	u.do("POST", ours+"undelete/%2Fa/b", nil).OK(t, 204)
	if got := u.value(t, "a/b"); got != "2" {
		t.Errorf("read %q", got)
	}
	var history struct{ Array []version }
	u.get(ours+"versions/a/b").OK(t, 200).Into(t, &history)
	if len(history.Array) != 2 || history.Array[0].Version != 2 {
		t.Errorf("history: %+v", history.Array)
	}
	u.do("POST", ours+"purge/a/b", nil).OK(t, 204)
	u.do("POST", ours+"purge/a/b", nil).Want(t, 404, "ERR_UNKNOWN_SECRET")
	u.get(ours+"versions/a/b").Want(t, 404, "ERR_UNKNOWN_SECRET")
	if got := u.put(t, "a/b", "3").Header.Get("X-Gatehouse-Version"); got != "3" {
		t.Errorf("numbers go on at %s", got)
	}
	u.get(base+"a/b?version=1").Want(t, 404, "ERR_UNKNOWN_SECRET")
	u.get(base+"a/b?version=x").Want(t, 400, "ERR_INVALID_DATA")
}

func TestSpacesAnswerByTheirRule(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	for _, c := range []struct {
		path, service, want string
	}{{"group/secret", "/marathon-user/service", "false"}, {"group/secret", "/group/hdfs/service", "true"}, {"group/hdfs/secret", "/group/spark/service", "false"},
		{"hdfs/secret", "/hdfs", "true"}, {"secret", "/any", "true"}} {
		got := u.get("/gatehouse/v1/secrets/default/space?path="+c.path+"&service="+c.service).OK(t, 200)
		if !strings.Contains(got.Body, `"readable": `+c.want) {
			t.Errorf("%s for %s: %s, want %s", c.path, c.service, got.Body, c.want)
		}
	}
	u.get("/gatehouse/v1/secrets/default/space?path=a/../b&service=/a").Want(t, 400, "ERR_INVALID_SECRET_PATH")
}

// patience bounds what a test waits for.
const patience = 20 * time.Second
