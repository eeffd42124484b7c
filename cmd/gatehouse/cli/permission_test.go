package cli

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/client"
)

func TestCanISaysWhyNotAndWhatWouldHelp(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	for args, want := range map[string]string{
		"dcos:service:metronome:metronome:jobs:/prod delete --as alice": "no: alice does not have delete on dcos:service:metronome:metronome:jobs:/prod\n" +
			"  alice has only read, update there\n" +
			"  this would let it: gatehouse permission grant dcos:service:metronome:metronome:jobs:/prod delete --user alice\n",
		"dcos:x read --as alice": "no: alice does not have read on dcos:x\n  nothing is granted there to alice, nor to its groups: ops\n" +
			"  this would let it: gatehouse permission grant dcos:x read --user alice\n",
		"dcos:x read --as deployer": "no: deployer does not have read on dcos:x\n  nothing is granted there to deployer, which is in no group\n" +
			"  this would let it: gatehouse permission grant dcos:x read --user deployer\n",
	} {
		got := p.run(append([]string{"can-i"}, strings.Fields(args)...)...)
		if got.status != StatusFailed || got.stdout != want || got.stderr != "" {
			t.Errorf("%s: status %d\n%s%s\nwant 1 and\n%s", args, got.status, got.stdout, got.stderr, want)
		}
	}
	got := p.run("can-i", "dcos:x", "read", "--as", "deployer", "-o", "json")
	if got.status != StatusFailed || !strings.Contains(got.stdout, `"allowed": false`) || !strings.Contains(got.stdout, `"paths": []`) || got.stderr != "" {
		t.Errorf("as JSON: status %d\n%s%s", got.status, got.stdout, got.stderr)
	}
	p.bad(StatusFailed, "ERR_UNKNOWN_USER_ID", "can-i", "dcos:x", "read", "--as", "nobody")
	m.answer(explainRow("alice", "dcos:x", "read"), no{403, `{"title":"403 Forbidden","code":"ERR_FORBIDDEN"}`})
	p.bad(StatusLogin, "gatehouse whoami", "can-i", "dcos:x", "read", "--as", "alice")
}

// requests are what a master was asked since the last time, without the answers' paths of logins.
func (m *master) requests() (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.asked {
		all = append(all, strings.TrimSpace(a.method+" "+a.path+" "+a.body))
	}
	m.asked = nil
	return all
}

func TestAGrantCreatesTheResourceThatIsMissing(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	m.requests()
	const grant, acl = "PUT /acs/api/v1/acls/dcos:%2Fx/users/alice/read", "PUT /acs/api/v1/acls/dcos:%2Fx"
	unknown := no{400, `{"title":"400 Bad Request","code":"ERR_UNKNOWN_RESOURCE_ID"}`}
	made := false
	m.answer("PUT /acs/api/v1/acls/dcos:%252Fx/users/alice/read", func(w http.ResponseWriter) {
		if made {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(unknown.status)
		_, _ = w.Write([]byte(unknown.body))
	})
	m.answer("PUT /acs/api/v1/acls/dcos:%252Fx", func(w http.ResponseWriter) {
		made = true
		w.WriteHeader(http.StatusCreated)
	})
	if got := p.good("permission", "grant", "dcos:/x", "read", "--user", "alice"); got.stdout != "Granted read on dcos:/x to the user alice.\n" {
		t.Errorf("got %s", got.stdout)
	}
	want := []string{grant, "GET /acs/api/v1/users/alice", acl + ` {"description":"Created with the Gatehouse command line"}`, grant}
	if diff := cmp.Diff(want, m.requests()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	// Somebody else may be faster, and his description stays.
	made = false
	m.answer("PUT /acs/api/v1/acls/dcos:%252Fx", func(w http.ResponseWriter) {
		made = true
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"title":"409 Conflict","code":"ERR_ACL_EXISTS"}`))
	})
	p.good("permission", "grant", "dcos:/x", "read", "--user", "alice", "--description", "mine")
	if got := m.requests(); len(got) != 4 || got[2] != acl+` {"description":"mine"}` {
		t.Errorf("got %q", got)
	}

	// A slip leaves no resource behind.
	m.answer("PUT /acs/api/v1/acls/dcos:%252Fx/users/nobody/read", unknown)
	p.bad(StatusFailed, "ERR_UNKNOWN_USER_ID", "permission", "grant", "dcos:/x", "read", "--user", "nobody")
	if got := m.requests(); len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

func TestARevocationSaysWhenItDoesNotHelp(t *testing.T) {
	p := loggedInTo(t, full(t))
	got := p.good("permission", "revoke", "dcos:adminrouter:ops:mesos", "read", "--user", "alice")
	if want := "Note: alice still has read there: its group ops has full on dcos:adminrouter:ops:mesos.\n"; got.stderr != want {
		t.Errorf("got %q, want %q", got.stderr, want)
	}
}

// What the masters refuse for the sake of the last superuser, a person must be able to mend.
func TestRefusalsSayWhatToDoInstead(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	for code, want := range map[string]string{
		"ERR_NO_MORE_SUPERUSERS":    "gatehouse group add superusers UID",
		"ERR_IS_SUPERUSER_GROUP":    "gatehouse group remove superusers UID",
		"ERR_IS_SUPERUSER_ACL":      "gatehouse group remove superusers UID",
		"ERR_FORBIDDEN":             "gatehouse whoami",
		"ERR_UNKNOWN_GROUP_ID":      "gatehouse group list",
		"ERR_UNKNOWN_RESOURCE_ID":   "gatehouse acl list",
		"ERR_USER_NOT_IN_ACL":       "gatehouse permission show",
		"ERR_ACTION_NOT_YET_STORED": "gatehouse permission show",
		"ERR_INVALID_RESOURCE_ID":   "1 KiB",
	} {
		status := map[bool]int{true: 403, false: 400}[code == "ERR_FORBIDDEN"]
		m.answer("DELETE /acs/api/v1/groups/ops/users/alice", no{status, `{"title":"400 Bad Request","description":"Because.","code":"` + code + `"}`})
		wantStatus := map[bool]int{true: StatusLogin, false: StatusFailed}[status == 403]
		p.bad(wantStatus, want, "group", "remove", "ops", "alice")
	}
	got := p.run("group", "add", "ops", "alice", "carol")
	if got.status == StatusOK || !strings.Contains(got.stderr, "Done for alice; not for the others.") {
		t.Errorf("status %d, %s", got.status, got.stderr)
	}
}

// Who may not see all resources is offered those on which it has something.
func TestOrdinaryUsersCompleteTheirOwnResources(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	m.answer("GET /acs/api/v1/acls", no{403, `{"title":"403 Forbidden","code":"ERR_FORBIDDEN"}`})
	m.answer("GET /acs/api/v1/users/admin/permissions", client.Permissions{Groups: []client.Permission{{RID: "dcos:mine", GID: "a"}, {RID: "dcos:mine", GID: "b"}}})
	if got := p.good("__complete", "can-i", ""); strings.Count(got.stdout, "dcos:mine") != 1 {
		t.Errorf("got %s", got.stdout)
	}
}
