package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/httpapi/client"
)

func readAll(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// The requests of the table: one that reads, one that accepts an Idempotency-Key, one that does not, one that may be repeated without.
var (
	get     = client.Request{Method: http.MethodGet, Path: "/acs/api/v1/users/alice"}
	put     = client.Request{Method: http.MethodPut, Path: "/acs/api/v1/users/alice", Body: client.NewUser{UID: "alice", PublicKey: "a key"}}
	remove  = client.Request{Method: http.MethodDelete, Path: "/acs/api/v1/users/alice"}
	prepare = client.Request{Method: http.MethodPost, Path: "/gatehouse/v1/keys"}
	revoke  = client.Request{Method: http.MethodPost, Path: "/gatehouse/v1/users/alice/revoke-tokens"}
)

// outcome is how a call ends for its caller.
type outcome struct {
	code                 string // of the answer; "200" for success, "" for no answer
	unknown, unavailable bool
}

func outcomeOf(err error) outcome {
	o := outcome{unknown: client.OutcomeUnknown(err), unavailable: client.Unavailable(err)}
	var e *client.Error
	switch {
	case err == nil:
		o.code = "200"
	case errors.As(err, &e) && e.Code != "":
		o.code = e.Code
	case e != nil:
		o.code = fmt.Sprint(e.Status)
	}
	return o
}

var success = outcome{code: "200"}

// What the server does, what the client does, and how many requests arrive. impatient rows give up after the first round that must be
// followed by a pause.
var rules = []struct {
	name      string
	request   client.Request
	masters   [][]step
	want      outcome
	arrivals  []int
	impatient bool
}{
	{"a good answer is the end", get, [][]step{{fine}}, success, []int{1}, false},
	{"an answer that says no is the end", get, [][]step{{says(400, "ERR_UNKNOWN_USER_ID"), fine}}, outcome{code: "ERR_UNKNOWN_USER_ID"}, []int{1}, false},
	{"forbidden is the end", put, [][]step{{says(403, "ERR_FORBIDDEN"), fine}}, outcome{code: "ERR_FORBIDDEN"}, []int{1}, false},
	{"an existing user is the end", put, [][]step{{says(409, "ERR_USER_EXISTS"), fine}}, outcome{code: "ERR_USER_EXISTS"}, []int{1}, false},

	{"a read is repeated without a leader", get, [][]step{{says(503, "ERR_NO_LEADER"), fine}}, success, []int{2}, false},
	{"a read is repeated after a lost connection", get, [][]step{{hangsUp, fine}}, success, []int{2}, false},
	{"a read is repeated after half an answer", get, [][]step{{breaksOff, fine}}, success, []int{2}, false},
	{"a read is repeated after a bad gateway", get, [][]step{{balancer(502), balancer(503), balancer(504), fine}}, success, []int{4}, false},
	{"a read that breaks the server down is not repeated", get, [][]step{{says(500, ""), fine}}, outcome{code: "500"}, []int{1}, false},
	{"a read has no unknown outcome", get, [][]step{{hangsUp}}, outcome{unavailable: true}, []int{1}, true},

	{"a change is repeated without a leader", put, [][]step{{says(503, "ERR_NO_LEADER"), fine}}, success, []int{2}, false},
	{"a change is repeated after a change of leader", put, [][]step{{says(503, "ERR_LEADER_CHANGED"), fine}}, success, []int{2}, false},
	{"a change is repeated when the leader is busy", put, [][]step{{says(503, "ERR_BUSY"), fine}}, success, []int{2}, false},
	{"a change is repeated after too many requests", put, [][]step{{says(429, "ERR_TOO_MANY_REQUESTS"), fine}}, success, []int{2}, false},
	{"a change is repeated when it came in too slowly", prepare, [][]step{{balancer(408), fine}}, success, []int{2}, false},
	{"a full disk does not pass by itself", put, [][]step{{says(503, "ERR_DISK_LOW"), fine}}, outcome{code: "ERR_DISK_LOW", unavailable: true}, []int{1}, false},

	{"a change with a key is repeated after a lost connection", put, [][]step{{hangsUp, fine}}, success, []int{2}, false},
	{"so is one without a body", remove, [][]step{{hangsUp, fine}}, success, []int{2}, false},
	{"and one after half an answer", put, [][]step{{breaksOff, fine}}, success, []int{2}, false},
	{"and one after a bad gateway", put, [][]step{{balancer(502), fine}}, success, []int{2}, false},
	{"and one after a gateway's timeout", put, [][]step{{balancer(504), fine}}, success, []int{2}, false},
	{"and one after a balancer's 503", put, [][]step{{balancer(503), fine}}, success, []int{2}, false},
	{"and one whose outcome the master does not know", put, [][]step{{says(503, "ERR_OUTCOME_UNKNOWN"), fine}}, success, []int{2}, false},
	{"and one that goes on elsewhere", put, [][]step{{hangsUp}, {fine}}, success, []int{1, 1}, false},
	{"an answer settles the doubt", put, [][]step{{hangsUp, says(409, "ERR_USER_EXISTS")}}, outcome{code: "ERR_USER_EXISTS"}, []int{2}, false},
	{"forbidden does not settle the doubt", put, [][]step{{hangsUp, says(403, "ERR_FORBIDDEN")}}, outcome{code: "ERR_FORBIDDEN", unknown: true}, []int{2}, false},
	{"neither does a refused token", put, [][]step{{hangsUp, says(401, "ERR_UNAUTHENTICATED")}}, outcome{code: "ERR_UNAUTHENTICATED", unknown: true}, []int{2}, false},
	{"neither does a missing leader", put, [][]step{{hangsUp}, {says(503, "ERR_NO_LEADER")}},
		outcome{code: "ERR_NO_LEADER", unknown: true, unavailable: true}, []int{1, 1}, true},
	{"a full disk does not settle it either", put, [][]step{{hangsUp, says(503, "ERR_DISK_LOW")}},
		outcome{code: "ERR_DISK_LOW", unknown: true, unavailable: true}, []int{2}, false},
	{"a change that breaks the server down may have happened", put, [][]step{{says(500, ""), fine}}, outcome{code: "500", unknown: true}, []int{1}, false},
	{"the outcome stays unknown when patience ends", put, [][]step{{hangsUp}}, outcome{unknown: true, unavailable: true}, []int{1}, true},

	{"a change without a key is not repeated after a lost connection", prepare, [][]step{{hangsUp, fine}, {fine}},
		outcome{unknown: true, unavailable: true}, []int{1, 0}, false},
	{"nor after half an answer", prepare, [][]step{{breaksOff, fine}}, outcome{unknown: true, unavailable: true}, []int{1}, false},
	{"nor after a bad gateway", prepare, [][]step{{balancer(502), fine}}, outcome{code: "502", unknown: true, unavailable: true}, []int{1}, false},
	{"nor when the master does not know", prepare, [][]step{{says(503, "ERR_OUTCOME_UNKNOWN"), fine}},
		outcome{code: "ERR_OUTCOME_UNKNOWN", unknown: true, unavailable: true}, []int{1}, false},
	{"but it is when nothing has happened", prepare, [][]step{{says(503, "ERR_NO_LEADER"), says(503, "ERR_BUSY"), says(429, ""), fine}}, success, []int{4}, false},
	{"a revocation is repeated without a key", revoke, [][]step{{hangsUp, says(503, "ERR_OUTCOME_UNKNOWN"), fine}}, success, []int{3}, false},

	{"a master without a leader is passed over", get, [][]step{{says(503, "ERR_NO_LEADER")}, {fine}}, success, []int{1, 1}, false},
	{"a busy master is passed over after a pause", put, [][]step{{says(503, "ERR_BUSY")}, {fine}}, success, []int{1, 1}, false},
	{"so is one that has had too many requests", get, [][]step{{says(429, "ERR_TOO_MANY_REQUESTS")}, {fine}}, success, []int{1, 1}, false},
	{"the first is asked again when all are busy", put, [][]step{{says(503, "ERR_BUSY"), fine}, {says(503, "ERR_BUSY")}}, success, []int{2, 1}, false},
	{"who does not wait asks the others at once", put, [][]step{{saysLater(503, "ERR_BUSY", "3600")}, {fine}}, success, []int{1, 1}, true},
	{"and ends when all are busy", put, [][]step{{says(503, "ERR_BUSY")}, {says(503, "ERR_BUSY")}}, outcome{code: "ERR_BUSY", unavailable: true}, []int{1, 1}, true},
	{"a long wait is left to the caller", put, [][]step{{saysLater(429, "ERR_TOO_MANY_REQUESTS", "3600"), fine}},
		outcome{code: "ERR_TOO_MANY_REQUESTS", unavailable: true}, []int{1}, false},
	{"redirects are not followed", get, [][]step{{func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
	}, fine}},
		outcome{code: "308"}, []int{1}, false},
}

func TestEveryRuleOfRepetition(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			o := client.Options{}
			if rule.impatient {
				o.Patience = -1
			}
			var masters []*master
			for _, steps := range rule.masters {
				m := startMaster(t, steps...)
				masters, o.Addresses = append(masters, m), append(o.Addresses, m.URL)
			}
			_, err := newClient(t, o).Do(t.Context(), rule.request)
			if got := outcomeOf(err); got != rule.want {
				t.Errorf("got %+v (%v), want %+v", got, err, rule.want)
			}
			keys := map[string]bool{}
			for i, m := range masters {
				if seen := m.seen(); len(seen) != rule.arrivals[i] {
					t.Errorf("master %d got %d requests, want %d: %+v", i, len(seen), rule.arrivals[i], seen)
				}
				for _, a := range m.seen() {
					keys[a.key] = true
				}
			}
			checkKeys(t, rule.request, keys)
		})
	}
}

// checkKeys wants one key for all repetitions of a change that accepts one, and none for others.
func checkKeys(t *testing.T, r client.Request, keys map[string]bool) {
	t.Helper()
	wantsKey := r.Method == http.MethodPut || r.Method == http.MethodDelete
	if len(keys) != 1 || keys[""] == wantsKey {
		t.Errorf("%s %s was sent with the keys %v", r.Method, r.Path, keys)
	}
}

func TestAnAnswerThatIsTooLongIsNotAskedForAgain(t *testing.T) {
	m := startMaster(t, fine)
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	client.LimitAnswers(c, 10)
	_, err := c.Do(t.Context(), get)
	if err == nil || !strings.Contains(err.Error(), "more than 10 bytes") || client.Unavailable(err) || len(m.seen()) != 1 {
		t.Errorf("got %v after %d requests, want one refused answer", err, len(m.seen()))
	}
}

// The masters keep a hash of what came under a key, and a password can be guessed from that.
func TestAChangeWithAPasswordHasNoKeyAndIsNotRepeatedInDoubt(t *testing.T) {
	text := "a passphrase"
	for name, change := range map[string]func(*client.Client) error{
		"a new user": func(c *client.Client) error {
			return c.CreateUser(t.Context(), client.NewUser{UID: "alice", Password: text})
		},
		"a new one": func(c *client.Client) error {
			return c.UpdateUser(t.Context(), "alice", client.UserUpdate{Password: &text})
		},
		"the old one": func(c *client.Client) error {
			return c.UpdateUser(t.Context(), "alice", client.UserUpdate{CurrentPassword: &text})
		},
		"in raw bytes": func(c *client.Client) error { return raw(t, c, `{"description":"", "password" : "x"}`) },
	} {
		m := startMaster(t, says(503, "ERR_NO_LEADER"), hangsUp, fine)
		err := change(newClient(t, client.Options{Addresses: []string{m.URL}}))
		seen := m.seen()
		if !client.OutcomeUnknown(err) || len(seen) != 2 || seen[0].key != "" || seen[1].key != "" {
			t.Errorf("%s: got %v after %+v, want an unknown outcome and no key", name, err, seen)
		}
	}
	m := startMaster(t, hangsUp, fine)
	if err := raw(t, newClient(t, client.Options{Addresses: []string{m.URL}}), `{"description":"password"}`); err != nil || m.seen()[0].key == "" {
		t.Errorf("without a password: got %v and %+v, want a key and a repetition", err, m.seen())
	}
}

func raw(t *testing.T, c *client.Client, body string) error {
	_, err := c.Do(t.Context(), client.Request{Method: http.MethodPut, Path: "/acs/api/v1/users/alice", Body: []byte(body)})
	return err
}

func TestTwoChangesHaveTwoKeys(t *testing.T) {
	m := startMaster(t, fine)
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	for range 2 {
		if _, err := c.Do(t.Context(), put); err != nil {
			t.Fatal(err)
		}
	}
	if seen := m.seen(); seen[0].key == seen[1].key || len(seen[0].key) < 20 {
		t.Errorf("got the keys %q and %q", seen[0].key, seen[1].key)
	}
}

func TestTheCallersKeyMakesAnyChangeRepeatable(t *testing.T) {
	m := startMaster(t, hangsUp, fine)
	c := newClient(t, client.Options{Addresses: []string{m.URL}})
	r := client.Request{Method: http.MethodPut, Path: "/acs/api/v1/unheard/of", IdempotencyKey: "mine"}
	if _, err := c.Do(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if seen := m.seen(); len(seen) != 2 || seen[0].key != "mine" || seen[1].key != "mine" {
		t.Errorf("got %+v, want two requests with the key", seen)
	}
}

func TestAMasterThatRefusesConnectionsIsPassedOver(t *testing.T) {
	for name, r := range map[string]client.Request{"read": get, "change": put, "change without a key": prepare} {
		t.Run(name, func(t *testing.T) {
			m := startMaster(t, fine)
			c := newClient(t, client.Options{Addresses: []string{refusing(t), m.URL}})
			for range 2 { // the second time, the one that answered is asked first
				answer, err := c.Do(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				if answer.Address != m.URL || answer.Index != 17 {
					t.Errorf("got an answer of %s at index %d, want %s and 17", answer.Address, answer.Index, m.URL)
				}
			}
			if seen := m.seen(); len(seen) != 2 {
				t.Errorf("got %d requests, want 2", len(seen))
			}
		})
	}
}

func TestTheAddressThatAnsweredLastIsTriedFirst(t *testing.T) {
	first, second := startMaster(t, says(503, "ERR_NO_LEADER"), fine), startMaster(t, fine)
	c := newClient(t, client.Options{Addresses: []string{first.URL, second.URL}})
	for range 3 {
		if _, err := c.Do(t.Context(), get); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := len(first.seen()), len(second.seen()); a != 1 || b != 3 {
		t.Errorf("got %d and %d requests, want 1 and 3", a, b)
	}
}

func TestNobodyThereIsUnavailableAndNotUnknown(t *testing.T) {
	c := newClient(t, client.Options{Addresses: []string{refusing(t), refusing(t)}, Patience: 300 * time.Millisecond})
	for _, r := range []client.Request{get, put, prepare} {
		_, err := c.Do(t.Context(), r)
		if got, want := outcomeOf(err), (outcome{unavailable: true}); got != want {
			t.Errorf("%s: got %+v (%v), want %+v", r.Method, got, err, want)
		}
	}
}

func TestAMasterThatIsSilentIsPassedOver(t *testing.T) {
	silent, m := startMaster(t, hangs), startMaster(t, fine)
	c := newClient(t, client.Options{Addresses: []string{silent.URL, m.URL}, AttemptTimeout: 500 * time.Millisecond})
	if _, err := c.Do(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if silent.seen()[0].key != m.seen()[0].key {
		t.Errorf("the keys differ: %+v, %+v", silent.seen(), m.seen())
	}
}

func TestTheContextEndsACall(t *testing.T) {
	for name, row := range map[string]struct {
		request client.Request
		unknown bool
	}{
		"a read":               {get, false},
		"a change":             {put, true},
		"one that has no keys": {prepare, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			m := startMaster(t, func(w http.ResponseWriter, r *http.Request) {
				cancel()
				hangs(w, r)
			})
			_, err := newClient(t, client.Options{Addresses: []string{m.URL}}).Do(ctx, row.request)
			if !errors.Is(err, context.Canceled) || client.OutcomeUnknown(err) != row.unknown || client.Unavailable(err) {
				t.Errorf("got %v, want the context's error with unknown=%v", err, row.unknown)
			}
			if len(m.seen()) != 1 {
				t.Errorf("got %d requests, want 1", len(m.seen()))
			}
		})
	}
}

func TestNobodyWaitsLongerThanTheContextLasts(t *testing.T) {
	m := startMaster(t, saysLater(503, "ERR_NO_LEADER", "20"))
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	_, err := newClient(t, client.Options{Addresses: []string{m.URL}}).Do(ctx, put)
	if !client.IsCode(err, "ERR_NO_LEADER") || ctx.Err() != nil {
		t.Errorf("got %v and %v, want ERR_NO_LEADER before the context ends", err, ctx.Err())
	}
}

func TestOnceAsksEveryAddressOnce(t *testing.T) {
	a, b := startMaster(t, says(503, "ERR_NO_LEADER")), startMaster(t, says(503, "ERR_NO_LEADER"))
	r := get
	r.Once = true
	_, err := newClient(t, client.Options{Addresses: []string{a.URL, b.URL}}).Do(t.Context(), r)
	if !client.IsCode(err, "ERR_NO_LEADER") || len(a.seen()) != 1 || len(b.seen()) != 1 {
		t.Errorf("got %v after %d and %d requests, want ERR_NO_LEADER after one each", err, len(a.seen()), len(b.seen()))
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	m := startMaster(t, saysLater(503, "ERR_BUSY", "1"), fine)
	began := time.Now()
	if _, err := newClient(t, client.Options{Addresses: []string{m.URL}}).Do(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("was repeated after %v, want 1 s", took)
	}
}
