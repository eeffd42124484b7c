package ssoapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login/flow"
)

func TestCodesForCommandLines(t *testing.T) {
	h := newHouse(t, 2)
	h.know(iam.OIDC, "dex", "alice")
	verifier := strings.Repeat("v", 43)
	begin := func() string {
		t.Helper()
		b := newBrowser(t)
		b.login(h.Follower(), h.Follower(), "oidc-provider=dex&loopback-port=4711&challenge="+flow.Challenge(verifier), "alice").OK(t, http.StatusOK)
		got := b.agree(h.Follower(), b.last, "continue").OK(t, http.StatusSeeOther)
		u := location(t, got)
		if u.Scheme != "http" || u.Host != "127.0.0.1:4711" || u.Path != "/" || len(got.Header["Set-Cookie"]) != 1 {
			t.Errorf("Location %s with %v", u, got.Header["Set-Cookie"])
		}
		return u.Query().Get("code")
	}
	redeem := func(code, verifier string) apitest.Answer {
		t.Helper()
		body := `{"code":"` + code + `","verifier":"` + verifier + `"}`
		return h.Follower().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/login/code", Body: []byte(body), Type: "application/json"})
	}
	code := begin()
	var got tokenAnswer
	redeem(code, verifier).OK(t, http.StatusOK).Into(t, &got)
	if strings.Count(got.Token, ".") != 2 {
		t.Errorf("token %q", got.Token)
	}
	refusedWith(t, redeem(code, verifier), "used before")
	code = begin()
	refusedWith(t, redeem(code, "x"), "not valid")
	refusedWith(t, redeem(code, verifier), "used before")
	refusedWith(t, redeem("x"+code, verifier), "not valid")
	refusedWith(t, redeem("", ""), "not valid")
	code = begin()
	h.Clock.Advance(flow.CodeLife + 2*time.Second)
	refusedWith(t, redeem(code, verifier), "expired")
	code = begin()
	h.Do(command.DeleteUser{UID: "alice"})
	refusedWith(t, redeem(code, verifier), "meanwhile")
	code = begin() // and admits alice again
	h.Elect()
	refusedWith(t, redeem(code, verifier), "another leader")
	log := h.Masters[0].Logs.String() + h.Masters[1].Logs.String() + h.Masters[0].Audits.String() + h.Masters[1].Audits.String()
	for _, secret := range []string{code, verifier, got.Token} {
		if strings.Contains(log, secret) {
			t.Error("a log or the audit trail holds a code, a verifier or a token")
		}
	}
}

func TestACommandLineGetsNothingUntilThePersonAgrees(t *testing.T) {
	h := newHouse(t, 2)
	h.know(iam.OIDC, "dex", "alice")
	h.know(iam.SAML, "adfs", "carol")
	const more = "&loopback-port=4711&challenge="
	challenge := flow.Challenge(strings.Repeat("v", 43))
	begin := func() (*browser, apitest.Answer) {
		t.Helper()
		b := newBrowser(t)
		got := b.login(h.Follower(), h.Follower(), "oidc-provider=dex"+more+challenge, "alice").OK(t, http.StatusOK)
		if !strings.Contains(got.Body, "(port 4711) wants to sign in as <strong>alice</strong>") || strings.Contains(got.Body, "code=") || len(got.Header["Set-Cookie"]) != 0 {
			t.Errorf("headers %v, page:\n%s", got.Header, got.Body)
		}
		if csp := got.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' http://127.0.0.1:4711;") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("policy %s", csp)
		}
		return b, got
	}
	b, asked := begin()
	tab := b.same()
	refusedWith(t, newBrowser(t).agree(h.Follower(), asked, "continue"), "has not begun")
	stranger, _ := begin()
	refusedWith(t, stranger.agree(h.Follower(), asked, "continue"), "has not begun")
	if to := location(t, b.agree(h.Follower(), asked, "continue").OK(t, http.StatusSeeOther)); to.Host != "127.0.0.1:4711" || !to.Query().Has("code") || len(b.cookies) != 0 {
		t.Errorf("Location %s, cookies %v", to, b.cookies)
	}
	refusedWith(t, tab.agree(h.Follower(), asked, "continue"), "used before")
	b, asked = begin()
	tab = b.same()
	refusedWith(t, b.agree(h.Follower(), asked, "cancel"), "cancelled")
	refusedWith(t, tab.agree(h.Follower(), asked, "continue"), "used before")
	b, asked = begin()
	h.Clock.Advance(flow.QuestionLife + 2*time.Second)
	refusedWith(t, b.agree(h.Follower(), asked, "continue"), "open for too long")
	b, asked = begin()
	h.touch("dex")
	refusedWith(t, b.agree(h.Follower(), asked, "continue"), "changed or removed")
	b, asked = begin()
	h.Elect()
	refusedWith(t, b.agree(h.Follower(), asked, "continue"), "another leader")
	for _, form := range []string{"", "question=x&answer=continue"} {
		refusedWith(t, b.do(h.Follower(), apitest.Call{Method: "POST", Path: confirmPath, Body: []byte(form), Type: "application/x-www-form-urlencoded"}), "to which login")
	}
	b = newBrowser(t)
	id := b.start(h.Leader(), "saml-provider=adfs"+more+challenge).Get("RelayState")
	asked = b.submit(h.Leader(), acsPath, id, response{ID: "a1", UID: "carol", To: "id-" + id}).OK(t, http.StatusOK)
	b.agree(h.Leader(), asked, "continue").OK(t, http.StatusSeeOther)
}

func TestLoopbackPortsAreThoseOfTheMachineOfTheBrowser(t *testing.T) {
	h := newHouse(t, 1)
	challenge := flow.Challenge("x")
	for _, query := range []string{
		"loopback-port=80&challenge=" + challenge, "loopback-port=0&challenge=" + challenge, "loopback-port=65536&challenge=" + challenge,
		"loopback-port=evil.example&challenge=" + challenge, "loopback-port=4711@evil.example&challenge=" + challenge, "loopback-port=%2B4711&challenge=" + challenge,
		"loopback-port=4711", "challenge=" + challenge, "loopback-port=4711&challenge=short", "loopback-port=4711&challenge=" + url.QueryEscape(challenge+"="),
		"loopback-port=4711&challenge=" + challenge + "&target=/", "loopback-port=-1&challenge=" + challenge, "loopback-port=1e4&challenge=" + challenge,
	} {
		newBrowser(t).get(h.Leader(), startPath+"?oidc-provider=dex&"+query).Want(t, http.StatusBadRequest, "")
	}
}
