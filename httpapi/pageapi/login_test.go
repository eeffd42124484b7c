package pageapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/pageapi"
)

func TestAPersonSignsInWithoutJavaScript(t *testing.T) {
	b := newBed(t, 3)
	b.Put("alice")
	v := newVisitor(t)
	got := v.submit(b.Masters[2], v.open(b.Masters[1], "/login"), "alice", "right")
	if got.Status != http.StatusSeeOther || got.Header.Get("Location") != "/" || got.Body != "" {
		t.Fatalf("signed in: %d to %q, %s", got.Status, got.Header.Get("Location"), got.Body)
	}
	auth, info := v.cookies["dcos-acs-auth-cookie"], v.cookies["dcos-acs-info-cookie"]
	if auth == nil || info == nil || !auth.HttpOnly || !auth.Secure || auth.SameSite != http.SameSiteLaxMode {
		t.Fatalf("cookies %v", got.Header["Set-Cookie"])
	}
	says(t, v.get(b.Masters[1], "/"), 200, "You are signed in", "Production", "<dd>alice</dd>", `action="/logout"`)
	if cache := got.Header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control: %s", cache)
	}
}

func TestWrongCredentialsShowThePageAgain(t *testing.T) {
	b := newBed(t, 2)
	b.Put("alice")
	v := newVisitor(t)
	var pages []string
	for _, uid := range []string{"alice", "nobody"} {
		form := v.open(b.Leader(), "/login?target=%2Fafter")
		got := v.submit(b.Masters[1], form, uid, "planted-password")
		says(t, got, http.StatusUnauthorized, "The user name or the password is wrong.", `value="`+uid+`"`, `name="target" value="/after"`)
		if got.Header.Get("WWW-Authenticate") != "acsjwt" || v.cookies["dcos-acs-auth-cookie"] != nil {
			t.Errorf("headers %v", got.Header)
		}
		if strings.Contains(got.Body, "planted-password") || strings.Contains(b.Masters[1].Logs.String()+b.Masters[1].Audits.String(), "planted-password") {
			t.Error("the password is told")
		}
		pages = append(pages, strings.NewReplacer(uid, "UID", formOf(t, got).Get("form"), "FORM").Replace(got.Body))
		// What is shown is good for the next try.
		if got = v.submit(b.Leader(), formOf(t, got), "alice", "right"); got.Status != http.StatusSeeOther || got.Header.Get("Location") != "/after" {
			t.Errorf("second try: %d to %q", got.Status, got.Header.Get("Location"))
		}
		delete(v.cookies, "dcos-acs-auth-cookie")
	}
	if pages[0] != pages[1] {
		t.Errorf("a known and an unknown user get different pages:\n%s\n%s", pages[0], pages[1])
	}
}

func TestEmptyFieldsAreNoAttempt(t *testing.T) {
	b := newBed(t, 1)
	v := newVisitor(t)
	for _, c := range [][2]string{{"", "x"}, {"alice", ""}, {"", ""}} {
		says(t, v.submit(b.Leader(), v.open(b.Leader(), "/login"), c[0], c[1]), http.StatusBadRequest, "Type your user name and your password.")
	}
	if strings.Contains(b.Leader().Audits.String(), "password-login") {
		t.Error("an empty field was an attempt")
	}
}

func TestTooManyAttemptsAreToldHowLongToWait(t *testing.T) {
	b := newBed(t, 1)
	v := newVisitor(t)
	form := v.open(b.Leader(), "/login")
	for range 10 {
		v.submit(b.Leader(), form, "alice", "wrong")
	}
	got := v.submit(b.Leader(), form, "alice", "wrong")
	says(t, got, http.StatusTooManyRequests, "Too many attempts. Try again in ")
	if got.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestWithoutALeaderThePageSaysSo(t *testing.T) {
	b := newBed(t, 1)
	v := newVisitor(t)
	form := v.open(b.Leader(), "/login")
	b.Down(true)
	says(t, v.get(b.Leader(), "/login"), 200, "Sign in")
	got := v.submit(b.Leader(), form, "alice", "right")
	says(t, got, http.StatusServiceUnavailable, "Nobody can sign in at the moment. Try again in a moment.", `value="alice"`)
}

func TestALoginThatMustWriteIsTheLeaders(t *testing.T) {
	b := newBed(t, 2)
	b.Do(command.CreateUser{User: iam.User{UID: "alice", PasswordHash: "$old$", ProviderType: iam.Internal}})
	v := newVisitor(t)
	got := v.submit(b.Follower(), v.open(b.Follower(), "/login"), "alice", "right")
	if got.Status != http.StatusSeeOther || v.cookies["dcos-acs-auth-cookie"] == nil {
		t.Fatalf("%d %v %s", got.Status, got.Header, got.Body)
	}
	if u, _ := b.Leader().State().User("alice"); u.PasswordHash != "$fake$" {
		t.Errorf("the hash is still %s: the leader did not run the login", u.PasswordHash)
	}
}

func TestFormsInSeveralTabsAreGoodAtTheSameTime(t *testing.T) {
	b := newBed(t, 1)
	b.Put("alice")
	v := newVisitor(t)
	v.open(b.Leader(), "/login")
	b.Clock.Advance(40 * time.Minute) // a new cookie is due, and the forms before it are told so
	third := v.open(b.Leader(), "/login")
	for i, form := range []url.Values{third, v.open(b.Leader(), "/login")} {
		if got := v.submit(b.Leader(), form, "alice", "right"); got.Status != http.StatusSeeOther {
			t.Errorf("form %d: %d", i, got.Status)
		}
	}
	w := newVisitor(t)
	first, second := w.open(b.Leader(), "/login"), w.open(b.Leader(), "/login?target=/x")
	for i, form := range []url.Values{first, second} {
		if got := w.submit(b.Leader(), form, "alice", "right"); got.Status != http.StatusSeeOther {
			t.Errorf("form %d: %d", i, got.Status)
		}
	}
}

func TestAFormIsGoodForAnHour(t *testing.T) {
	b := newBed(t, 1)
	b.Put("alice")
	v := newVisitor(t)
	form := v.open(b.Leader(), "/login")
	b.Clock.Advance(time.Hour)
	got := v.submit(b.Leader(), form, "alice", "right")
	says(t, got, http.StatusForbidden, "This page was open for too long")
	if got = v.submit(b.Leader(), formOf(t, got), "alice", "right"); got.Status != http.StatusSeeOther {
		t.Errorf("the next form: %d", got.Status)
	}
}

func TestEveryProviderHasAButton(t *testing.T) {
	b := newBed(t, 1)
	b.provider("okta", "Example <Corp>", iam.OIDC)
	b.provider("adfs", "", iam.SAML)
	b.provider("long", strings.Repeat("ä", 300), iam.OIDC)
	v := newVisitor(t)
	says(t, v.get(b.Leader(), "/login?target=dcos:authenticationresponse:html"), 200, "Example &lt;Corp&gt; <small>OpenID Connect</small>",
		`href="/acs/api/v1/auth/login?oidc-provider=okta&amp;target=dcos%3Aauthenticationresponse%3Ahtml"`,
		`href="/acs/api/v1/auth/login?saml-provider=adfs&amp;target=`, "adfs <small>SAML</small>", strings.Repeat("ä", 80)+"… <")
	says(t, v.get(b.Leader(), "/login"), 200, `href="/acs/api/v1/auth/login?oidc-provider=okta"`)
}

func TestTheTokenPageEndsALoginOfACommandLine(t *testing.T) {
	b := newBed(t, 1)
	b.Put("alice")
	v := newVisitor(t)
	got := v.submit(b.Leader(), v.open(b.Leader(), "/login?target=dcos:authenticationresponse:html"), "alice", "right")
	says(t, got, 200, "Your DC/OS authentication token", ">eyJ")
	if v.cookies["dcos-acs-auth-cookie"] != nil || got.Header.Get("Cache-Control") != "no-cache, no-store, must-revalidate" ||
		got.Header.Get("Pragma") != "no-cache" || got.Header.Get("Expires") != "0" {
		t.Errorf("headers %v", got.Header)
	}
}

func TestSigningOutForgetsTheLogin(t *testing.T) {
	b := newBed(t, 1)
	b.Put("alice")
	v := newVisitor(t)
	v.submit(b.Leader(), v.open(b.Leader(), "/login"), "alice", "right")
	got := v.send(b.Leader(), http.MethodPost, "/logout", url.Values{}, nil)
	if got.Status != http.StatusSeeOther || v.cookies["dcos-acs-auth-cookie"] != nil || v.cookies["dcos-acs-info-cookie"] != nil {
		t.Fatalf("%d %v", got.Status, got.Header)
	}
	says(t, v.get(b.Leader(), got.Header.Get("Location")), 200, "You are signed out.")
	if got = v.get(b.Leader(), "/"); got.Status != http.StatusSeeOther || got.Header.Get("Location") != "/login" {
		t.Errorf("afterwards `/` is %d to %q", got.Status, got.Header.Get("Location"))
	}
}

func TestTheRootSendsStrangersToTheLoginPageWithWhatWentWrong(t *testing.T) {
	b := newBed(t, 2)
	b.Put("alice")
	const query = "?iam-error=The+login+provider+with+ID+%27x%27+is+not+known"
	v := newVisitor(t)
	got := v.get(b.Follower(), "/"+query)
	if got.Status != http.StatusSeeOther || got.Header.Get("Location") != "/login"+query || got.Header.Get("Vary") != "Accept" {
		t.Fatalf("%d to %q", got.Status, got.Header.Get("Location"))
	}
	says(t, v.get(b.Follower(), got.Header.Get("Location")), 200, "Signing in did not work: The login provider with ID &#39;x&#39; is not known")
	// A follower that does not know the user yet asks before it says that nobody is signed in.
	b.Put("bob")
	v.cookies["dcos-acs-auth-cookie"] = &http.Cookie{Value: b.Token("bob")}
	says(t, v.get(b.Follower(), "/"+query), 200, "<dd>bob</dd>", "Signing in did not work")
	b.Do(command.DeleteUser{UID: "bob", TokenLife: time.Hour})
	_ = b.Follower().WaitIndex(t.Context(), b.Leader().AppliedIndex())
	if got = v.get(b.Follower(), "/"); got.Status != http.StatusSeeOther {
		t.Errorf("a deleted user is greeted: %d", got.Status)
	}
}

func TestPeopleThatAnOldCommandLineSendsAreTold(t *testing.T) {
	const sent = "/login?redirect_uri=urn:ietf:wg:oauth:2.0:oob"
	open := newBed(t, 1, func(o *pageapi.Options) { o.Edition = httpapi.Open })
	says(t, newVisitor(t).get(open.Leader(), sent), 200, "dcos auth login --provider=dcos-users")
	if got := newVisitor(t).get(newBed(t, 1).Leader(), sent); strings.Contains(got.Body, "dcos auth login") {
		t.Error("the enterprise edition says so too")
	}
}
