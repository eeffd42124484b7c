package ssoapi

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/login/oidc"
)

// planted is what nobody must ever be shown.
const planted = `<script>alert("planted")</script>`

func TestHostileOIDCRows(t *testing.T) {
	for id, run := range map[string]func(t *testing.T, h *house){
		"O1": func(t *testing.T, h *house) { // no, foreign, replayed and expired state; state from another browser
			m := h.Follower()
			for _, state := range []string{"", "x", strings.Repeat("A", 10<<10), flow.NewID(), "../../x", "%00"} {
				refusedWith(t, newBrowser(t).get(m, callbackOf(state, "alice")), "OpenID Connect")
			}
			b := newBrowser(t)
			state := b.start(m, "oidc-provider=dex").Get("state")
			refusedWith(t, newBrowser(t).get(m, callbackOf(state, "alice")), "https://dcos.example/")
			refusedWith(t, b.same().get(m, callbackOf(flow.NewID(), "alice")), "has not begun")
			refusedWith(t, b.same().get(m, callbackOf(state, "alice")+"&state="+state), "twice")
			tab := b.same()
			b.get(m, callbackOf(state, "alice")).OK(t, http.StatusSeeOther)
			refusedWith(t, tab.get(m, callbackOf(state, "alice")), "used before")
			if len(tab.cookies) != 0 {
				t.Errorf("a refusal leaves the cookies %v", tab.cookies)
			}
			state = b.start(m, "oidc-provider=dex").Get("state")
			h.Clock.Advance(flow.FlowLife + time.Second)
			refusedWith(t, b.get(m, callbackOf(state, "alice")), "10 minutes")
			if n := h.idp.count(); n != 1 {
				t.Errorf("%d codes were exchanged, want the one of the right answer", n)
			}
		},
		"O4": func(t *testing.T, h *house) { // the cookie of a flow of one provider with the state of another's, and iss is passed on
			h.Do(command.CreateProvider{Provider: *openID("other")})
			b := newBrowser(t)
			one := b.start(h.Leader(), "oidc-provider=dex").Get("state")
			two := b.start(h.Leader(), "oidc-provider=other").Get("state")
			b.cookies[flow.CookieName(one)] = b.cookies[flow.CookieName(two)]
			refusedWith(t, b.get(h.Leader(), callbackOf(one, "alice")), "another login")
			b = newBrowser(t)
			state := b.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
			refusedWith(t, b.get(h.Leader(), callbackOf(state, "alice")), "another login")
			b.login(h.Leader(), h.Leader(), "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
			if n := h.idp.count(); n != 1 || h.idp.iss[0] != "https://idp.example" {
				t.Errorf("%d exchanges, with the issuers %q", n, h.idp.iss)
			}
		},
		"O8": func(t *testing.T, h *house) { // other spellings of the first superuser are somebody else, or nobody
			for _, name := range []string{apitest.Root, strings.Repeat("a", 10<<10), ""} {
				if got := newBrowser(t).login(h.Leader(), h.Leader(), "oidc-provider=dex", name); got.Status < 400 {
					t.Errorf("%.40q is logged in", name)
				}
			}
			for _, name := range []string{strings.ToUpper(apitest.Root), " " + apitest.Root, apitest.Root + "\u200b"} {
				newBrowser(t).login(h.Leader(), h.Leader(), "oidc-provider=dex", name).OK(t, http.StatusSeeOther)
				u, ok := h.Leader().State().User(login.SanitizeUID(name))
				if !ok || u.ProviderType != iam.OIDC || h.Leader().State().Member("superusers", u.UID) {
					t.Errorf("%q is the user %+v", name, u)
				}
			}
		},
		"O12": func(t *testing.T, h *house) { // changed, made anew, deleted; between start and callback, and during the exchange
			deleted := func() { h.Do(command.DeleteProvider{Type: iam.OIDC, ID: "dex"}) }
			anew := func() { deleted(); h.Do(command.CreateProvider{Provider: *dex()}) }
			for _, change := range []func(){func() { h.touch("dex") }, anew, deleted} {
				b := newBrowser(t)
				state := b.start(h.Leader(), "oidc-provider=dex").Get("state")
				change()
				refusedWith(t, b.get(h.Follower(), callbackOf(state, "alice")), "changed or removed")
			}
			if n := h.idp.count(); n != 0 {
				t.Errorf("%d codes were shown to a provider that is another one than the login began with", n)
			}
			h.Do(command.CreateProvider{Provider: *dex()})
			for _, change := range []func(){anew, deleted} {
				h.idp.during = change
				refusedWith(t, newBrowser(t).login(h.Leader(), h.Leader(), "oidc-provider=dex", "alice"), "changed or removed")
			}
			if _, ok := h.Leader().State().User("alice"); ok {
				t.Error("a provider that is gone vouched for a user")
			}
		},
		"O13": func(t *testing.T, h *house) { // a code that the provider does not take uses the flow up
			h.idp.exchange = func(string) (string, error) { return "", &oidc.RefusedError{Reason: "The code is not valid."} }
			b := newBrowser(t)
			state := b.start(h.Leader(), "oidc-provider=dex").Get("state")
			tab := b.same()
			refusedWith(t, b.get(h.Leader(), callbackOf(state, "alice")), "The code is not valid.")
			h.idp.exchange = nil
			refusedWith(t, tab.get(h.Leader(), callbackOf(state, "alice")), "used before")
		},
		"L26": func(t *testing.T, h *house) { // many first logins of one person at once, at any master
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					at(t, i).login(h.Masters[i%2], h.Masters[(i+1)%2], "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
				})
			}
			wg.Wait()
			if u, ok := h.Leader().State().User("alice"); !ok || u.ProviderID != "dex" {
				t.Errorf("user %+v", u)
			}
		},
		"O14": shownErrors,
		"H25": shownErrors,
		"O15": func(t *testing.T, h *house) { // start and callback at any two masters
			for _, start := range h.Masters {
				for _, end := range h.Masters {
					newBrowser(t).login(start, end, "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
				}
			}
		},
		"O16": func(t *testing.T, h *house) { // the attacker's own answer, in the browser of a victim that began a login itself
			attacker, victim := newBrowser(t), newBrowser(t)
			state := attacker.start(h.Leader(), "oidc-provider=dex").Get("state")
			victim.start(h.Leader(), "oidc-provider=dex")
			refusedWith(t, victim.get(h.Leader(), callbackOf(state, "attacker")), "has not begun")
			if victim.cookies["dcos-acs-auth-cookie"] != "" {
				t.Error("the victim is logged in as the attacker")
			}
		},
		"O17": badTargets,
		"H21": badTargets,
		"H18": func(t *testing.T, h *house) { // no Location follows the Host
			b := newBrowser(t)
			q := url.Values{}
			for _, path := range []string{startPath + "?oidc-provider=dex", startPath + "?saml-provider=adfs"} {
				got := b.do(h.Leader(), apitest.Call{Method: "GET", Path: "http://evil.example" + path}).OK(t, http.StatusFound)
				q = location(t, got).Query()
				if strings.Contains(got.Header.Get("Location")+strings.Join(got.Header["Set-Cookie"], ""), "evil") {
					t.Errorf("%v follows the Host", got.Header)
				}
			}
			id := q.Get("RelayState")
			got := b.post(h.Leader(), "http://evil.example"+acsPath, id, response{ID: "a1", UID: "carol", To: "id-" + id}).OK(t, http.StatusSeeOther)
			if to := location(t, got); to.Host != "" || to.Path != acsPath {
				t.Errorf("Location %s", to)
			}
		},
	} {
		t.Run(id, func(t *testing.T) { run(t, newHouse(t, 2)) })
	}
}

// shownErrors: of an answer with an error nothing is shown but the codes of the standards.
func shownErrors(t *testing.T, h *house) {
	for _, accept := range []string{"", html} {
		for text, want := range map[string]string{"access_denied": "access_denied", "login_required": "login_required", planted: "unknown error", "planted": "unknown error"} {
			b := newBrowser(t)
			b.accept = accept
			state := b.start(h.Leader(), "oidc-provider=dex").Get("state")
			q := url.Values{"state": {state}, "error": {text}, "error_description": {planted}, "error_uri": {"https://planted.example"}}
			got := b.get(h.Leader(), callback+"?"+q.Encode())
			if got.Status != http.StatusUnauthorized || !strings.Contains(got.Body, want) || strings.Contains(got.Body, "planted") {
				t.Errorf("error %s: %d %s", text, got.Status, got.Body)
			}
			if got.Header.Get("X-Content-Type-Options") != "nosniff" || strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") != (accept == html) {
				t.Errorf("error %s: headers %v", text, got.Header)
			}
		}
	}
	if logged := h.Leader().Logs.String() + h.Leader().Audits.String(); strings.Contains(logged, "planted") {
		t.Error("what somebody wrote into a link is in a log")
	}
}

// badTargets: a login does not begin that would end elsewhere.
func badTargets(t *testing.T, h *house) {
	for _, target := range []string{"//evil.example", `/\evil.example`, "https:evil.example", "javascript:alert(1)", "%2f%2fevil.example", "/%2fevil.example",
		"//user@evil.example", "/\t/evil.example", "/\n/evil.example", "evil.example", strings.Repeat("/a", 10<<10)} {
		for _, provider := range []string{"oidc-provider=dex", "saml-provider=adfs"} {
			b := newBrowser(t)
			b.get(h.Follower(), startPath+"?"+provider+"&target="+url.QueryEscape(target)).Want(t, http.StatusBadRequest, "")
			if len(b.cookies) != 0 {
				t.Errorf("%s began a login", target)
			}
		}
	}
}

func TestHostileSAMLRows(t *testing.T) {
	for id, run := range map[string]func(t *testing.T, h *house){
		"M15": func(t *testing.T, h *house) { // the same assertion again: with another flow, at another master, under another leader
			b := newBrowser(t)
			id := b.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
			r := response{ID: "a1", UID: "carol", To: "id-" + id}
			tab := b.same()
			b.submit(h.Leader(), acsPath, id, r).OK(t, http.StatusSeeOther)
			refusedWith(t, tab.same().submit(h.Follower(), acsPath, id, r), "used before")
			refusedWith(t, tab.post(h.Follower(), acsPath, id, r), "used before")
			h.Elect()
			refusedWith(t, tab.same().submit(h.Follower(), acsPath, id, r), "another leader")
			got := tab.post(h.Follower(), acsPath, id, r).OK(t, http.StatusSeeOther) // which the new leader cannot know
			refusedWith(t, tab.get(h.Follower(), location(t, got).String()), "another leader")
		},
		"M16": func(t *testing.T, h *house) { // what nobody asked for, and the answer to somebody else's request
			b := newBrowser(t)
			id := b.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
			refusedWith(t, b.same().submit(h.Leader(), acsPath, id, response{ID: "a1", UID: "carol"}), "another request")
			other := newBrowser(t).start(h.Leader(), "saml-provider=adfs").Get("RelayState")
			got := b.post(h.Leader(), acsPath, other, response{ID: "a2", UID: "attacker", To: "id-" + other}).OK(t, http.StatusSeeOther)
			refusedWith(t, b.get(h.Leader(), location(t, got).String()), "https://dcos.example/")
			if b.cookies["dcos-acs-auth-cookie"] != "" {
				t.Error("the browser is logged in by an answer that it did not ask for")
			}
		},
		"M22": func(t *testing.T, h *house) { // RelayState is an id of ours or nothing
			b := newBrowser(t)
			b.start(h.Leader(), "saml-provider=adfs")
			for _, relay := range []string{"//evil.example", "https://evil.example", strings.Repeat("a", 10<<10), "", strings.Repeat("A", 80)} {
				refusedWith(t, b.submit(h.Leader(), acsPath, relay, response{ID: "a1", UID: "carol", To: "id-" + relay}), "to which login")
			}
		},
		"M25": func(t *testing.T, h *house) { // what we tell of ourselves follows from the configuration
			got := h.Follower().Call(apitest.Call{Method: "GET", Path: "http://evil.example" + strings.TrimSuffix(acsPath, "acs-callback") + "sp-metadata", Token: h.Token(apitest.Root)}).OK(t, http.StatusOK)
			if got.Header.Get("Content-Type") != "application/samlmetadata+xml" || !strings.Contains(got.Body, "https://dcos.example/acs/api/v1/auth/saml/providers/adfs/sp-metadata") {
				t.Errorf("%s: %s", got.Header.Get("Content-Type"), got.Body)
			}
			var url acsAnswer
			h.Follower().Call(apitest.Call{Method: "GET", Path: "http://evil.example" + acsPath + "-url", Token: h.Token(apitest.Root)}).OK(t, http.StatusOK).Into(t, &url)
			if url.URL != "https://dcos.example"+acsPath {
				t.Errorf("URL %s", url.URL)
			}
			h.Follower().Call(apitest.Call{Method: "GET", Path: acsPath + "-url"}).Want(t, http.StatusUnauthorized, "ERR_UNAUTHENTICATED")
			h.Follower().Call(apitest.Call{Method: "GET", Path: strings.Replace(acsPath, "adfs", "dex", 1) + "-url", Token: h.Token(apitest.Root)}).Want(t, http.StatusBadRequest, "")
		},
		"M26": func(t *testing.T, h *house) { // deleted, made anew or changed on every step of the way
			deleted := func() { h.Do(command.DeleteProvider{Type: iam.SAML, ID: "adfs"}) }
			anew := func() { deleted(); h.Do(command.CreateProvider{Provider: *adfs()}) }
			for _, change := range []func(){func() { h.touch("adfs") }, anew} { // while the answer is verified, with the cookie and without
				b := newBrowser(t)
				id := b.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
				h.idp.verifying = change
				refusedWith(t, b.same().submit(h.Leader(), acsPath, id, response{ID: "with " + id, UID: "carol", To: "id-" + id}), "changed or removed")
				got := b.post(h.Leader(), acsPath, id, response{ID: "without " + id, UID: "carol", To: "id-" + id}).OK(t, http.StatusSeeOther)
				h.idp.verifying = nil
				refusedWith(t, b.get(h.Leader(), location(t, got).String()), "changed or removed")
			}
			b := newBrowser(t)
			id := b.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
			got := b.post(h.Leader(), acsPath, id, response{ID: "a1", UID: "carol", To: "id-" + id}).OK(t, http.StatusSeeOther)
			h.touch("adfs")
			refusedWith(t, b.same().submit(h.Leader(), acsPath, id, response{ID: "a2", UID: "carol", To: "id-" + id}), "changed or removed")
			refusedWith(t, b.same().get(h.Leader(), location(t, got).String()), "changed or removed")
			deleted()
			refusedWith(t, b.same().submit(h.Leader(), acsPath, id, response{ID: "a3", UID: "carol", To: "id-" + id}), "changed or removed")
			refusedWith(t, b.get(h.Leader(), location(t, got).String()), "changed or removed")
			if _, ok := h.Leader().State().User("carol"); ok {
				t.Error("a provider that is gone vouched for a user")
			}
		},
	} {
		t.Run(id, func(t *testing.T) { run(t, newHouse(t, 2)) })
	}
}

func TestALoginThroughSAMLEndsAfterOneMoreStepWithoutTheCookie(t *testing.T) {
	h := newHouse(t, 2)
	b := newBrowser(t)
	id := b.start(h.Follower(), "saml-provider=adfs&target=/x").Get("RelayState")
	got := b.post(h.Follower(), acsPath, id, response{ID: "a1", UID: "cärol@example.com", To: "id-" + id}).OK(t, http.StatusSeeOther)
	if len(got.Header["Set-Cookie"]) != 0 || len(got.Header.Get("Location")) > 1500 {
		t.Errorf("headers %v", got.Header)
	}
	handle := location(t, got).String()
	tab := b.same()
	if end := b.get(h.Follower(), handle).OK(t, http.StatusSeeOther); end.Header.Get("Location") != "/x" || b.cookies["dcos-acs-auth-cookie"] == "" {
		t.Errorf("headers %v", end.Header)
	}
	refusedWith(t, tab.get(h.Leader(), handle), "used before")
	if u, ok := h.Leader().State().User("c_rol@example.com"); !ok || u.ProviderType != iam.SAML || u.ProviderID != "adfs" {
		t.Errorf("user %+v", u)
	}
	for _, bad := range []string{acsPath, acsPath + "?handle=x", strings.Replace(handle, "adfs", "dex", 1), handle + "&handle=x"} {
		if got := tab.get(h.Leader(), bad); got.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d", bad, got.Status)
		}
	}
	tab = newBrowser(t)
	id = tab.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
	got = tab.post(h.Leader(), acsPath, id, response{ID: "a2", UID: "carol", To: "id-" + id}).OK(t, http.StatusSeeOther)
	h.Clock.Advance(flow.HandleLife + 2*time.Second)
	refusedWith(t, tab.get(h.Leader(), location(t, got).String()), "expired")
}

func TestASAMLProviderMayWantAForm(t *testing.T) {
	h := newHouse(t, 1)
	h.idp.fields = map[string]string{}
	b := newBrowser(t)
	got := b.get(h.Leader(), startPath+"?saml-provider=adfs").OK(t, http.StatusOK)
	if !strings.Contains(got.Body, `action="https://idp.example/sso"`) || len(b.cookies) != 1 {
		t.Errorf("page with the cookies %v:\n%s", b.cookies, got.Body)
	}
}

func TestNothingOfALoginIsLogged(t *testing.T) {
	h := newHouse(t, 2)
	b := newBrowser(t)
	state := b.start(h.Follower(), "oidc-provider=dex").Get("state")
	secrets := []string{state, "secret-code"}
	for _, value := range b.cookies {
		secrets = append(secrets, value)
	}
	h.idp.exchange = func(string) (string, error) { return "alice", nil }
	b.get(h.Follower(), callbackOf(state, "secret-code")).OK(t, http.StatusSeeOther)
	b.get(h.Follower(), callbackOf(state, "secret-code"))
	secrets = append(secrets, b.cookies["dcos-acs-auth-cookie"])
	for _, m := range h.Masters {
		text := m.Logs.String() + m.Audits.String() + m.Call(apitest.Call{Method: "GET", Path: "/metrics"}).Body
		for _, secret := range secrets {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("a log, the audit trail or a metric holds %.12q…", secret)
			}
		}
	}
}
