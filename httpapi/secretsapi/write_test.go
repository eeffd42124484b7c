package secretsapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi/apitest"
)

func TestHostileS23ValuesComeBackByteByByte(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	binary := string([]byte{0, 1, 0xff, 0xfe, '\n', '"', '{'})
	for i, value := range []string{"", "x", "ä\u2028\"\\\n\t\x01\x00\x7f", strings.Repeat("é", 1<<19), strings.Repeat("\x01", 1<<20)} {
		path := fmt.Sprintf("text%d", i)
		u.put(t, path, value)
		if got := u.value(t, path); got != value {
			t.Errorf("value %d: %d bytes came back, want %d", i, len(got), len(value))
		}
	}
	for i, value := range []string{"", binary, strings.Repeat("\xff", 1<<20)} {
		path := fmt.Sprintf("file%d", i)
		u.do("PUT", base+path, []byte(value), "Content-Type", "application/octet-stream").OK(t, 201)
		got := u.get(base+path).OK(t, 200)
		if got.Body != value || got.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("file %d: %d bytes of %q, want %d", i, len(got.Body), got.Header.Get("Content-Type"), len(value))
		}
	}
	for _, kind := range []string{"application/json", "application/octet-stream"} {
		body := jsonOf(strings.Repeat("x", 1<<20+1))
		u.do("PUT", base+"large", body, "Content-Type", kind).Want(t, 413, "ERR_PAYLOAD_TOO_LARGE")
	}
}

func TestKindsOfBodiesAndAnswers(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	for kind, status := range map[string]int{"application/json": 201, "application/json; charset=UTF-8": 201, "": 201, "Application/JSON": 201,
		"application/octet-stream": 201, "text/plain": 400, "application/x-www-form-urlencoded": 400, "application/json; charset=latin1": 400} {
		path := fmt.Sprintf("kind%d", len(h.Entries()))
		c := apitest.Call{Method: "PUT", Path: base + path, Body: jsonOf("x"), Type: kind, Token: u.token}
		if got := u.Call(c); got.Status != status || status == 400 && !strings.Contains(got.Body, `"Unsupported Content-Type header"`) {
			t.Errorf("%q: got %d %s, want %d", kind, got.Status, got.Body, status)
		}
	}
	u.put(t, "json", "x")
	u.do("PUT", base+"file", []byte("x"), "Content-Type", "application/octet-stream").OK(t, 201)
	for accept, want := range map[string][2]int{"*/*": {200, 200}, "application/json": {200, 400}, "application/octet-stream": {400, 200},
		"application/*;q=0.1": {200, 200}, "text/html": {400, 400}, "application/json;q=0, */*": {400, 200}, "text/html, */*;q=0.2": {200, 200}} {
		for i, path := range []string{"json", "file"} {
			if got := u.get(base+path, "Accept", accept); got.Status != want[i] || want[i] == 400 && !strings.Contains(got.Body, `"Unsupported Accept header"`) {
				t.Errorf("%s as %q: got %d %s, want %d", path, accept, got.Status, got.Body, want[i])
			}
		}
	}
	u.do("PATCH", base+"json", []byte("raw"), "Content-Type", "application/octet-stream").OK(t, 204)
	if got := u.get(base + "json"); got.Body != "raw" {
		t.Errorf("a text that became a file: %q", got.Body)
	}
	for _, body := range []string{"", "[]", `"x"`, `{"value":1}`, `{"value":null}`, `{}`, `{"labels":["x",1],"value":""}`, `{"value":"x","ttl":"soon"}`, `{"value":"x","value":"y"}`} {
		if got := u.do("PUT", base+"new", []byte(body)); got.Status != 400 {
			t.Errorf("%s: got %d", body, got.Status)
		}
	}
	u.do("PUT", base+"new", []byte(`{"path":"elsewhere","value":"x","unknown":{"a":[1]}}`)).OK(t, 201)
}

func TestAPatchKeepsWhatItDoesNotName(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	u.do("PUT", base+"a", []byte(`{"value":"1","description":"d","labels":["x","y"],"author":"somebody"}`)).OK(t, 201)
	h.Clock.Advance(time.Hour)
	u.do("PATCH", base+"a", []byte(`{"description":"e"}`)).OK(t, 204)
	u.do("PATCH", base+"a", []byte(`{}`)).Want(t, 400, "ERR_INVALID_DATA")
	want := `{"author":"somebody","created":"2030-01-01T12:00:00Z","description":"e","labels":["x","y"],"value":"1"}`
	if got := u.get(base + "a"); got.Body != want {
		t.Errorf("got  %s\nwant %s", got.Body, want)
	}
	if got := u.get(base + "a?version=1"); !strings.Contains(got.Body, `"description":"d"`) {
		t.Errorf("the old version: %s", got.Body)
	}
}

func TestChangesOfOneSecretAtOnceAllCount(t *testing.T) {
	h := newHouse(t, 2)
	u := h.superuser()
	u.put(t, "a", "0")
	var all sync.WaitGroup
	for i := range 20 {
		w := h.as(apitest.Root, h.Masters[i%2])
		all.Go(func() {
			if got := w.do("PATCH", base+"a", jsonOf(fmt.Sprint(i))); got.Status != 204 {
				t.Errorf("got %d %s", got.Status, got.Body)
			}
		})
	}
	all.Wait()
	if s, _ := h.Leader().State().Secret(secret.Default, "a"); s.Last != 21 || len(s.Versions) != 3 {
		t.Errorf("version %d, %d kept", s.Last, len(s.Versions))
	}
	if u.get(base+"a").Status != 200 {
		t.Error("the secret cannot be read")
	}
}

func TestALostRaceIsTriedAgainAndAnUnknownOutcomeIsNot(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	u.put(t, "a", "1")
	for code, want := range map[fault.Code]struct{ tries, status int }{
		fault.Conflict:       {2, 204},
		fault.OutcomeUnknown: {1, 503},
	} {
		tries := 0
		h.Before = func(c command.Command) error {
			if tries++; tries == 1 {
				return fault.New(code, "planted")
			}
			return nil
		}
		got := u.do("PATCH", base+"a", jsonOf("2"))
		if h.Before = nil; got.Status != want.status || tries != want.tries {
			t.Errorf("%s: got %d %s after %d tries, want %d after %d", code, got.Status, got.Body, tries, want.status, want.tries)
		}
	}
}

func TestEntityTagsGuardChanges(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	first := u.put(t, "a", "1").Header.Get("ETag")
	second := u.do("PATCH", base+"a", jsonOf("2"), "If-Match", first).OK(t, 204).Header.Get("ETag")
	if got := u.get(base + "a"); got.Header.Get("ETag") != second || second == first {
		t.Errorf("tags %s, %s and then %s", first, second, got.Header.Get("ETag"))
	}
	for _, stale := range []string{first, "W/" + second, `"2"`, "2"} {
		u.do("PATCH", base+"a", jsonOf("3"), "If-Match", stale).Want(t, 412, "ERR_PRECONDITION_FAILED")
		u.do("DELETE", base+"a", nil, "If-Match", stale).Want(t, 412, "ERR_PRECONDITION_FAILED")
	}
	if got := u.get(base+"a", "If-None-Match", "W/"+second+`, "x"`); got.Status != 304 || got.Body != "" {
		t.Errorf("If-None-Match: %d %q", got.Status, got.Body)
	}
	u.do("PUT", base+"b", jsonOf("3"), "If-Match", "*").Want(t, 412, "ERR_PRECONDITION_FAILED")
	u.do("PATCH", base+"a", jsonOf("3"), "If-Match", first+", "+second).OK(t, 204)
	u.do("DELETE", base+"a", nil, "If-Match", "*").OK(t, 204)
	u.do("PATCH", base+"a", jsonOf("3"), "If-Match", "*").Want(t, 404, "ERR_UNKNOWN_SECRET")
}

func TestARepeatedRequestUnderItsKeyIsDoneOnce(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	tag := u.put(t, "a", "1").Header.Get("ETag")
	key := []string{"Idempotency-Key", "k1"}
	first := u.do("DELETE", base+"a", nil, key...).OK(t, 204)
	u.do("PUT", base+"a", jsonOf("2")).OK(t, 201)
	again := u.do("DELETE", base+"%2Fa", nil, key...).OK(t, 204)
	if first.Header.Get("X-Gatehouse-Index") != again.Header.Get("X-Gatehouse-Index") {
		t.Errorf("got %v and then %v", first.Header, again.Header)
	}
	u.do("DELETE", base+"b", nil, key...).Want(t, 422, "ERR_IDEMPOTENCY_KEY_REUSED")
	u.do("DELETE", base+"a", nil, append(key, "If-Match", tag)...).Want(t, 422, "ERR_IDEMPOTENCY_KEY_REUSED")
	if got := u.value(t, "a"); got != "2" {
		t.Errorf("read %q", got)
	}
	for range 2 {
		u.do("POST", "/gatehouse/v1/secrets/default/purge/a", nil, "Idempotency-Key", "k2").OK(t, 204)
	}
}

// A repetition whose record is forgotten between look-up and log must do nothing.
func TestARepeatedRequestOnlyAsksForTheOutcomeOfTheFirst(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	u.put(t, "a", "1")
	u.do("DELETE", base+"a", nil, "Idempotency-Key", "k").OK(t, 204)
	u.put(t, "a", "2")
	var sent command.Command
	h.Before = func(c command.Command) error { sent = c; return nil }
	u.do("DELETE", base+"a", nil, "Idempotency-Key", "k").OK(t, 204)
	h.Before = nil
	if c, ok := sent.(command.DeleteSecret); !ok || c.IfVersion == 0 {
		t.Errorf("submitted %+v", sent)
	} else if s, _ := h.Leader().State().Secret(secret.Default, "a"); s.Deleted || c.IfVersion <= s.Last {
		t.Errorf("submitted %+v, which may apply to %d", c, s.Last)
	}
}

// A hash of a request that holds a value would outlive the seal, and a short value can be guessed from it.
func TestAWriteOfAValueTakesNoIdempotencyKey(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	u.put(t, "a", "1")
	before := h.Leader().AppliedIndex()
	for _, r := range []struct{ method, path, kind string }{
		{"PUT", "b", jsonType}, {"PATCH", "a", jsonType}, {"PUT", "b", fileType}, {"PATCH", "a", fileType},
	} {
		got := u.do(r.method, base+r.path, jsonOf("2"), "Idempotency-Key", "k", "Content-Type", r.kind)
		if got.Status != 400 || !strings.Contains(got.Body, "Idempotency-Key is not supported by this route.") {
			t.Errorf("%s %s: got %d %s", r.method, r.kind, got.Status, got.Body)
		}
	}
	if now := h.Leader().AppliedIndex(); now != before {
		t.Errorf("the log went on from %d to %d", before, now)
	}
}

func TestWhatIsStoredIsBoundedNotWhatIsSent(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	const limit = DefaultSecretLimit
	send := func(path string, what map[string]any) apitest.Answer {
		body, err := json.Marshal(what)
		if err != nil {
			t.Fatal(err)
		}
		return u.do("PUT", base+path, body)
	}
	author := strings.Repeat("\x01", maxAuthor)
	send("whole", map[string]any{"value": strings.Repeat("x", limit), "author": author}).OK(t, 201)
	send("text", map[string]any{"value": "", "description": strings.Repeat("<", limit), "author": author}).OK(t, 201)
	for name, what := range map[string]map[string]any{
		"one byte more":         {"value": strings.Repeat("x", limit+1)},
		"one byte more of both": {"value": strings.Repeat("x", limit), "description": "d"},
		"escapes":               {"value": "", "description": strings.Repeat("\x01", limit)},
		"quotes in a label":     {"value": "", "labels": []string{strings.Repeat(`"`, limit)}},
		"short labels":          {"value": strings.Repeat("x", limit), "labels": make([]string, 9000)},
	} {
		if got := send("x", what); got.Status != 413 || !strings.Contains(got.Body, "ERR_PAYLOAD_TOO_LARGE") {
			t.Errorf("%s: got %d %.200s", name, got.Status, got.Body)
		}
	}
	for s := range h.Leader().State().Secrets(secret.Default, "") {
		if v, _ := s.Newest(); len(v.Sealed) > limit+aroundPlain+64 {
			t.Errorf("%s: %d bytes are stored", s.Path, len(v.Sealed))
		}
	}
}

func TestSecretsEndByThemselves(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	lease := func(verb, path, duration string) apitest.Answer {
		return u.do("PUT", "/secrets/v1/"+verb+"/default/"+path, []byte(`{"duration":"`+duration+`"}`))
	}
	u.do("PUT", base+"a", []byte(`{"value":"1","ttl":"60"}`)).OK(t, 201)
	u.do("PUT", base+"b?ttl=1m", []byte("x"), "Content-Type", "application/octet-stream").OK(t, 201)
	u.put(t, "c", "for ever")
	if got := u.get(base + "a").Header.Get("X-Gatehouse-Expires"); got != "2030-01-01T12:01:00Z" {
		t.Errorf("expires %q", got)
	}
	h.Clock.Advance(59 * time.Second)
	lease("renew", "a", "2m").OK(t, 204)
	lease("renew", "c", "1s").OK(t, 204)
	lease("renew", "a", "never").Want(t, 400, "ERR_INVALID_DATA")
	h.Clock.Advance(time.Second)
	u.get(base+"b").Want(t, 404, "ERR_UNKNOWN_SECRET")
	if got := u.names(t, ""); len(got) != 2 {
		t.Errorf("listed: %v", got)
	}
	lease("renew", "b", "1h").Want(t, 404, "ERR_UNKNOWN_SECRET")
	u.do("PATCH", base+"a", jsonOf("2")).OK(t, 204)
	if got := u.get(base + "a").Header.Get("X-Gatehouse-Expires"); got != "2030-01-01T12:02:59Z" {
		t.Errorf("after renewal and change it expires %q", got)
	}
	u.do("PUT", "/secrets/v1/revoke/default/a", nil).OK(t, 204)
	u.do("PUT", "/secrets/v1/revoke/default/c", nil).OK(t, 204)
	u.get(base+"a").Want(t, 404, "ERR_UNKNOWN_SECRET")
	if got := u.value(t, "c"); got != "for ever" {
		t.Errorf("read %q", got)
	}
	u.do("PUT", base+"b", jsonOf("again")).OK(t, 201)
}

func TestAFullStoreRefusesMore(t *testing.T) {
	h := newHouse(t, 1, func(o *Options, _ *apitest.Options) { o.Limits = Limits{Secret: 1000, All: 6000} })
	u := h.superuser()
	for i := range 3 {
		u.put(t, fmt.Sprint(i), strings.Repeat("x", 900))
	}
	u.do("PUT", base+"3", jsonOf(strings.Repeat("x", 1000))).Want(t, 507, "ERR_STORE_FULL")
	u.do("PUT", base+"3", jsonOf(strings.Repeat("x", 1001))).Want(t, 413, "ERR_PAYLOAD_TOO_LARGE")
	h.open("other") // its secrets lie in the same memory and the same snapshots
	u.do("PUT", "/secrets/v1/secret/other/3", jsonOf(strings.Repeat("x", 1000))).Want(t, 507, "ERR_STORE_FULL")
	u.do("PUT", "/secrets/v1/secret/other/3", jsonOf("small")).OK(t, 201)
}

// Many small secrets fill the memory of all masters as well as a few large ones.
func TestWhatASecretTakesBesideItsValueCounts(t *testing.T) {
	h := newHouse(t, 1, func(o *Options, _ *apitest.Options) { o.Limits = Limits{Secret: 1000, All: 6000} })
	u := h.superuser()
	long := strings.Repeat("d/", 30) + strings.Repeat("x", 900)
	for i := range 3 {
		u.put(t, fmt.Sprint(long, i), "")
	}
	u.do("PUT", base+long+"3", jsonOf("")).Want(t, 507, "ERR_STORE_FULL")
	u.do("DELETE", base+long+"0", nil).OK(t, 204)
	u.do("PUT", base+long+"3", jsonOf("")).Want(t, 507, "ERR_STORE_FULL") // a deleted one takes as much
}
