//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// give sends a share through m and wants the status and, of a refusal, the code.
func give(t *testing.T, c *rig.Cluster, m *rig.Master, store, share string, status int) rig.Answer {
	t.Helper()
	answer := storeAPI(t, c, m, status, http.MethodPut, "/unseal/"+store, map[string]string{"key": share})
	if status == http.StatusBadRequest && answer.Code != "ERR_INVALID_SHARE" {
		t.Errorf("share of %d characters: got %s, want ERR_INVALID_SHARE", len(share), answer.Body)
	}
	return answer
}

// progress wants a sealed store to have had so many shares, whichever master is asked.
func progress(t *testing.T, c *rig.Cluster, store string, want int) {
	t.Helper()
	for _, m := range c.Masters {
		if got := statusOf(t, c, m, store); !got.Sealed || got.Progress != want {
			t.Errorf("%s: got %+v, want it sealed with progress %d", m.Name, got, want)
		}
	}
}

// changedShare is a share with one bit of its value turned.
func changedShare(t *testing.T, share string) string {
	t.Helper()
	raw := must[[]byte](t)(hex.DecodeString(share))
	raw[7] ^= 0x10
	return hex.EncodeToString(raw)
}

// The same share in another spelling is the same share (hostile S1).
func TestHostileS1AShareCountsOnceHoweverItIsSpelled(t *testing.T) {
	c := shared(t)
	store := newStore(t, c)
	shares := initStore(t, c, store, 5, 3)
	raw := must[[]byte](t)(hex.DecodeString(shares[1]))
	for i, spelling := range []string{shares[1], strings.ToUpper(shares[1]), base64.StdEncoding.EncodeToString(raw), "  " + shares[1] + "\n", shares[1]} {
		var got sealStatus
		if decode(t, give(t, c, c.Masters[i%3], store, spelling, 200).Body, &got); !got.Sealed || got.Progress != 1 {
			t.Errorf("spelling %d: got %+v, want progress 1", i, got)
		}
	}
	if got := unseal(t, c, store, shares[4], base64.StdEncoding.EncodeToString(must[[]byte](t)(hex.DecodeString(shares[0])))); got.Sealed {
		t.Errorf("three shares: got %+v", got)
	}
}

// One altered share among enough is found when they are put together, and nothing has changed (hostile S2).
func TestHostileS2AnAlteredShareResetsTheProgress(t *testing.T) {
	c := shared(t)
	store := newStore(t, c)
	shares := initStore(t, c, store, 4, 3)
	digest := func() string { return must[rig.Digest](t)(c.AwaitEqualDigests(t.Context(), 20e9)).Digest }
	before := digest()
	unseal(t, c, store, shares[0], changedShare(t, shares[1]))
	refusal := give(t, c, c.Masters[2], store, shares[2], 400)
	progress(t, c, store, 0)
	if after := digest(); after != before {
		t.Errorf("the state has changed")
	}
	unseal(t, c, store, changedShare(t, shares[3]), shares[1])
	other := give(t, c, c.Masters[1], store, shares[0], 400)
	if diff := cmp.Diff(string(refusal.Body), string(other.Body)); diff != "" {
		t.Errorf("the refusal tells which share it was:\n%s", diff)
	}
	if got := unseal(t, c, store, shares[3], shares[1], shares[0]); got.Sealed {
		t.Errorf("the right shares: got %+v", got)
	}
}

// Shares of another store, of an init before, or of both together open nothing (hostile S3).
func TestHostileS3ForeignSharesAreRefused(t *testing.T) {
	c := shared(t)
	store := newStore(t, c)
	older := initStore(t, c, store, 3, 2)
	shares := initStore(t, c, store, 3, 2)
	foreign := initStore(t, c, "default-of-"+newStoreBeside(t, c, store), 3, 2)
	for name, pair := range map[string][2]string{"older": {older[0], older[1]}, "foreign": {foreign[0], foreign[2]}, "mixed": {shares[0], older[1]}, "mixed with foreign": {foreign[0], shares[1]}} {
		unseal(t, c, store, pair[0])
		give(t, c, c.Masters[1], store, pair[1], 400)
		if got := statusOf(t, c, c.Masters[2], store); !got.Sealed || got.Progress != 0 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if got := unseal(t, c, store, shares[0], shares[1]); got.Sealed {
		t.Errorf("its own: got %+v", got)
	}
}

// newStoreBeside makes a store "default-of-NAME" and answers NAME.
func newStoreBeside(t *testing.T, c *rig.Cluster, name string) string {
	t.Helper()
	storeAPI(t, c, c.Masters[2], http.StatusCreated, http.MethodPut, "/store/default-of-"+name, map[string]string{"driver": "vault"})
	return name
}

// What cannot be a share is refused and forgotten (hostile S4).
func TestHostileS4MalformedSharesAreRefused(t *testing.T) {
	c := shared(t)
	store := newStore(t, c)
	shares := initStore(t, c, store, 3, 2)
	raw := must[[]byte](t)(hex.DecodeString(shares[0]))
	atZero := append(bytes.Clone(raw[:32]), 0)
	unseal(t, c, store, shares[1])
	patience := 0 // of the masters with one caller: it gives ten wrong shares before it has to wait
	token := ""
	next := func() string {
		if patience++; patience%8 == 1 {
			token = newClerk(t, c, fmt.Sprintf("clerk-%d", patience))
		}
		return token
	}
	for name, share := range map[string]string{"empty": "", "blank": "  ", "short": shares[0][:64], "one byte": "01", "long": shares[0] + "00", "all zero": strings.Repeat("00", 33),
		"at zero": hex.EncodeToString(atZero), "no hex": strings.Repeat("zz", 33), "odd": shares[0][:65], "NUL": shares[0] + "\x00", "huge": strings.Repeat(shares[0], 1000)} {
		answer := must[rig.Answer](t)(c.Client.Do(t.Context(), rig.Request{Method: http.MethodPut, URL: c.Masters[0].API + secretsPath + "/unseal/" + store, Token: next(),
			Body: map[string]string{"key": share}}))
		if answer.Status != http.StatusBadRequest && !(name == "huge" && answer.Status == http.StatusRequestEntityTooLarge) {
			t.Errorf("%s: got %d %s, want 400", name, answer.Status, answer.Body)
		}
		if strings.TrimSpace(share) != "" && len(share) > 8 && bytes.Contains(answer.Body, []byte(share[:8])) {
			t.Errorf("%s: the refusal repeats it: %s", name, answer.Body)
		}
	}
	for name, body := range map[string]string{"no key": `{}`, "a number": `{"key":1}`, "a list": `{"key":["` + shares[0] + `"]}`, "null": `{"key":null}`, "no object": `"` + shares[0] + `"`, "broken": `{"key":"` + shares[0]} {
		r := rig.Request{Method: http.MethodPut, URL: c.Masters[1].API + secretsPath + "/unseal/" + store, Token: next(), Body: []byte(body)}
		if answer := must[rig.Answer](t)(c.Client.Do(t.Context(), r)); answer.Status != http.StatusBadRequest || bytes.Contains(answer.Body, []byte(shares[0])) {
			t.Errorf("%s: got %d %s, want 400", name, answer.Status, answer.Body)
		}
	}
	progress(t, c, store, 1)
	if got := unseal(t, c, store, shares[0]); got.Sealed {
		t.Errorf("the second good share: got %+v", got)
	}
}

// How many shares there may be, and how many are needed (hostile S5).
func TestHostileS5ImpossibleThresholdsAreRefused(t *testing.T) {
	c := shared(t)
	store := newStore(t, c)
	before := storeAPI(t, c, c.Masters[0], 200, http.MethodGet, "/init/"+store, nil)
	for _, body := range []string{`{"shares":3,"threshold":0}`, `{"shares":3,"threshold":1}`, `{"shares":3,"threshold":4}`, `{"shares":256,"threshold":2}`, `{"shares":-1,"threshold":-1}`,
		`{"shares":0,"threshold":0}`, `{"shares":1e9,"threshold":1e9}`, `{"shares":3}`, `{"threshold":2}`, `{}`, `{"shares":"3","threshold":"2"}`, `{"shares":3.5,"threshold":2}`,
		`{"shares":99999999999999999999,"threshold":2}`, `{"share":3,"treshold":2}`, `null`, `[]`} {
		r := rig.Request{Method: http.MethodPut, URL: c.Masters[1].API + secretsPath + "/init/" + store, Token: superuser(t, c), Body: []byte(body)}
		if answer := must[rig.Answer](t)(c.Client.Do(t.Context(), r)); answer.Status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s, want 400", body, answer.Status, answer.Body)
		}
	}
	after := storeAPI(t, c, c.Masters[2], 200, http.MethodGet, "/init/"+store, nil)
	if diff := cmp.Diff(string(before.Body), string(after.Body)); diff != "" {
		t.Errorf("something has changed:\n%s", diff)
	}
	for _, n := range [][2]int{{1, 1}, {2, 2}, {255, 255}, {255, 2}} {
		shares := initStore(t, c, store, n[0], n[1])
		if got := unseal(t, c, store, shares[len(shares)-n[1]:]...); got.Sealed {
			t.Errorf("%d of %d: got %+v", n[1], n[0], got)
		}
	}
}

// Of inits at once the shares of one open the store (hostile S7); none of a body with a mistake does anything.
func TestHostileS7OfTwoInitsOneWins(t *testing.T) {
	c := shared(t)
	store, token := newStore(t, c), clerk(t, c)
	var mu sync.Mutex
	var made [][]string
	var asking sync.WaitGroup
	for i := range 9 {
		asking.Go(func() {
			r := rig.Request{Method: http.MethodPut, URL: c.Masters[i%3].API + secretsPath + "/init/" + store, Token: token, Body: map[string]int{"shares": 1, "threshold": 1}}
			answer, err := c.Client.Do(t.Context(), r)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Error(err)
			case answer.Status == http.StatusOK:
				var got initAnswer
				decode(t, answer.Body, &got)
				made = append(made, got.Keys)
			case answer.Code != "ERR_CONFLICT":
				t.Errorf("got %d %s, want 200 or ERR_CONFLICT", answer.Status, answer.Body)
			}
		})
	}
	asking.Wait()
	opened := 0
	for _, shares := range made {
		r := rig.Request{Method: http.MethodPut, URL: c.Masters[0].API + secretsPath + "/unseal/" + store, Token: token, Body: map[string]string{"key": shares[0]}}
		if answer := must[rig.Answer](t)(c.Client.Do(t.Context(), r)); answer.Status == http.StatusOK {
			opened++
			storeAPI(t, c, c.Masters[1], 200, http.MethodPut, "/seal/"+store, nil)
		}
	}
	if opened != 1 {
		t.Errorf("the shares of %d of %d inits open the store, want those of one", opened, len(made))
	}
}

// An init whose answer was lost is repeated while the store is empty; plain shares are shown once (hostile S8).
func TestHostileS8SharesAreShownOnce(t *testing.T) {
	c := shared(t)
	store := newStore(t, c)
	lost := initStore(t, c, store, 3, 2)
	shares := initStore(t, c, store, 3, 2)
	for _, m := range c.Masters {
		answer := storeAPI(t, c, m, 200, http.MethodGet, "/init/"+store, nil)
		var got initAnswer
		if decode(t, answer.Body, &got); !got.Initialized || got.Keys == nil || len(got.Keys) != 0 {
			t.Errorf("%s shows %s", m.Name, answer.Body)
		}
		for _, share := range append(lost, shares...) {
			if bytes.Contains(answer.Body, []byte(share[:16])) {
				t.Errorf("%s shows a share", m.Name)
			}
		}
	}
	if got := unseal(t, c, store, shares[1], shares[2]); got.Sealed {
		t.Fatalf("got %+v", got)
	}
	m := c.Masters[0]
	ask(t, c, 201, rig.Request{Method: "PUT", URL: secretURL(m, store, "a"), Token: superuser(t, c), Body: map[string]string{"value": "x"}})
	answer := storeAPI(t, c, m, 400, http.MethodPut, "/init/"+store, map[string]int{"shares": 3, "threshold": 2})
	if answer.Code != "ERR_STORE_NOT_EMPTY" {
		t.Errorf("got %s", answer.Body)
	}
	readable(t, c, c.Masters[1], store, "a", "x")
}

// Profiles and variables of the process are not for the API's clients, and metrics name no secret (hostile S26).
func TestHostileS26ProfilesAreNotServed(t *testing.T) {
	c := shared(t)
	m, value, path := c.Masters[0], "planted-value-of-s26", fresh("planted-path-of-s26")
	ask(t, c, 201, rig.Request{Method: "PUT", URL: secretURL(m, "default", path), Token: superuser(t, c), Body: map[string]string{"value": value}})
	for _, at := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=2", "/debug/vars", "/gatehouse/v1/debug/pprof/heap"} {
		ask(t, c, 404, rig.Request{Method: "GET", URL: m.API + at})
		ask(t, c, 404, rig.Request{Method: "GET", URL: m.API + at, Token: superuser(t, c)})
	}
	metrics := ask(t, c, 200, rig.Request{Method: "GET", URL: m.API + "/metrics"})
	for _, word := range []string{value, path} {
		if bytes.Contains(metrics.Body, []byte(word)) {
			t.Errorf("the metrics name %s", word)
		}
	}
}

// sizes of values, as text and as files (hostile S23).
func TestHostileS23ValuesComeBackAsTheyWere(t *testing.T) {
	p := newProgram(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	const limit = 1 << 20
	for i, value := range []string{"", "x", "é \u2028 \U0001f511 \x00 \x7f", strings.Repeat(`"`, limit-2048), strings.Repeat("é", limit/2-1024)} {
		path := fmt.Sprintf("%s/text-%d", p.at, i)
		p.send(201, "PUT", path, jsonKind, must[[]byte](t)(encodeJSON(value)))
		p.same(p.send(200, "GET", path, "", nil), value)
	}
	for i, value := range [][]byte{{}, every, bytes.Repeat(every, limit/256-8)} {
		path := fmt.Sprintf("%s/file-%d", p.at, i)
		p.send(201, "PUT", path, fileKind, value)
		if got := p.send(200, "GET", path, "", nil); !bytes.Equal(got.Body, value) || got.Header.Get("Content-Type") != fileKind {
			t.Errorf("a file of %d bytes came back as %d of %s", len(value), len(got.Body), got.Header.Get("Content-Type"))
		}
	}
	p.send(413, "PUT", p.at+"/large", jsonKind, must[[]byte](t)(encodeJSON(strings.Repeat("x", limit+1))))
	p.send(413, "PUT", p.at+"/large", fileKind, make([]byte, limit+1))
	p.send(413, "PATCH", p.at+"/text-1", fileKind, make([]byte, limit+1))
	p.send(404, "GET", p.at+"/large", "", nil)
	p.same(p.send(200, "GET", p.at+"/text-1", "", nil), "x")
	for _, body := range []string{`{"value":1}`, `{"value":null}`, `{"value":["x"]}`, `{}`, `"x"`, "{\"value\":\"\xff\"}", `{"value":"\ud800"}`, `{"value":"x","labels":"y"}`} {
		p.send(400, "PUT", p.at+"/bad", jsonKind, []byte(body))
	}
	p.send(404, "GET", p.at+"/bad", "", nil)
}

func encodeJSON(value string) ([]byte, error) { return json.Marshal(map[string]string{"value": value}) }

// No refusal repeats what was sent, to the client or into a file (hostile S25).
func TestHostileS25RefusalsRepeatNothing(t *testing.T) {
	p := newProgram(t)
	const value = "planted-canary-of-s25-73610"
	body, at := []byte(`{"value":"`+value+`","description":"`+value+`-too"}`), p.at+"/one"
	refused := func(status int, method, path, kind string, body []byte, header ...string) {
		t.Helper()
		if got := p.send(status, method, path, kind, body, header...); bytes.Contains(got.Body, []byte(value)) || strings.Contains(fmt.Sprint(got.Header), value) {
			t.Errorf("%s %s: the answer repeats the value: %s", method, path, got.Body)
		}
	}
	refused(404, "PATCH", at, jsonKind, body)
	p.send(201, "PUT", at, jsonKind, body)
	refused(409, "PUT", at, jsonKind, body)
	refused(412, "PATCH", at, jsonKind, body, "If-Match", `"99.99"`)
	refused(400, "PUT", p.at+"/two", jsonKind, body[:len(body)-1])
	refused(400, "PUT", p.at+"/two", jsonKind, []byte(`["`+value+`"]`))
	refused(400, "PUT", p.at+"/two", "text/"+value, body)
	refused(400, "PUT", p.at+"/two/../x", jsonKind, body)
	refused(400, "GET", at, "", nil, "Accept", fileKind)
	refused(413, "PUT", p.at+"/two", jsonKind, must[[]byte](t)(encodeJSON(strings.Repeat(value, 1<<16))))
	for _, where := range find(t, map[string]string{"the value": value}, p.c.Dir) {
		t.Error(where)
	}
}
