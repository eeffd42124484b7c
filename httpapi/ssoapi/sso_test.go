package ssoapi

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/login/oidc"
)

func TestALoginThroughOpenIDConnectEndsWithCookiesAndARedirect(t *testing.T) {
	for target, want := range map[string]string{"": "/", "&target=/%23/dashboard%3Fa": "/#/dashboard?a"} {
		h := newHouse(t, 2)
		h.know(iam.OIDC, "dex", "alice@example.com")
		b := newBrowser(t)
		got := b.login(h.Follower(), h.Follower(), "oidc-provider=dex"+target, "alice@example.com").OK(t, http.StatusSeeOther)
		if to := got.Header.Get("Location"); to != want {
			t.Errorf("Location %q, want %q", to, want)
		}
		if b.cookies["dcos-acs-auth-cookie"] == "" || b.cookies["dcos-acs-info-cookie"] == "" || len(b.cookies) != 2 {
			t.Errorf("the browser has the cookies %v, want the two of a login", b.cookies)
		}
		if h.idp.iss[0] != "https://idp.example" {
			t.Errorf("the issuer of the answer is %q", h.idp.iss[0])
		}
		record := h.Leader().Audits.String()
		for _, part := range []string{"action=oidc-login", "object=dex", "uid=alice@example.com", "result=allow"} {
			if !strings.Contains(record, part) {
				t.Errorf("the audit trail lacks %s:\n%s", part, record)
			}
		}
		if metrics := h.Leader().Call(apitest.Call{Method: "GET", Path: "/metrics"}).Body; !strings.Contains(metrics, `gatehouse_logins_total{kind="oidc",result="ok"} 1`) {
			t.Error("the login is not counted")
		}
	}
}

func TestAKnownUserCostsNoEntryAndAnUnknownOneCostsOne(t *testing.T) {
	h := newHouse(t, 2)
	h.know(iam.OIDC, "dex", "alice@example.com")
	h.know(iam.SAML, "adfs", "carol")
	before := len(h.Entries())
	newBrowser(t).login(h.Follower(), h.Follower(), "oidc-provider=dex", "alice@example.com").OK(t, http.StatusSeeOther)
	b := newBrowser(t)
	id := b.start(h.Follower(), "saml-provider=adfs").Get("RelayState")
	b.submit(h.Follower(), acsPath, id, response{ID: "a1", UID: "carol", To: "id-" + id}).OK(t, http.StatusSeeOther)
	if n := len(h.Entries()); n != before {
		t.Errorf("logins of known users left %d entries", n-before)
	}
	newBrowser(t).login(h.Follower(), h.Follower(), "oidc-provider=dex", "böb@example.com").OK(t, http.StatusSeeOther)
	entries := h.Entries()[before:]
	if len(entries) != 1 {
		t.Fatalf("the first login of a user left %d entries, want 1", len(entries))
	}
	admitted, ok := entries[0].(command.AdmitUser)
	if !ok || admitted.User.UID != "b_b@example.com" || admitted.User.ProviderType != iam.OIDC || admitted.User.ProviderID != "dex" || admitted.Version == 0 {
		t.Errorf("entry %#v", entries[0])
	}
	newBrowser(t).login(h.Leader(), h.Leader(), "oidc-provider=dex", "böb@example.com").OK(t, http.StatusSeeOther)
	if n := len(h.Entries()); n != before+1 {
		t.Errorf("the second login of a user left %d entries", n-before-1)
	}
}

func TestUsersOfOthersAreNotTakenOver(t *testing.T) {
	h := newHouse(t, 1)
	h.Put("local")
	h.know(iam.OIDC, "other", "foreign@example.com")
	h.know(iam.LDAP, "", "ldap")
	h.know(iam.SAML, "dex", "samlname")
	before := len(h.Entries())
	for _, uid := range []string{"local", apitest.Root, "foreign@example.com", "ldap", "samlname", strings.Repeat("a", 97), "anonymous", "..", ""} {
		b := newBrowser(t)
		got := b.login(h.Leader(), h.Leader(), "oidc-provider=dex", uid)
		if uid == "" {
			refusedWith(t, got, "no code")
			continue
		}
		got.Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
		if len(b.cookies) != 0 {
			t.Errorf("%s: the browser keeps %v", uid, b.cookies)
		}
	}
	if n := len(h.Entries()); n != before {
		t.Errorf("%d entries", n-before)
	}
}

func TestTheTokenPageShowsTheTokenAndSetsNoCookies(t *testing.T) {
	h := newHouse(t, 2)
	b := newBrowser(t)
	b.accept = html
	got := b.login(h.Follower(), h.Follower(), "oidc-provider=dex&target=dcos:authenticationresponse:html", "alice@example.com").OK(t, http.StatusOK)
	want := map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache", "Expires": "0"}
	for name, value := range want {
		if got.Header.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), value)
		}
	}
	if len(got.Header["Set-Cookie"]) != 0 || !strings.Contains(got.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers %v", got.Header)
	}
	if !strings.Contains(got.Body, "Your DC/OS authentication token") || strings.Count(got.Body, ".") < 2 {
		t.Errorf("page:\n%s", got.Body)
	}
}

func TestStartOfALogin(t *testing.T) {
	h := newHouse(t, 2)
	b := newBrowser(t)
	b.accept = html
	m := h.Follower()
	for _, query := range []string{"", "?", "?target=/x", "?oidc-provider=&saml-provider="} {
		b.get(m, startPath+query).Want(t, 400, "ERR_MISSING_QUERY_PARAMETERS")
	}
	for id, want := range map[string]string{
		"nobody":                     "/?iam-error=The%20login%20provider%20with%20ID%20%27nobody%27%20is%20not%20known",
		"a%20%22%0d%0aX:":            "/?iam-error=The%20login%20provider%20is%20not%20known",
		"x%20is%20locked.%20Call%20": "/?iam-error=The%20login%20provider%20is%20not%20known",
	} {
		got := b.get(m, startPath+"?saml-provider=adfs&target=//evil&oidc-provider="+id).OK(t, http.StatusSeeOther)
		if to := got.Header.Get("Location"); to != want {
			t.Errorf("Location %q, want %q", to, want)
		}
	}
	b.accept = ""
	for _, query := range []string{"saml-provider=b", "saml-provider=dex", "oidc-provider=adfs", "oidc-provider=adfs&saml-provider=adfs"} {
		b.get(m, startPath+"?"+query).Want(t, 400, "")
	}
	if len(b.cookies) != 0 {
		t.Errorf("refused starts left %v", b.cookies)
	}
	q := b.start(m, "oidc-provider=dex&saml-provider=adfs")
	if q.Get("nonce") == "" || q.Get("challenge") == "" || !flow.ValidID(q.Get("state")) {
		t.Errorf("the browser is sent with %v, want OpenID Connect to win", q)
	}
}

func TestTheCookieOfAFlowIsNarrow(t *testing.T) {
	for _, secure := range []bool{false, true} {
		h := newHouse(t, 1, func(o *Options) { o.Secure = secure })
		got := newBrowser(t).get(h.Leader(), startPath+"?oidc-provider=dex").OK(t, http.StatusFound)
		cookies := (&http.Response{Header: got.Header}).Cookies()
		if len(cookies) != 1 {
			t.Fatalf("cookies %v", cookies)
		}
		c := cookies[0]
		if !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/acs/api/v1/auth" || c.Domain != "" || c.MaxAge != 600 {
			t.Errorf("cookie %v", c)
		}
		if c.Name != flow.CookieName(location(t, got).Query().Get("state")) || len(c.Value) > 1000 {
			t.Errorf("cookie %s of %d characters", c.Name, len(c.Value))
		}
		if got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", got.Header)
		}
	}
}

func TestABrowserKeepsFewFlows(t *testing.T) {
	h := newHouse(t, 1)
	b := newBrowser(t)
	var last string
	for i := range 8 {
		last = b.start(h.Leader(), "oidc-provider=dex").Get("state")
		h.Clock.Advance(time.Second)
		if len(b.cookies) != min(i+1, maxOther+1) {
			t.Errorf("after %d starts the browser has %d cookies", i+1, len(b.cookies))
		}
	}
	b.get(h.Leader(), callbackOf(last, "alice")).OK(t, http.StatusSeeOther)
	b = newBrowser(t)
	b.cookies["gatehouse-login-0123456789abcdef"] = "junk"
	for range 3 {
		b.start(h.Leader(), "oidc-provider=dex&target=/"+strings.Repeat("a", 1000))
		h.Clock.Advance(time.Second)
	}
	bytes := 0
	for name, value := range b.cookies {
		bytes += len(name) + len(value)
	}
	if _, kept := b.cookies["gatehouse-login-0123456789abcdef"]; kept || bytes > 4<<10 {
		t.Errorf("the browser sends %d bytes of cookies, junk among them: %v", bytes, kept)
	}
}

func TestAProviderThatCannotBeAskedIsToldAsSuch(t *testing.T) {
	h := newHouse(t, 1)
	h.idp.failure = &oidc.UnreachableError{Doing: "read the metadata", Err: errors.New("planted <b> detail")}
	got := newBrowser(t).get(h.Leader(), startPath+"?oidc-provider=dex")
	refusedWith(t, got, "OpenID Connect authentication not successful. The login provider could not be asked.")
	if strings.Contains(got.Body, "planted") || !strings.Contains(h.Leader().Logs.String(), "planted") {
		t.Error("what the provider says belongs into the log alone")
	}
	h.idp.failure = nil
	h.idp.exchange = func(string) (string, error) {
		return "", &oidc.UnreachableError{Doing: "exchange", Err: errors.New("planted2")}
	}
	got = newBrowser(t).login(h.Leader(), h.Leader(), "oidc-provider=dex", "alice")
	refusedWith(t, got, "could not be asked")
	if metrics := h.Leader().Call(apitest.Call{Method: "GET", Path: "/metrics"}).Body; !strings.Contains(metrics, `gatehouse_logins_total{kind="oidc",result="error"} 2`) {
		t.Error("failures are not counted as errors")
	}
}

func TestOneOfManyAnswersToOneFlowWins(t *testing.T) {
	h := newHouse(t, 1)
	h.know(iam.OIDC, "dex", "alice")
	b := newBrowser(t)
	path := callbackOf(b.start(h.Leader(), "oidc-provider=dex").Get("state"), "alice")
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if b.same().get(h.Leader(), path).Status == http.StatusSeeOther {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || h.idp.count() != 1 {
		t.Errorf("%d answers won, and %d codes were exchanged, want 1 and 1", won.Load(), h.idp.count())
	}
}

func TestALoginEndsWithTheTermInWhichItBegan(t *testing.T) {
	h := newHouse(t, 3)
	b := newBrowser(t)
	state := b.start(h.Follower(), "oidc-provider=dex").Get("state")
	old := h.Leader()
	h.Elect()
	for _, m := range []*apitest.Master{h.Leader(), old} {
		refusedWith(t, b.same().get(m, callbackOf(state, "alice")), "another leader")
	}
	b.login(h.Follower(), old, "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
}

func TestALeaderThatChangesDuringTheExchangeLogsNobodyIn(t *testing.T) {
	h := newHouse(t, 2)
	h.know(iam.OIDC, "dex", "alice")
	h.idp.during = h.Elect
	b := newBrowser(t)
	got := b.login(h.Follower(), h.Follower(), "oidc-provider=dex", "alice")
	if got.Status < 400 || b.cookies["dcos-acs-auth-cookie"] != "" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	h.idp.during = nil
	b.login(h.Follower(), h.Follower(), "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
}

func TestTheTestOfAProviderIsForSuperusersAndTellsItsChecks(t *testing.T) {
	h := newHouse(t, 2)
	h.Put("alice")
	h.idp.checks = []oidc.Check{{Name: "discovery", OK: true, Detail: "found"}, {Name: "keys", Detail: "none"}}
	ask := func(uid, id string) apitest.Answer {
		return h.Follower().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/providers/" + id + "/test", Token: h.Token(uid)})
	}
	var got report
	ask(apitest.Root, "dex").OK(t, http.StatusOK).Into(t, &got)
	if got.OK || len(got.Checks) != 2 || got.Checks[1] != (check{"keys", false, "none"}) {
		t.Errorf("report %+v", got)
	}
	got = report{}
	ask(apitest.Root, "adfs").OK(t, http.StatusOK).Into(t, &got)
	if !got.OK || len(got.Checks) != 1 {
		t.Errorf("report %+v", got)
	}
	ask(apitest.Root, "nobody").Want(t, http.StatusBadRequest, "")
	ask("alice", "dex").Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
}
