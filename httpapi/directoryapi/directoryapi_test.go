package directoryapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login/ldap"
	"gatehouse/keyring"
)

// fake is a directory in memory.
type fake struct {
	users  map[string]bool
	spelt  map[string]string // how the directory spells a name
	groups map[string][]string
	fails  error // of every question
	slow   bool  // members are found until the time is over
	breaks int   // after how many members the directory cannot be asked any more; 0: never
}

func (f *fake) FindUser(_ context.Context, _ *ldap.Config, name string) (ldap.Entry, error) {
	if as, ok := f.spelt[name]; ok {
		name = as
	}
	if f.fails == nil && !f.users[name] {
		return ldap.Entry{}, ldap.ErrNoSuchUser
	}
	return ldap.Entry{UID: name, CN: "Name of " + name}, f.fails
}

func (f *fake) FindGroup(_ context.Context, _ *ldap.Config, name string) (ldap.Group, error) {
	members, ok := f.groups[name]
	if f.fails == nil && !ok {
		return ldap.Group{}, ldap.ErrNoSuchGroup
	}
	return ldap.Group{Name: name, Members: members}, f.fails
}

func (f *fake) ResolveMembers(ctx context.Context, _ *ldap.Config, members []string, each func(ldap.Entry) error) error {
	for i, name := range members {
		if f.breaks > 0 && i == f.breaks {
			return &ldap.UnreachableError{Stage: ldap.StageSearch, Err: errors.New("down")}
		}
		if f.users[name] {
			if err := each(ldap.Entry{UID: name}); err != nil {
				return err
			}
		}
		if f.slow {
			<-ctx.Done()
			return ctx.Err()
		}
	}
	return f.fails
}

func (f *fake) BaseExists(context.Context, *ldap.Config) error { return f.fails }

func (f *fake) Probe(context.Context, *ldap.Config, string, string) ldap.Result {
	return ldap.Result{Code: ldap.TestPassed, OK: true}
}

// bed is a cluster of two masters with a directory.
type bed struct {
	*apitest.House
	t    *testing.T
	fake *fake
	api  *API // of the leader
}

const document = `{"host":"ldap.example","port":389,"use-ldaps":false,"enforce-starttls":true,"lookup-dn":"cn=a","lookup-password":"planted-password",
	"user-search":{"search-base":"dc=x","search-filter-template":"(uid=%(username)s)"},
	"group-search":{"search-base":"dc=x","search-filter-template":"(cn=%(groupname)s)"}}`

func newBed(t *testing.T) *bed {
	t.Helper()
	keys, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, fake: &fake{users: map[string]bool{}, groups: map[string][]string{}}}
	b.House = apitest.New(t, apitest.Options{Masters: 2, Routes: func(m *apitest.Master) []httpapi.Route {
		api := New(Options{Submitter: m, Machine: m, Keys: keys, Directory: b.fake, Logger: m.Logger, TokenLife: time.Hour,
			ImportLimit: 50 * time.Millisecond, Now: m.House.Clock.Now})
		if b.api == nil {
			b.api = api
		}
		return api.Routes()
	}})
	b.call("PUT", prefix+"/config", document).OK(t, http.StatusOK)
	return b
}

// call asks the follower as the superuser.
func (b *bed) call(method, path, body string) apitest.Answer {
	b.t.Helper()
	c := apitest.Call{Method: method, Path: path, Token: b.Token(apitest.Root)}
	if body != "" {
		c.Body, c.Type = []byte(body), "application/json"
	}
	return b.Follower().Call(c)
}

// people puts users into the directory, all of them members of the group.
func (b *bed) people(n int, group string) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("user%04d", i))
		b.fake.users[names[i]] = true
	}
	b.fake.groups[group] = names
	return names
}

func (b *bed) sync(force bool) (r Report) {
	b.t.Helper()
	b.call("POST", ours+"/sync", fmt.Sprintf(`{"force":%v}`, force)).OK(b.t, http.StatusOK).Into(b.t, &r)
	return r
}

func (b *bed) members(gid string) int {
	n := 0
	for range b.Leader().State().Members(gid) {
		n++
	}
	return n
}

func TestALargeGroupIsImportedInBoundedEntries(t *testing.T) {
	b := newBed(t)
	b.people(1200, "all")
	var got imported
	b.call("POST", prefix+"/importgroup", `{"groupname":"all"}`).OK(t, http.StatusCreated).Into(t, &got)
	if got.Users != 1200 || b.members("all") != 1200 {
		t.Errorf("imported %d users, %d members; want 1200", got.Users, b.members("all"))
	}
	entries := 0
	for _, c := range b.Entries() {
		if s, ok := c.(command.SyncDirectory); ok {
			entries++
			if s.Items() > batch {
				t.Errorf("an entry of %d items", s.Items())
			}
		}
	}
	if entries != 3 {
		t.Errorf("got %d entries, want 3 for 2,401 items", entries)
	}
	if audits := b.Leader().Audits.String(); !strings.Contains(audits, "add user user0007 to group all") {
		t.Error("the audit trail does not say who became a member")
	}
}

// TestAnImportThatTheDirectoryBreaksOffChangesNothing is hostile D14: all of a group, or nothing.
func TestAnImportThatTheDirectoryBreaksOffChangesNothing(t *testing.T) {
	b := newBed(t)
	b.people(1200, "all")
	b.fake.breaks = 1100
	before := len(b.Entries())
	b.call("POST", prefix+"/importgroup", `{"groupname":"all"}`).Want(t, http.StatusBadRequest, "ERR_LDAP_IMPORT_SEARCH_FAILED")
	if after := len(b.Entries()); after != before {
		t.Errorf("%d entries were written", after-before)
	}
	b.fake.breaks = 0
	b.importGroup("all")
}

func TestTheAuditTrailNamesWhoWasTestedAndWhoWasImported(t *testing.T) {
	b := newBed(t)
	b.fake.users["carol"] = true
	b.call("POST", prefix+"/config/test", `{"uid":"carol","password":"planted-password"}`).OK(t, http.StatusOK)
	b.call("POST", prefix+"/importuser", `{"username":"carol"}`).OK(t, http.StatusCreated)
	var audits strings.Builder
	for _, m := range b.Masters {
		audits.WriteString(m.Audits.String())
	}
	for _, want := range []string{`action=iam.ldap.config.test object="user carol" result=allow reason="the directory was asked: TEST_PASSED"`,
		`action=iam.ldap.import.user object="create user carol" result=allow`} {
		if strings.Count(audits.String(), want) != 1 {
			t.Errorf("the audit trail does not have %s once:\n%s", want, &audits)
		}
	}
	if strings.Contains(audits.String(), "planted-") {
		t.Error("it has the password")
	}
}

func TestMembersWhoAreLeftOutAreToldWithTheirGroup(t *testing.T) {
	b := newBed(t)
	names := b.people(3, "all")
	delete(b.fake.users, names[1])
	b.importGroup("all")
	logs := b.Leader().Logs.String()
	for _, want := range []string{"members of a group are left out", `"group":"all","members":3,"left_out":1`} {
		if !strings.Contains(logs, want) {
			t.Errorf("the log lacks %q:\n%s", want, logs)
		}
	}
}

func TestAnErrorOfTheDirectoryChangesNothing(t *testing.T) {
	b := newBed(t)
	b.people(3, "all")
	b.call("POST", prefix+"/importgroup", `{"groupname":"all"}`).OK(t, http.StatusCreated)
	before := len(b.Entries())
	clear(b.fake.users)
	b.fake.fails = &ldap.UnreachableError{Stage: ldap.StageConnect, Err: errors.New("down")}
	b.call("POST", ours+"/sync", "").Want(t, http.StatusBadRequest, "ERR_LDAP_IMPORT_SEARCH_FAILED")
	if err := b.api.Sync(t.Context(), 3); err == nil {
		t.Error("the duty did not fail")
	}
	b.call("POST", prefix+"/importuser", `{"username":"x"}`).Want(t, http.StatusBadRequest, "ERR_LDAP_IMPORT_SEARCH_FAILED")
	b.fake.fails = ldap.ErrBusy
	b.call("POST", ours+"/sync", "").Want(t, http.StatusServiceUnavailable, "ERR_BUSY")
	if after := len(b.Entries()); after != before {
		t.Errorf("%d entries were written", after-before)
	}
	if last := b.api.last.get(); last == nil || last.Result != resultFailed || last.By != apitest.Root {
		t.Errorf("the last synchronisation is %+v", last)
	}
}

func TestMuchThatIsMissingAtOnceIsAskedAbout(t *testing.T) {
	for _, tt := range []struct {
		users, gone int
		refused     bool
	}{{1, 1, false}, {9, 8, false}, {9, 9, true}, {10, 10, true}, {20, 10, false}, {20, 11, true}} {
		b := newBed(t)
		names := b.people(tt.users, "all")
		b.call("POST", prefix+"/importgroup", `{"groupname":"all"}`).OK(t, http.StatusCreated)
		for _, name := range names[:tt.gone] {
			delete(b.fake.users, name)
		}
		want := http.StatusOK
		if tt.refused {
			want = http.StatusConflict
		}
		if got := b.call("POST", ours+"/sync", ""); got.Status != want {
			t.Errorf("%d of %d: got %d %s, want %d", tt.gone, tt.users, got.Status, got.Body, want)
		}
		if tt.refused && b.sync(true).UsersRemoved != tt.gone {
			t.Errorf("%d of %d are not removed by force", tt.gone, tt.users)
		}
		if left := b.members("all"); left != tt.users-tt.gone {
			t.Errorf("%d of %d: %d members are left", tt.gone, tt.users, left)
		}
	}
}

func TestWhatIsNeededByTheLastSuperuserIsLeftAlone(t *testing.T) {
	b := newBed(t)
	b.people(5, "all")
	b.call("POST", prefix+"/importgroup", `{"groupname":"all"}`).OK(t, http.StatusCreated)
	b.Do(command.AddMember{GID: "superusers", UID: "user0002"})
	token := b.Token("user0002")
	b.Do(command.RemoveMember{GID: "superusers", UID: apitest.Root})
	clear(b.fake.users)
	b.fake.users["user0004"] = true
	var got Report
	b.Follower().Call(apitest.Call{Method: "POST", Path: ours + "/sync", Token: token}).OK(t, http.StatusOK).Into(t, &got)
	want := Report{UsersRemoved: 3, Skipped: []string{"remove user user0002 is needed by the last superuser"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestAnImportEndsAtItsLimitWithWhatItHas(t *testing.T) {
	b := newBed(t)
	b.people(3, "all")
	b.fake.slow = true
	var got imported
	b.call("POST", prefix+"/importgroup", `{"groupname":"all"}`).OK(t, http.StatusAccepted).Into(t, &got)
	if got.Users != 1 || b.members("all") != 1 {
		t.Errorf("imported %d users, %d members; want one", got.Users, b.members("all"))
	}
}

func TestOneImportRunsAtATime(t *testing.T) {
	b := newBed(t)
	leave, err := b.api.begin()
	if err != nil {
		t.Fatal(err)
	}
	b.call("POST", prefix+"/importgroup", `{"groupname":"all"}`).Want(t, http.StatusConflict, "ERR_CONFLICT")
	b.call("POST", ours+"/sync", "").Want(t, http.StatusConflict, "ERR_CONFLICT")
	if err := b.api.Sync(t.Context(), 3); err != nil {
		t.Errorf("the duty does not wait for its next turn: %v", err)
	}
	leave()
	b.sync(false)
}

func TestBadConfigurationsNameTheMemberAndRepeatNoValue(t *testing.T) {
	b := newBed(t)
	for bad, want := range map[string]string{
		strings.Replace(document, `"port":389`, `"port":"planted-value"`, 1): "`port`",
		strings.Replace(document, `"host"`, `"hosts"`, 1):                    "`hosts` is not a member",
		strings.Replace(document, `"search-base"`, `"base"`, 1):              "`user-search.base` is not a member",
		`{}`: "`host`",
	} {
		got := b.call("PUT", prefix+"/config", bad).Want(t, http.StatusBadRequest, "ERR_LDAP_CONFIG_INVALID")
		if !strings.Contains(got.Body, want) || strings.Contains(got.Body, "planted") {
			t.Errorf("%s: got %s, want %s", bad, got.Body, want)
		}
	}
	b.call("GET", prefix+"/config", "").OK(t, http.StatusOK)
	for _, m := range b.Masters {
		if strings.Contains(m.Logs.String()+m.Audits.String(), "planted-") {
			t.Error("a password is in a log")
		}
	}
}

func TestUsersThatNobodyMaySeeAreNotRemoved(t *testing.T) {
	b := newBed(t)
	b.call("PUT", prefix+"/config", `{"host":"h","port":389,"use-ldaps":false,"enforce-starttls":true,"dntemplate":"uid=%(username)s,dc=x"}`).OK(t, http.StatusOK)
	b.PutUsers(iam.User{UID: "alice", ProviderType: iam.LDAP})
	if got := b.sync(false); got.UsersRemoved != 0 || len(got.Skipped) != 1 {
		t.Errorf("got %+v, want alice left alone", got)
	}
}
