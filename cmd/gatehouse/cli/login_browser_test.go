package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCodesOfOtherLoginsEndNothing(t *testing.T) {
	m := withProviders(t)
	p := newPerson(t)
	p.browse(func(start *url.URL) {
		for i := range maxCodes - 1 {
			if status, body := bring(t, land(start, fmt.Sprintf("/?code=foreign%d", i)), nil); status != 401 || !strings.Contains(body, "goes on waiting") {
				t.Errorf("a foreign code: %d %s", status, body)
			}
		}
		if status, body := bring(t, land(start, "/?code=good"), nil); status != 200 || !strings.Contains(body, "Logged in") {
			t.Errorf("the right code: %d %s", status, body)
		}
	})
	got := p.good("login", "--url", m.URL, "--name", "prod", "--provider", "company")
	if stored := p.stored().Clusters["prod"]; stored == nil || stored.UID != "carol" {
		t.Errorf("stored %+v", stored)
	}
	if n := strings.Count(got.stderr, "does not count: The login code is not valid."); n != maxCodes-1 {
		t.Errorf("said %d times that a code was refused: %s", n, got.stderr)
	}
}

func TestALoginTriesAFewCodesOnly(t *testing.T) {
	m := withProviders(t)
	p := newPerson(t)
	p.browse(func(start *url.URL) {
		for i := range maxCodes {
			want := http.StatusUnauthorized
			if i == maxCodes-1 {
				want = http.StatusGone // it does not go on waiting
			}
			if status, body := bring(t, land(start, fmt.Sprintf("/?code=foreign%d", i)), nil); status != want {
				t.Errorf("foreign code %d: %d %s, want %d", i, status, body, want)
			}
		}
	})
	p.bad(StatusLogin, "the login did not succeed: The login code is not valid.", "login", "--url", m.URL, "--provider", "company")
	if n := m.count("POST", "/gatehouse/v1/login/code"); n != maxCodes {
		t.Errorf("the cluster was asked %d times", n)
	}
	if _, err := os.Stat(filepath.Join(p.env["HOME"], ".config", "gatehouse", "clusters.json")); err == nil {
		t.Error("something is stored")
	}
}

// What a page loads, embeds or fetches brings no code, not even a right one; a browser that goes from the cluster's page to this one does.
func TestOnlyABrowserThatGoesToThePageBringsACode(t *testing.T) {
	m := withProviders(t)
	p := newPerson(t)
	p.browse(func(start *url.URL) {
		for _, header := range []map[string]string{
			{"Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"},
			{"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"},
			{"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Origin": "https://evil.example"},
			{"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "no-cors"},
			{"Sec-Fetch-Dest": ""},
			{"Origin": "https://evil.example"},
			{"Origin": ""},
		} {
			if status, body := bring(t, land(start, "/?code=good"), header); status != 403 {
				t.Errorf("%v: %d %s", header, status, body)
			}
		}
		for _, header := range []map[string]string{
			{"Origin": "null"}, {"Origin": "http://127.0.0.1:" + start.Query().Get("loopback-port")}, {"Origin": m.URL},
		} {
			if status, body := bring(t, land(start, "/?code=foreign"), header); status != 401 {
				t.Errorf("%v: %d %s", header, status, body)
			}
		}
		navigation := map[string]string{"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-User": "?1"}
		if status, body := bring(t, land(start, "/?code=good"), navigation); status != 200 {
			t.Errorf("a navigation: %d %s", status, body)
		}
	})
	p.good("login", "--url", m.URL, "--provider", "company")
	if n := m.count("POST", "/gatehouse/v1/login/code"); n != 4 {
		t.Errorf("the cluster was asked %d times", n)
	}
}

func TestABrowserThatClosesHasBroughtItsCode(t *testing.T) {
	m := withProviders(t)
	p := newPerson(t)
	p.browse(func(start *url.URL) {
		host := "127.0.0.1:" + start.Query().Get("loopback-port")
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET /?code=good HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
			t.Error(err)
		}
	})
	p.good("login", "--url", m.URL, "--name", "prod", "--provider", "company")
	if stored := p.stored().Clusters["prod"]; stored == nil || stored.UID != "carol" {
		t.Errorf("stored %+v", stored)
	}
}

func TestWhoCameOutOfTheBrowserIsSaid(t *testing.T) {
	m := withProviders(t)
	p := newPerson(t)
	login := func() string {
		t.Helper()
		_ = os.Remove(filepath.Join(p.env["HOME"], "page"))
		p.browse(func(start *url.URL) { bring(t, land(start, "/?code=good"), nil) })
		return p.good("login", "--url", m.URL, "--name", "prod", "--provider", "company").stderr
	}
	for range 2 {
		if said := login(); !strings.Contains(said, "The identity provider logged in carol.") || strings.Contains(said, "Warning") {
			t.Errorf("said %s", said)
		}
	}
	m.answer(codeRow, map[string]string{"token": tokenOf("mallory", noon.Add(time.Hour))})
	if said := login(); !strings.Contains(said, "logged in mallory.") || !strings.Contains(said, "Warning: prod was the login of carol until now.") {
		t.Errorf("said %s", said)
	}
}

// What a browser shows at the end is true: a command line that has ended does not go on waiting.
func TestABrowserIsToldThatTheCommandLineHasEnded(t *testing.T) {
	m := withProviders(t)
	m.answer(codeRow, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"title":"500 Internal Server Error","description":"It failed.","code":"ERR_INTERNAL"}`)
	})
	p := newPerson(t)
	p.browse(func(start *url.URL) {
		if status, body := bring(t, land(start, "/?code=good"), nil); status != http.StatusGone || !strings.Contains(body, "does not wait") {
			t.Errorf("after a failure: %d %s", status, body)
		}
	})
	p.bad(StatusUnknown, "It failed.", "login", "--url", m.URL, "--provider", "company")
}

// The command line ends right after a good code, and is not to be faster than the page that says so.
func TestALoginThatSucceededIsNotToldToHaveComeTooLate(t *testing.T) {
	l := &codeListener{closed: make(chan struct{})}
	close(l.closed)
	for range 50 {
		good := make(chan bool, 1)
		good <- true
		w := httptest.NewRecorder()
		l.tell(w, httptest.NewRequest(http.MethodGet, "/?code=good", nil), good)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Logged in") {
			t.Fatalf("told %d %s", w.Code, w.Body)
		}
	}
}
