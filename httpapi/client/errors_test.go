package client_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/client"
)

func errorOf(t *testing.T, s step) *client.Error {
	t.Helper()
	m := startMaster(t, s)
	_, err := newClient(t, client.Options{Addresses: []string{m.URL}, Patience: -1}).Do(t.Context(), get)
	var e *client.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an Error", err)
	}
	return e
}

func TestAnErrorSaysWhatTheMasterSaid(t *testing.T) {
	got := errorOf(t, saysLater(429, "ERR_TOO_MANY_REQUESTS", "7"))
	want := &client.Error{Status: 429, Title: "429 Too Many Requests", Code: "ERR_TOO_MANY_REQUESTS", Description: "Because.",
		RetryAfter: 7 * time.Second, RequestID: "a-request"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if text := got.Error(); text != "429 Too Many Requests: Because. (ERR_TOO_MANY_REQUESTS)" {
		t.Errorf("got %q", text)
	}
}

func TestOtherBodiesAreNoErrorsOfOurs(t *testing.T) {
	body := func(kind, text string) step {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(text))
		}
	}
	for name, row := range map[string]struct {
		step        step
		description string
	}{
		"nothing":          {body("", ""), ""},
		"HTML":             {body("text/html", "<html>"), ""},
		"broken JSON":      {body("application/json", `{"title":`), ""},
		"JSON of no error": {body("application/json", `[1]`), ""},
		"text":             {body("text/plain; charset=utf-8", "no such\tpage\n"), "no such page"},
		"endless text":     {body("text/plain", strings.Repeat("a", 1<<20)), strings.Repeat("a", 2000) + "…"},
		"a terminal's":     {body("application/json", `{"description":"\u001b[31mred\u0007\nnext\u202e"}`), "\ufffd[31mred\ufffd next\ufffd"},
	} {
		got := errorOf(t, row.step)
		if got.Title != "404 Not Found" || got.Description != row.description || got.Code != "" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestRetryAfterIsRead(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "3": 3 * time.Second, " 3 ": 3 * time.Second, "-3": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0, "2000000000": 24 * time.Hour,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 0,
	} {
		if got := errorOf(t, saysLater(429, "", value)).RetryAfter; got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
	at := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	if got := errorOf(t, saysLater(429, "", at)).RetryAfter; got < 50*time.Minute || got > time.Hour {
		t.Errorf("%q: got %v, want an hour", at, got)
	}
}

func TestARedirectNamesTheAddressToUse(t *testing.T) {
	const path = "/acs/api/v1/users/alice"
	for location, want := range map[string]string{
		"https://cluster.example" + path:           ": use the address https://cluster.example",
		"https://cluster.example:8443/iam" + path:  ": use the address https://cluster.example:8443/iam",
		"//cluster.example" + path + "?from=there": ": use the address http://cluster.example",
		"https://u:p@cluster.example" + path:       ": use the address https://cluster.example",
		"/iam" + path:                              "/iam",
		"https://cluster.example/login":            "which is not followed",
		"mailto:alice":                             "which is not followed",
		"":                                         "which is not followed",
		path:                                       "which is not followed",
	} {
		got := errorOf(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusPermanentRedirect)
		})
		if !strings.HasSuffix(got.Description, want) {
			t.Errorf("%q: got %q, want %q at its end", location, got.Description, want)
		}
	}
}

func TestWhenNobodyServesEveryAddressSaysWhy(t *testing.T) {
	alone, gone := startMaster(t, says(503, "ERR_NO_LEADER")), refusing(t)
	for name, addresses := range map[string][]string{"an answer first": {alone.URL, gone}, "an answer last": {gone, alone.URL}} {
		_, err := newClient(t, client.Options{Addresses: addresses, Patience: 300 * time.Millisecond}).Do(t.Context(), put)
		var all *client.UnservedError
		if !errors.As(err, &all) || len(all.Failures) != 2 || !client.Unavailable(err) || client.OutcomeUnknown(err) {
			t.Fatalf("%s: got %v, want the failures of both addresses", name, err)
		}
		for i, f := range all.Failures {
			if f.Address != addresses[i] || client.IsCode(f.Err, "ERR_NO_LEADER") != (f.Address == alone.URL) {
				t.Errorf("%s: got %v of %s", name, f.Err, f.Address)
			}
			if text := f.Address + ": " + f.Err.Error(); !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q is not in %q", name, text, err)
			}
		}
	}
}

func TestAnAnswerThatIsEverybodysStandsAlone(t *testing.T) {
	for _, status := range []int{400, 401, 403} {
		m := startMaster(t, says(status, "ERR_X"))
		_, err := newClient(t, client.Options{Addresses: []string{refusing(t), m.URL}}).Do(t.Context(), get)
		var all *client.UnservedError
		if !client.IsCode(err, "ERR_X") || errors.As(err, &all) {
			t.Errorf("got %v, want the answer alone", err)
		}
	}
}

func TestEverythingThatIsWrongWithOptionsIsSaid(t *testing.T) {
	_, err := client.New(client.Options{
		Addresses: []string{"master.mesos", "https://u:p4ss@host", "ftp://host", "https://host?x=y", "https://", "http://%zz",
			"u:p4ss@host", "https://u:p4ss", "https://u:p4ss word@host", "//u:p4ss@host", "ftp://host/u:p4ss@host"},
		Credentials:    client.Password("", ""),
		Token:          "two words",
		AttemptTimeout: -1,
		TokenLifetime:  time.Second,
	})
	for _, want := range []string{`"master.mesos"`, "must not hold a user", `"ftp://host"`, `"https://host?x=y"`, `"https://"`, "no URL",
		"uid and a password", "no token", "AttemptTimeout", "TokenLifetime"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "p4ss") {
		t.Errorf("the error shows a password: %v", err)
	}
	if _, err := client.New(client.Options{}); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("got %v, want that there is no address", err)
	}
}

func TestIdsCannotLeadElsewhere(t *testing.T) {
	m := startMaster(t, fine)
	c := newClient(t, client.Options{Addresses: []string{m.URL + "/prefix/"}})
	for _, uid := range []string{"", ".", ".."} {
		if _, err := c.User(t.Context(), uid); err == nil {
			t.Errorf("%q: got no error", uid)
		}
	}
	if _, err := c.User(t.Context(), "a/b?c#d"); err != nil {
		t.Fatal(err)
	}
	if seen := m.seen(); len(seen) != 1 || seen[0].path != "/prefix/acs/api/v1/users/a%2Fb%3Fc%23d" {
		t.Errorf("got %+v", seen)
	}
}

func TestHealthIsAnAnswerAlsoWhenItIsBad(t *testing.T) {
	sick := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"healthy":false,"reasons":["draining"],"id":"m"}`))
	}
	gate, m := startMaster(t, balancer(503)), startMaster(t, sick)
	c := newClient(t, client.Options{Addresses: []string{refusing(t), gate.URL, m.URL}})
	got, err := c.Health(t.Context(), client.Strict)
	want := client.HealthReport{Reasons: []string{"draining"}, ID: "m", Address: m.URL}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("got %v (-want +got)\n%s", err, diff)
	}
	if path := m.seen()[0].path; path != "/gatehouse/v1/health/strict" {
		t.Errorf("asked %s", path)
	}
	if _, err := newClient(t, client.Options{Addresses: []string{gate.URL}, Patience: -1}).Health(t.Context(), client.Serving); !client.Unavailable(err) {
		t.Errorf("a balancer without masters: got %v, want unavailable", err)
	}
}

// Whatever an answer holds, its error is one line that steers no terminal.
func FuzzErrorBody(f *testing.F) {
	f.Add("application/json", `{"title":"409 Conflict","description":"\u001b[2J","code":"ERR_CONFLICT"}`)
	f.Add("text/plain", "a\r\nb\x00c")
	f.Add("application/json; charset=UTF-8", "[")
	f.Fuzz(func(t *testing.T, kind, body string) {
		text := client.ErrorOf(409, http.Header{"Content-Type": {kind}}, []byte(body)).Error()
		for _, r := range text {
			if !unicode.IsPrint(r) || len(text) > 3000 {
				t.Fatalf("got %q", text)
			}
		}
	})
}
