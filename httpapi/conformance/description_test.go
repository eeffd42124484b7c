package conformance

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/httpapi/apitest"
)

// deviation is an answer that the description does not name.
type deviation struct {
	operations string // the operations it is for: their names begin with this, "" is all
	status     int
	codes      []string // "" is an error without a code
	reason     string
}

// deviations are all of them. The description names hardly any error; the contract does.
var deviations = []deviation{
	{"", 401, []string{"ERR_UNAUTHENTICATED"}, "it leaves authentication out (contract 1, column auth)"},
	{"", 403, []string{"ERR_FORBIDDEN"}, "and authorization (contract 1, column auth)"},
	{"", 400, []string{""}, "bodies that violate their schema, or are none (contract 0.1)"},
	{"", 406, []string{""}, "clients that want anything but JSON (contract 0.1)"},
	{"PUT ", 415, []string{""}, "bodies of another type (contract 0.1)"},
	{"", 400, []string{"ERR_UNKNOWN_USER_ID", "ERR_UNKNOWN_GROUP_ID", "ERR_UNKNOWN_RESOURCE_ID"},
		"unknown entities are 400 with a code (contract 9, decision 2)"},
	{"PUT /users/{uid}", 400, []string{"ERR_INVALID_DATA", "ERR_INVALID_PUBLIC_KEY", "ERR_INVALID_USER_ID"}, "rules of contract 1.3"},
	{"PATCH /users/{uid}", 400, []string{"ERR_INVALID_DATA"}, "rules of contract 1.4; the 501 of service accounts is one of them (decision 38)"},
	{"PUT /groups/{gid}", 400, []string{"ERR_INVALID_GROUP_ID", "ERR_INVALID_DATA"}, "rules of contract 1.6"},
	{"PUT /acls/{rid}", 400, []string{"ERR_INVALID_RESOURCE_ID", "ERR_INVALID_DATA"}, "rules of contract 9, decision 3"},
	{"GET /acls/{rid}", 400, []string{"ERR_USER_NOT_IN_ACL", "ERR_GROUP_NOT_IN_ACL", "ERR_INVALID_ACTION"}, "contract 1.1"},
	{"DELETE /acls/{rid}", 400, []string{"ERR_USER_NOT_IN_ACL", "ERR_GROUP_NOT_IN_ACL", "ERR_ACTION_NOT_YET_STORED", "ERR_INVALID_ACTION"}, "contract 1.1"},
	{"PUT /acls/{rid}/", 400, []string{"ERR_INVALID_ACTION"}, "five actions (contract 1.8)"},
	{"PUT /acls/{rid}/", 409, []string{"ERR_PERMISSION_EXISTS"}, "a grant that exists (contract 9, decision 1)"},
	{"DELETE /groups/{gid}/users/{uid}", 400, []string{"ERR_USER_NOT_IN_GROUP"}, "contract 0.4"},
	{"POST /ldap/importuser", 409, []string{"ERR_USER_EXISTS"}, "a user that is known (contract 4.6)"},
	{"POST /ldap/importgroup", 409, []string{"ERR_GROUP_EXISTS"}, "a group that is known (contract 4.6)"},
	{"POST /ldap/importgroup", 202, []string{""}, "an import in part (contract 4.6)"},
	{"POST /ldap/config/test", 400, []string{"", "ERR_LDAP_CONFIG_NOT_AVAILABLE"}, "no credentials, no configuration (contract 4.4)"},
	{"DELETE /", 400, []string{"ERR_NO_MORE_SUPERUSERS", "ERR_IS_SUPERUSER_GROUP", "ERR_IS_SUPERUSER_ACL"}, "lock-out protection (contract 3.4)"},
}

// excuse finds the row for an answer.
func (p *surfaceOf) excuse(operation string, a apitest.Answer) (int, bool) {
	i := slices.IndexFunc(p.deviations, func(d deviation) bool {
		return d.status == a.Status && strings.HasPrefix(operation, d.operations) && slices.Contains(d.codes, a.Code())
	})
	return i, i >= 0
}

// shape is a body that the description does not know, of a status that it knows.
type shape struct {
	operation, name string
	is              func(apitest.Call, apitest.Answer) bool
	reason          string
}

// iamShapes are those of the IAM.
var iamShapes = []shape{
	{"POST /ldap/importgroup", "a number of users", func(_ apitest.Call, a apitest.Answer) bool {
		return a.Status == http.StatusCreated && strings.Contains(a.Body, `"imported_user_count": `)
	}, "how many were imported is told of a whole import too (contract 4.6)"},
}

// shapeOf finds the row for an answer, -1 if there is none.
func (p *surfaceOf) shapeOf(operation string, r apitest.Call, a apitest.Answer) int {
	return slices.IndexFunc(p.shapes, func(s shape) bool { return s.operation == operation && s.is(r, a) })
}

// never are documented statuses that no request gets, and why.
var never = map[string]string{
	"PATCH /users/{uid} 501": "service accounts are refused a password with 400 (contract 9, decision 38)",
}

// elsewhere are the operations of identity providers and of directories, with what a superuser is answered as long as there are none.
var elsewhere = map[string]int{
	"GET /auth/login":         400,
	"GET /auth/oidc/callback": 401,
	"POST /auth/saml/providers/{provider-id}/acs-callback":    401,
	"GET /auth/saml/providers/{provider-id}/acs-callback-url": 400,
	"GET /auth/saml/providers/{provider-id}/sp-metadata":      400,
}

func TestEveryAnswerFollowsThePublishedDescription(t *testing.T) {
	h := newHouse(t, apitest.Options{Masters: 3})
	seen := newAnswers(t, publishedIAM())
	h.look = seen.check
	h.driveEverything(t)
	for path, item := range published().Paths.Map() {
		for method, op := range item.Operations() {
			name := method + " " + path
			if _, other := elsewhere[name]; other {
				continue
			}
			for status := range op.Responses.Map() {
				code, _ := strconv.Atoi(status)
				if excused := never[name+" "+status] != ""; excused == seen.seen[name][code] {
					t.Errorf("%s: status %s is described; answered: %v, excused: %v", name, status, seen.seen[name][code], excused)
				}
			}
		}
	}
	seen.unused()
}

func TestOperationsOfProvidersAndDirectoriesAnswerAsLongAsThereAreNone(t *testing.T) {
	h := newHouse(t, apitest.Options{Masters: 3})
	token := h.login(root, rootPassword)
	left := maps.Clone(elsewhere)
	for path, item := range published().Paths.Map() {
		for method := range item.Operations() {
			name := method + " " + path
			want, other := left[name]
			if !other {
				continue
			}
			delete(left, name)
			body := ""
			if method != http.MethodGet && method != http.MethodDelete {
				body = "{}"
			}
			if got := h.do(method, prefix+strings.ReplaceAll(path, "{provider-id}", "idp"), token, body); got.Status != want {
				t.Errorf("%s: got %d %s, want %d", name, got.Status, got.Body, want)
			}
		}
	}
	for name := range left {
		t.Errorf("%s is not described", name)
	}
}
