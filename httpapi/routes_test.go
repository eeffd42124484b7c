package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/auditapi"
	"gatehouse/httpapi/dcosapi"
	"gatehouse/httpapi/declareapi"
	"gatehouse/httpapi/directoryapi"
	"gatehouse/httpapi/iamapi"
	"gatehouse/httpapi/loginapi"
	"gatehouse/httpapi/pageapi"
	"gatehouse/httpapi/policyapi"
	"gatehouse/httpapi/secretsapi"
	"gatehouse/httpapi/ssoapi"
	"gatehouse/httpapi/storeapi"
)

// nobody is a cluster, a machine, a verifier and a status that nobody asks.
type nobody struct{}

func (nobody) ID() string                                              { return "m0" }
func (nobody) ReadIndex(context.Context) (httpapi.Read, error)         { return httpapi.Read{}, nil }
func (nobody) WaitLeader(context.Context) (string, bool, error)        { return "", false, nil }
func (nobody) RoundTrip(string, *http.Request) (*http.Response, error) { return nil, nil }
func (nobody) State() *state.State                                     { return state.New() }
func (nobody) AppliedIndex() uint64                                    { return 0 }
func (nobody) WaitIndex(context.Context, uint64) error                 { return nil }
func (nobody) Health() httpapi.Health                                  { return httpapi.Health{} }
func (nobody) Masters(context.Context) []httpapi.Master                { return nil }
func (nobody) Verify(*state.State, string, time.Time) (httpapi.Identity, error) {
	return httpapi.Identity{}, nil
}

// table is the table of routes of the whole product.
func table(t *testing.T) []httpapi.Route {
	t.Helper()
	routes := append(iamapi.New(iamapi.Options{Logger: slog.New(slog.DiscardHandler)}), declareapi.New(declareapi.Options{})...)
	routes = append(routes, loginapi.New(loginapi.Options{})...)
	routes = append(routes, pageapi.New(pageapi.Options{}).Routes()...)
	routes = append(routes, ssoapi.New(ssoapi.Options{})...)
	routes = append(routes, auditapi.New(auditapi.Options{})...)
	routes = append(routes, storeapi.New(storeapi.Options{}).Routes()...)
	routes = append(routes, directoryapi.New(directoryapi.Options{}).Routes()...)
	routes = append(routes, secretsapi.New(secretsapi.Options{})...)
	s, err := httpapi.New(httpapi.Options{
		Routes:  slices.Concat(routes, policyapi.New(policyapi.Options{}).Routes(), dcosapi.Routes(dcosapi.Options{Edition: httpapi.Open})),
		Cluster: nobody{}, Machine: nobody{}, Verifier: nobody{}, Status: nobody{}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.Routes()
}

// undecided lists the rows whose method says that they change something, and which another master than the leader answers.
var undecided = map[string]string{
	"iam.auth.login":         "verifies and signs on the master that was asked; escalates when it must write",
	"page.login.form":        "the same with a form",
	"page.logout":            "clears cookies",
	"gatehouse.audit.rotate": "begins a new file on the master whose admin socket was asked",

	"gatehouse.secrets.local-seal": "seals a store on the master whose admin socket was asked, without a quorum",
}

// gathered lists the rows that read, or use up, what is in the leader's memory alone: shares that are being gathered, the last
// synchronisation, logins through an identity provider.
var gathered = map[string]bool{"secrets.seal-status": true, "gatehouse.secrets.rekey.get": true, "gatehouse.ldap.sync.get": true,
	"iam.auth.oidc.callback": true, "iam.auth.saml.acs.finish": true}

func TestEveryChangeGoesToTheLeader(t *testing.T) {
	left := make(map[string]bool)
	for id := range undecided {
		left[id] = true
	}
	for _, r := range table(t) {
		changes := r.Method != http.MethodGet && !r.ReadOnly
		switch _, excepted := undecided[r.ID]; {
		case excepted:
			delete(left, r.ID)
			if r.Mode == httpapi.Leader || !r.NoIdempotency {
				t.Errorf("%s: an exception that is none, or with an Idempotency-Key that is never kept", r.ID)
			}
		case changes && r.Mode != httpapi.Leader:
			t.Errorf("%s changes something, but does not go to the leader", r.ID)
		case !changes && (r.Mode == httpapi.Leader) != gathered[r.ID]:
			t.Errorf("%s reads, but goes to the leader, or should", r.ID)
		}
	}
	for id := range left {
		t.Errorf("there is no row %s", id)
	}
}

// open lists the rows that need no caller.
var open = map[string]bool{
	"iam.auth.login": true, "iam.auth.start": true, "iam.auth.logout": true, "iam.auth.jwks": true, "iam.auth.providers": true,
	"iam.auth.oidc.providers": true, "iam.auth.saml.providers": true, "iam.uiconfig": true, "iam.uiconfig.metadata": true, "iam.openapi": true,
	"dcos.root": true, "dcos.version": true, "dcos.ca": true, "page.login": true, "page.login.form": true, "page.logout": true,
	"ops.health": true, "ops.health.leader": true, "ops.health.strict": true, "ops.masters": true, "ops.metrics": true, "ops.openapi": true,
	"secrets.ping": true, "secrets.ping.backend": true,
	"iam.auth.oidc.callback": true, "iam.auth.saml.acs": true, "iam.auth.saml.acs.finish": true, "gatehouse.login.code": true,
	"iam.auth.confirm": true,
}

func TestEveryRowHasAnAccessRuleAndALimit(t *testing.T) {
	for _, r := range table(t) {
		if (r.Access == httpapi.Public) != open[r.ID] {
			t.Errorf("%s: access %d, and listed as open: %v", r.ID, r.Access, open[r.ID])
		}
		if limit := r.BodyLimit; limit <= 0 || limit > 1<<20 && !r.Files || limit > 8<<20 {
			t.Errorf("%s: body limit %d", r.ID, r.BodyLimit)
		}
		ours := strings.HasPrefix(r.Path, "/gatehouse/v1/")
		if ours && r.ID != "gatehouse.login.code" && r.Method != http.MethodGet && !r.ReadOnly && r.Access != httpapi.Superuser && r.Access != httpapi.Internal && r.Access != httpapi.Granted {
			t.Errorf("%s changes something under /gatehouse/v1 without a superuser or a grant", r.ID)
		}
		if r.Mode == httpapi.Stale && r.Access == httpapi.Public {
			t.Errorf("%s is stale for everybody", r.ID)
		}
		if r.NeedBody && r.Schema == nil && r.ID != "iam.auth.login" {
			t.Errorf("%s needs a body but has no schema", r.ID)
		}
	}
}

func TestEveryRowBesideTheIAMIsDescribed(t *testing.T) {
	text := string(httpapi.OpenAPI())
	for _, r := range table(t) {
		ofIAM := strings.HasPrefix(r.Path, "/acs/api/v1/") && r.Access != httpapi.Query
		ofSecrets := strings.HasPrefix(r.Path, "/secrets/v1/") // described beside package secretsapi
		if ofIAM || ofSecrets || r.Access == httpapi.Internal {
			continue
		}
		var parts []string
		for part := range strings.SplitSeq(r.Path, "/") {
			if name := strings.TrimLeft(part, ":*"); name != part {
				part = "{" + name + "}"
			}
			parts = append(parts, part)
		}
		_, item, found := strings.Cut(text, "\n  "+strings.Join(parts, "/")+":\n")
		item, _, _ = strings.Cut(item, "\n  /")
		method := strings.ToLower(r.Method)
		if r.Method == httpapi.AnyMethod {
			method = "get" // and the rest of the description says so
		}
		if !found || !strings.Contains("\n"+item, "\n    "+method+":\n") {
			t.Errorf("openapi.yaml lacks %s %s", r.Method, r.Path)
		}
	}
}

// described lists what a description in YAML has: "GET /path" for every method of every path.
func described(text string) map[string]bool {
	found := map[string]bool{}
	path := ""
	for line := range strings.SplitSeq(text, "\n") {
		name, isKey := strings.CutSuffix(line, ":")
		switch {
		case isKey && strings.HasPrefix(name, "  /"):
			path = strings.TrimSpace(name)
		case isKey && path != "" && strings.HasPrefix(name, "    ") && !strings.HasPrefix(name, "     "):
			found[strings.ToUpper(strings.TrimSpace(name))+" "+path] = true
		case line != "" && line[0] != ' ' && line[0] != '#':
			path = ""
		}
	}
	return found
}

func TestTheDescriptionOfTheSecretsAPIHasItsRowsAndNoOthers(t *testing.T) {
	text, err := os.ReadFile("secretsapi/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	left := described(string(text))
	delete(left, "GET /ping/backends/all") // a value of {backend}
	for _, r := range table(t) {
		path, ok := strings.CutPrefix(r.Path, "/secrets/v1")
		if !ok || r.Access == httpapi.Internal {
			continue
		}
		for parameter, name := range map[string]string{":store": "{store}", ":backend": "{backend}", "*path": "{path/to/secret}"} {
			path = strings.ReplaceAll(path, parameter, name)
		}
		if row := r.Method + " " + path; !left[row] {
			t.Errorf("openapi.yaml lacks %s", row)
		} else {
			delete(left, row)
		}
	}
	for row := range left {
		t.Errorf("there is no row for %s", row)
	}
}

func TestTheDescriptionOfTheIAMHasItsRowsAndNoOthers(t *testing.T) {
	text, err := os.ReadFile("iamapi/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	left := described(string(text))
	for _, r := range table(t) {
		path, ok := strings.CutPrefix(r.Path, "/acs/api/v1/")
		if !ok || r.Access == httpapi.Query {
			continue
		}
		row := r.Method + " /" + parameter.ReplaceAllString(path, "{$1}")
		if !left[row] {
			t.Errorf("openapi.yaml lacks %s", row)
		}
		delete(left, row)
		if !strings.Contains(string(text), "\n      operationId: "+r.ID+"\n") {
			t.Errorf("openapi.yaml lacks the id %s", r.ID)
		}
	}
	for row := range left {
		if !strings.HasPrefix(row, "PARAMETERS ") { // those of all methods of a path
			t.Errorf("openapi.yaml has %s, which is no row", row)
		}
	}
}

// parameter is a path parameter as rows write it.
var parameter = regexp.MustCompile(`:(\w+)`)
