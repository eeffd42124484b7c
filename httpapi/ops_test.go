package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

func TestHealthSaysWhy(t *testing.T) {
	b := newBed(t, 2)
	m := b.members[1]
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	for name, c := range map[string]struct {
		health  Health
		reasons []string
	}{
		"well":            {Health{State: "follower", Leader: "m0"}, []string{}},
		"starting":        {Health{Starting: true}, []string{"starting"}},
		"restoring":       {Health{Restoring: true}, []string{"restoring a snapshot"}},
		"draining":        {Health{Draining: true}, []string{"draining"}},
		"removed":         {Health{Removed: true}, []string{"removed from the cluster"}},
		"disk":            {Health{DiskLow: true}, []string{"low on disk space"}},
		"election":        {Health{LeaderlessSince: ago(14 * time.Second)}, []string{}},
		"no leader":       {Health{LeaderlessSince: ago(16 * time.Second)}, []string{"no leader for over 15 s"}},
		"several reasons": {Health{Starting: true, DiskLow: true}, []string{"starting", "low on disk space"}},
	} {
		m.health.Store(&c.health)
		got := m.call("GET", "/gatehouse/v1/health", "", "")
		want := 200
		if len(c.reasons) > 0 {
			want = 503
		}
		expect(t, name, got, want)
		var body healthBody
		if err := json.Unmarshal([]byte(got.body), &body); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.reasons, body.Reasons); diff != "" || body.Healthy != (want == 200) || body.ID != "m1" {
			t.Errorf("%s: %s\n%s", name, got.body, diff)
		}
	}
}

func TestHealthOfTheLeaderAndStrictHealth(t *testing.T) {
	b := newBed(t, 2)
	expect(t, "leader", b.members[0].call("GET", "/gatehouse/v1/health/leader", "", ""), 200)
	expect(t, "follower", b.members[1].call("GET", "/gatehouse/v1/health/leader", "", ""), 503)
	expect(t, "strict", b.members[1].call("GET", "/gatehouse/v1/health/strict", "", ""), 200)
	b.log.lead("")
	got := b.members[1].call("GET", "/gatehouse/v1/health/strict", "", "")
	if got.status != 503 || !strings.Contains(got.body, "does not confirm reads") {
		t.Errorf("strict without a leader: %d %s", got.status, got.body)
	}
	expect(t, "health during an election", b.members[1].call("GET", "/gatehouse/v1/health", "", ""), 200)
}

func TestMastersHaveTheDecidedShape(t *testing.T) {
	b := newBed(t, 1)
	got := b.members[0].call("GET", "/gatehouse/v1/masters", "", "")
	want := `{
  "array": [
    {
      "id": "m0",
      "name": "m0",
      "api": "http://127.0.0.1:1",
      "peer": "127.0.0.1:2",
      "state": "leader",
      "leader": true,
      "version": "1",
      "level": 1,
      "applied_index": 7
    }
  ]
}
`
	if diff := cmp.Diff(want, got.body); diff != "" || got.status != 200 {
		t.Errorf("status %d\n%s", got.status, diff)
	}
}

func TestMetricsCountRequestsLoginsAndForwards(t *testing.T) {
	b := newBed(t, 2)
	m := b.members[1]
	m.call("GET", "/acs/api/v1/users/alice", "alice", "")
	m.call("GET", "/acs/api/v1/users/nobody", "alice", "")
	m.call("PUT", "/acs/api/v1/users/bob", "alice", "{}")
	m.call("POST", "/acs/api/v1/auth/login", "", `{"uid":"a"}`)
	got := m.call("GET", "/metrics", "", "")
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
		t.Fatalf("got %d %v", got.status, got.header)
	}
	for _, line := range []string{
		`gatehouse_http_requests_total{method="GET",route="user.get",status="200"} 1`,
		`gatehouse_http_requests_total{method="GET",route="user.get",status="400"} 1`,
		`gatehouse_http_requests_total{method="PUT",route="user.put",status="201"} 1`,
		`gatehouse_http_request_duration_seconds_count{method="GET",route="user.get"} 2`,
		`gatehouse_http_requests_in_flight 1`,
		`gatehouse_http_forwards_total{result="ok"} 1`,
		`gatehouse_logins_total{kind="password",result="ok"} 1`,
		`gatehouse_read_index_duration_seconds_count 3`,
		`gatehouse_state_objects{kind="users"} 3`,
		`gatehouse_state_applied_index 12`,
	} {
		if !strings.Contains(got.body, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// hostileLabels: no client can make up a label.
func hostileLabels(t *testing.T, _ *bed) {
	m := newBed(t, 1).members[0]
	lines := func() int {
		return strings.Count(m.call("GET", "/metrics", "", "").body, "gatehouse_http_requests_total{")
	}
	probe := func(i int) {
		name := strings.Repeat("x", i+1)
		m.call("GET", "/acs/api/v1/users/"+name, "alice", "")
		m.call("GET", "/"+name, "alice", "")
		m.call("BREW"+name, "/", "", "")
		m.call("BREW"+name, "/acs/api/v1/users", "", "")
	}
	lines()
	probe(0)
	before := lines()
	for i := range 20 {
		probe(i)
	}
	if after := lines(); after != before {
		t.Errorf("%d time series became %d", before, after)
	}
}

func TestOpenAPIDescribesTheRowsOfThisPackage(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := newBed(t, 1)
	for _, r := range b.members[0].server.opsRoutes() {
		if item := doc.Paths.Find(r.Path); item == nil || item.Get == nil {
			t.Errorf("%s %s is not described", r.Method, r.Path)
		}
	}
	got := b.members[0].call("GET", "/gatehouse/v1/openapi.yaml", "", "")
	if got.status != 200 || got.body != string(OpenAPI()) {
		t.Errorf("got %d and %d bytes", got.status, len(got.body))
	}
}

// However many read the metrics slowly, they hold a bounded number of pages.
func TestACrowdSharesAPageOfMetrics(t *testing.T) {
	s := newBed(t, 1).members[0].server
	ask := func(ctx context.Context) *byte {
		resp, err := s.getMetrics(ctx, &Request{Header: http.Header{"Accept": {"application/openmetrics-text"}}})
		if err != nil || len(resp.Raw) == 0 {
			t.Fatalf("%+v, %v", resp, err)
		}
		return &resp.Raw[0]
	}
	ctx, leave := context.WithCancel(t.Context())
	pages := map[*byte]bool{}
	for range 10 * maxOwnPages {
		pages[ask(ctx)] = true
	}
	if len(pages) < maxOwnPages || len(pages) > 2*maxOwnPages {
		t.Errorf("%d pages, want %d and a few that are shared", len(pages), maxOwnPages)
	}
	leave()
	waitFor(t, func() bool { return s.crowd.reading.Load() == 0 })
	if pages[ask(t.Context())] {
		t.Error("a page that is shared is shown to one who is alone")
	}
}
