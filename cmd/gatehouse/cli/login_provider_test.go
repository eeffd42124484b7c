package cli

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const codeRow = "POST /gatehouse/v1/login/code"

// withProviders is a master that logs people in through two identity providers; codes are good if they are "good".
func withProviders(t *testing.T) *master {
	m := newMaster(t, map[string]any{})
	addIdentities(m)
	m.answer("GET /metadata", map[string]string{"CLUSTER_ID": "c"})
	m.answer(codeRow, func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Code, Verifier string }
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Code != "good" || in.Verifier == "" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"title":"401 Unauthorized","description":"The login code is not valid.","code":"ERR_SSO_FAILED"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"token": tokenOf("carol", noon.Add(time.Hour))})
	})
	return m
}

// browse gives the person a browser that does nothing but say which page it opened; go sends what visit makes of it.
func (p *person) browse(visit func(start *url.URL)) {
	page := filepath.Join(p.env["HOME"], "page")
	script := p.file("browser", "#!/bin/sh\nprintf %s \"$2\" >'"+page+".new' && mv '"+page+".new' '"+page+"'\n")
	if err := os.Chmod(script, 0o700); err != nil {
		p.t.Fatal(err)
	}
	p.env["BROWSER"] = script + " --new-window %s:another"
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	p.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if text, err := os.ReadFile(page); err == nil {
				if start, err := url.Parse(string(text)); err == nil {
					visit(start)
				}
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

// land is where a login that began there sends the browser in the end.
func land(start *url.URL, path string) string {
	return "http://127.0.0.1:" + start.Query().Get("loopback-port") + path
}

// bring has a browser open a page of the command line with these headers; Host is another name for its address.
func bring(t *testing.T, address string, header map[string]string) (status int, body string) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	r.Host = r.Header.Get("Host") // "" is that of the address
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Errorf("GET %s: %v", address, err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func TestABrowserBringsTheEndOfALogin(t *testing.T) {
	m := withProviders(t)
	p := newPerson(t)
	var challenge string
	p.browse(func(start *url.URL) {
		q := start.Query()
		challenge = q.Get("challenge")
		if start.Path != "/acs/api/v1/auth/login" || !strings.HasPrefix(start.String(), m.URL) || q.Get("saml-provider") != "adfs" || q.Has("target") {
			t.Errorf("the browser opened %s", start)
		}
		for _, c := range []struct {
			path, host string
			status     int
		}{{"/favicon.ico", "", 404}, {"/?code=good", "evil.example", 404}, {"/?code=good", "localhost:" + q.Get("loopback-port"), 404},
			{"/", "", 400}, {"/?code=", "", 400}, {"/?code=a&code=b", "", 400}, {"/?code=" + strings.Repeat("x", maxCode+1), "", 400}} {
			if status, _ := bring(t, land(start, c.path), map[string]string{"Host": c.host}); status != c.status {
				t.Errorf("GET %.40s of %q: %d, want %d", c.path, c.host, status, c.status)
			}
		}
		if status, body := bring(t, land(start, "/?code=good"), nil); status != 200 || !strings.Contains(body, "You may close this window.") {
			t.Errorf("the last page is %d %s", status, body)
		}
	})
	got := p.good("login", "--url", m.URL, "--name", "prod", "--provider", "adfs")
	var sent struct{ Code, Verifier string }
	if err := json.Unmarshal([]byte(m.last().body), &sent); err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256([]byte(sent.Verifier)); base64.RawURLEncoding.EncodeToString(sum[:]) != challenge || len(sent.Verifier) < 43 {
		t.Errorf("verifier %q does not answer to the challenge %q", sent.Verifier, challenge)
	}
	if stored := p.stored(); stored.Current != "prod" || stored.Clusters["prod"].UID != "carol" || stored.Clusters["prod"].Token == "" {
		t.Errorf("stored %+v", stored)
	}
	if !strings.Contains(got.stdout, "as carol") || strings.Contains(got.stdout+got.stderr, sent.Verifier) || !strings.Contains(got.stderr, m.URL+"/acs/api/v1/auth/login?") {
		t.Errorf("said %s%s", got.stdout, got.stderr)
	}
}

func TestWaitingForABrowserEndsWithTheCommand(t *testing.T) {
	m := withProviders(t)
	p := newPerson(t)
	ctx, cancel := context.WithCancel(t.Context())
	p.browse(func(*url.URL) { cancel() })
	if got := p.runWith(ctx, "login", "--url", m.URL, "--provider", "company"); got.status != StatusInterrupted {
		t.Errorf("status %d: %s", got.status, got.stderr)
	}
}

func TestATokenIsPastedAndCheckedBeforeItIsStored(t *testing.T) {
	m := withProviders(t)
	p := newPerson(t)
	token := tokenOf("carol", noon.Add(time.Hour))
	p.terminal, p.passwords = true, []string{" " + token + "\n"}
	got := p.good("login", "--url", m.URL, "--provider", "company", "--paste")
	if m.last().token != token || m.last().path != "/metadata" || !strings.Contains(got.stderr, "oidc-provider=company&target=dcos%3Aauthenticationresponse%3Ahtml") {
		t.Errorf("asked %+v; said %s", m.last(), got.stderr)
	}
	name := strings.TrimPrefix(m.URL, "http://")
	if p.stored().Clusters[name].Token != token || strings.Contains(got.stdout+got.stderr, token) {
		t.Errorf("stored %+v", p.stored())
	}
	m.answer("GET /metadata", no{401, `{"title":"401 Unauthorized","code":"ERR_UNAUTHENTICATED"}`})
	p.passwords = []string{tokenOf("mallory", noon.Add(time.Hour))}
	p.bad(StatusLogin, "the cluster does not accept this token", "login", "--url", m.URL, "--provider", "company", "--paste")
	p.passwords = []string{"not a token"}
	p.bad(StatusUsage, "the token is no token", "login", "--url", m.URL, "--provider", "company", "--paste")
	if p.stored().Clusters[name].Token != token {
		t.Error("a token that was refused is stored")
	}
	p.terminal = false
	p.bad(StatusUsage, "there is no terminal to ask for the token on", "login", "--url", m.URL, "--provider", "company", "--paste")
}

func TestProvidersAndOtherCredentialsExcludeEachOther(t *testing.T) {
	m := withProviders(t)
	p := newPerson(t)
	p.bad(StatusFailed, "there is company, adfs", "login", "--url", m.URL, "--provider", "nobody")
	p.bad(StatusUsage, "add --provider ID", "login", "--url", m.URL, "--paste")
	for _, more := range [][]string{{"--uid", "x"}, {"--password-stdin"}} {
		p.bad(StatusUsage, "the identity provider says who logs in", append([]string{"login", "--url", m.URL, "--provider", "adfs"}, more...)...)
	}
}
