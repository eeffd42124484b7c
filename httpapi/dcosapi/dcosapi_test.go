package dcosapi_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/dcosapi"
)

var update = flag.Bool("update", false, "write the golden files anew")

// master is a cluster of one whose state is fixed. Its one token is "good".
type master struct{ state *state.State }

func (m master) ID() string { return "m1" }
func (m master) ReadIndex(context.Context) (httpapi.Read, error) {
	return httpapi.Read{Index: m.state.Index(), Term: 1, Leader: "m1", Time: noon}, nil
}
func (m master) WaitLeader(context.Context) (string, bool, error) { return "m1", true, nil }
func (m master) RoundTrip(string, *http.Request) (*http.Response, error) {
	return nil, errors.New("there is nobody else")
}
func (m master) State() *state.State                     { return m.state }
func (m master) AppliedIndex() uint64                    { return m.state.Index() }
func (m master) WaitIndex(context.Context, uint64) error { return nil }
func (m master) Health() httpapi.Health                  { return httpapi.Health{} }
func (m master) Masters(context.Context) []httpapi.Master {
	return nil
}

func (m master) Verify(_ *state.State, raw string, now time.Time) (httpapi.Identity, error) {
	if raw != "good" {
		return httpapi.Identity{}, errors.New("not the good one")
	}
	return httpapi.Identity{UID: "alice", IssuedAt: now, Expires: now.Add(time.Hour)}, nil
}

var noon = time.Date(2026, time.January, 2, 12, 0, 0, 0, time.UTC)

// serve is the IAM surface of a master of cluster-1, in which alice lives.
func serve(t *testing.T, o dcosapi.Options) http.Handler { return surface(t, o, httpapi.KindIAM) }

func surface(t *testing.T, o dcosapi.Options, kind httpapi.Kind) http.Handler {
	t.Helper()
	txn := state.New().Begin()
	txn.SetMeta(state.Meta{ClusterID: "cluster-1", Level: 1, Term: 1, LeaderID: "m1"})
	txn.PutUser(&iam.User{UID: "alice", ProviderType: iam.Internal, PasswordHash: "hash"})
	m := master{txn.Commit(7)}
	o.DCOSVersion, o.Version, o.Commit = "2.2.0", "1.0.0", "c0ffee"
	s, err := httpapi.New(httpapi.Options{
		Routes: dcosapi.Routes(o), Cluster: m, Machine: m, Verifier: m, Status: m, Edition: o.Edition, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.Public(kind)
}

func ask(h http.Handler, method, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "token="+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// paths are all rows: path by id.
var paths = map[string]string{
	"dcos.root": "/", "dcos.version": "/dcos-metadata/dcos-version.json", "dcos.ca": "/ca/dcos-ca.crt",
	"dcos.buildinfo": "/pkgpanda/active.buildinfo.full.json", "dcos.metadata": "/metadata", "dcos.state-summary": "/mesos/state-summary",
	"dcos.acs": "/acs/api/v1",
}

func TestGoldenAnswers(t *testing.T) {
	editions := map[httpapi.Edition]http.Handler{
		httpapi.Enterprise: serve(t, dcosapi.Options{}),
		httpapi.Open: serve(t, dcosapi.Options{Edition: httpapi.Open, ClusterID: "shown-1", ClusterName: "Production", PublicIP: "192.0.2.1",
			CA: func() []byte { return []byte("-----BEGIN CERTIFICATE-----\n") }}),
	}
	for _, r := range dcosapi.Routes(dcosapi.Options{Edition: httpapi.Open}) {
		if paths[r.ID] != r.Path {
			t.Errorf("row %s is at %s, want %q", r.ID, r.Path, paths[r.ID])
		}
		var text strings.Builder
		for _, edition := range []httpapi.Edition{httpapi.Enterprise, httpapi.Open} {
			for _, token := range []string{"", "good"} {
				fmt.Fprintf(&text, "# %s\n%s\n", edition, exchange(editions[edition], r.Path, token))
			}
		}
		golden(t, filepath.Join("testdata", "golden", r.ID+".txt"), text.String())
	}
}

// exchange renders a request and its answer.
func exchange(h http.Handler, path, token string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "> GET %s\n", path)
	if token != "" {
		fmt.Fprintf(&b, "> Authorization: token=%s\n", token)
	}
	w := ask(h, http.MethodGet, path, token)
	fmt.Fprintf(&b, "< %d %s\n", w.Code, http.StatusText(w.Code))
	var names []string
	for name := range w.Header() {
		if name != "X-Gatehouse-Request-Id" && name != "Content-Length" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "< %s: %s\n", name, strings.Join(w.Header()[name], ", "))
	}
	if body := strings.TrimSuffix(w.Body.String(), "\n"); body != "" {
		b.WriteString(body + "\n")
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestACommandLineIsChallengedInTheWordOfTheEdition(t *testing.T) {
	for edition, want := range map[httpapi.Edition]string{"": "acsjwt", httpapi.Enterprise: "acsjwt", httpapi.Open: "oauthjwt"} {
		h := serve(t, dcosapi.Options{Edition: edition})
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			for _, path := range []string{"/pkgpanda/active.buildinfo.full.json", "/acs/api/v1", "/acs/api/v1/"} {
				for _, token := range []string{"", "bad", "good.and.gone"} {
					w := ask(h, method, path, token)
					if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusUnauthorized || got != want {
						t.Errorf("%q: %s %s with token %q: got %d with challenge %q, want 401 with %q", edition, method, path, token, w.Code, got, want)
					}
				}
			}
		}
	}
}

func TestAGoodTokenIsKnownByAHead(t *testing.T) {
	w := ask(serve(t, dcosapi.Options{}), http.MethodHead, "/pkgpanda/active.buildinfo.full.json", "good")
	if w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("got %d with %d bytes, want 200 without any", w.Code, w.Body.Len())
	}
}

func TestBrowsersGetAPageAtTheRootAndProgramsDoNot(t *testing.T) {
	page := func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
		return &httpapi.Response{Status: http.StatusSeeOther, Header: http.Header{"Location": {"/login"}}}, nil
	}
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, c := range []struct {
		method, accept string
		browser        httpapi.Handler
		want           int
	}{
		{"GET", browser, page, 303}, {"GET", "Text/HTML", page, 303},
		{"GET", "", page, 200}, {"GET", "*/*", page, 200}, {"GET", "application/json", page, 200},
		{"HEAD", "", page, 200}, {"HEAD", browser, page, 200}, {"GET", browser, nil, 200},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		if c.accept != "" {
			r.Header.Set("Accept", c.accept)
		}
		w := httptest.NewRecorder()
		serve(t, dcosapi.Options{Browser: c.browser}).ServeHTTP(w, r)
		if w.Code != c.want || c.want == 200 && w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("Vary") != "Accept" {
			t.Errorf("%s / with Accept %q: %d %v, want %d", c.method, c.accept, w.Code, w.Header(), c.want)
		}
	}
}

func TestAuthoritiesAreHandedOutAsTheyAreNow(t *testing.T) {
	pem := ""
	h := serve(t, dcosapi.Options{CA: func() []byte { return []byte(pem) }})
	for _, next := range []string{"", "one", "two", ""} {
		pem = next
		w := ask(h, http.MethodGet, "/ca/dcos-ca.crt", "")
		if want := map[bool]int{true: 404, false: 200}[next == ""]; w.Code != want || w.Body.String() != next {
			t.Errorf("with %q: got %d %q, want %d", next, w.Code, w.Body, want)
		}
	}
}

func TestOtherPathsOfDCOSAreNotServed(t *testing.T) {
	h := serve(t, dcosapi.Options{})
	for _, path := range []string{"/cluster/v1/links", "/package/describe", "/mesos/", "/mesos/state", "/metadata/", "/pkgpanda/", "/dcos-metadata/",
		"/dcos-metadata/dcos-version.json/", "//", "/./metadata", "/ca/", "/ca/../metadata"} {
		if w := ask(h, http.MethodGet, path, "good"); w.Code != http.StatusNotFound {
			t.Errorf("GET %s: got %d, want 404", path, w.Code)
		}
	}
	if w := ask(h, http.MethodPost, "/metadata", "good"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /metadata: got %d, want 405", w.Code)
	}
}

func TestTheyBelongToTheSurfaceOfTheIAM(t *testing.T) {
	h := surface(t, dcosapi.Options{Edition: httpapi.Open}, httpapi.KindSecrets)
	for id, path := range paths {
		if w := ask(h, http.MethodGet, path, "good"); w.Code != http.StatusNotFound || w.Body.Len() != 0 {
			t.Errorf("%s is on a listener for secrets: %d %q", id, w.Code, w.Body)
		}
	}
}
