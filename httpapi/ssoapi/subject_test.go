package ssoapi

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/flow"
)

// ways are the ways to log in of these tests: through dex, through adfs with the cookie of the flow, and through adfs without it.
func ways(h *house) map[string]func(name string) apitest.Answer {
	answers := 0
	begin := func(name string) (*browser, string, response) {
		b := newBrowser(h.T)
		id := b.start(h.Follower(), "saml-provider=adfs").Get("RelayState")
		answers++
		return b, id, response{ID: "a" + strings.Repeat("x", answers), UID: name, To: "id-" + id}
	}
	return map[string]func(string) apitest.Answer{
		"dex": func(name string) apitest.Answer {
			return newBrowser(h.T).login(h.Follower(), h.Follower(), "oidc-provider=dex", name)
		},
		"adfs": func(name string) apitest.Answer {
			b, id, r := begin(name)
			return b.submit(h.Follower(), acsPath, id, r)
		},
		"adfs by a handle": func(name string) apitest.Answer {
			b, id, r := begin(name)
			to := location(h.T, b.post(h.Follower(), acsPath, id, r).OK(h.T, http.StatusSeeOther))
			return b.get(h.Follower(), to.RequestURI())
		},
	}
}

// Of the names that become one uid only that logs in by which the user was made: the first of each (hostile O7, O8).
func TestNamesThatBecomeOneUIDAreNotOnePerson(t *testing.T) {
	for _, names := range [][]string{
		{"bob+smith@example.com", "bob/smith@example.com", "bob smith@example.com", "bob_smith@example.com"},
		{"bob_smith@example.com", "bob+smith@example.com", "bob/smith@example.com"}, {"böb@example.com", "bäb@example.com", "b_b@example.com"},
	} {
		for _, way := range []string{"dex", "adfs", "adfs by a handle"} {
			t.Run(way+" "+names[0], func(t *testing.T) {
				h := newHouse(t, 2)
				log := ways(h)[way]
				uid := login.SanitizeUID(names[0])
				log(names[0]).OK(t, http.StatusSeeOther)
				provider, _, _ := strings.Cut(way, " ")
				if record := h.Leader().Audits.String(); !strings.Contains(record, `action=iam.users.create result=allow reason="first login through `+provider+
					`" uid=`+uid+" object=/acs/api/v1/users/"+uid) {
					t.Errorf("no audit record of the new user:\n%s", record)
				}
				before := len(h.Entries())
				for _, name := range names[1:] {
					log(name).Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
				}
				log(names[0]).OK(t, http.StatusSeeOther)
				if n := len(h.Entries()); n != before {
					t.Errorf("%d entries", n-before)
				}
				if record := h.Leader().Audits.String(); !strings.Contains(record, `-login result=deny reason="another subject of the provider" uid=`+uid) {
					t.Errorf("no audit record of the refusal:\n%s", record)
				}
				if text := h.Leader().Logs.String(); !strings.Contains(text, `"advice":`) {
					t.Errorf("the log does not say what to do:\n%s", text)
				}
			})
		}
	}
}

// A user who was made beforehand is who has the uid as its name, and nobody whose name was made to fit.
func TestUsersMadeBeforehandAreThoseOfThatName(t *testing.T) {
	for _, way := range []string{"dex", "adfs", "adfs by a handle"} {
		h := newHouse(t, 2)
		provider, _, _ := strings.Cut(way, " ")
		kind := iam.OIDC
		if provider == "adfs" {
			kind = iam.SAML
		}
		h.know(kind, provider, "b_b@example.com")
		before := len(h.Entries())
		log := ways(h)[way]
		log("bäb@example.com").Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
		log("b_b@example.com").OK(t, http.StatusSeeOther)
		if n := len(h.Entries()); n != before {
			t.Errorf("%s: %d entries", way, n-before)
		}
	}
}

// An address that was given to somebody else, and a provider that was set up anew: the same uid under another subject.
func TestAnAddressThatChangedHandsIsNobodyUntilASuperuserSaysSo(t *testing.T) {
	h := newHouse(t, 2)
	in := func() apitest.Answer {
		return newBrowser(t).login(h.Follower(), h.Follower(), "oidc-provider=dex", "alice@example.com")
	}
	in().OK(t, http.StatusSeeOther)
	h.idp.subject = "anew"
	in().Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
	for _, what := range []string{"gatehouse user forget-subject alice@example.com", "delete the user"} {
		if text := h.Leader().Logs.String(); !strings.Contains(text, what) {
			t.Errorf("the log does not say %q:\n%s", what, text)
		}
	}
	h.forget("alice@example.com")
	before := len(h.Entries())
	in().OK(t, http.StatusSeeOther)
	in().OK(t, http.StatusSeeOther)
	if n := len(h.Entries()) - before; n != 1 {
		t.Errorf("%d entries, want the one that binds the user", n)
	}
	if record := h.Leader().Audits.String(); !strings.Contains(record, `action=iam.users.bind result=allow reason="first login since the subject was forgotten, through dex" uid=alice@example.com`) {
		t.Errorf("no audit record of the binding:\n%s", record)
	}
	h.idp.subject = "anew once more"
	in().Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
}

// A superuser may give a user who was made beforehand to somebody whose name was made to fit, and to nobody else.
func TestAUserMadeBeforehandIsBoundToWhoComesNext(t *testing.T) {
	for _, way := range []string{"dex", "adfs", "adfs by a handle"} {
		h := newHouse(t, 2)
		provider, _, _ := strings.Cut(way, " ")
		kind := iam.OIDC
		if provider == "adfs" {
			kind = iam.SAML
		}
		h.know(kind, provider, "bob_x@example.com")
		in := ways(h)[way]
		in("bob+x@example.com").Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
		h.forget("bob_x@example.com")
		in("bob+x@example.com").OK(t, http.StatusSeeOther)
		in("bob_x@example.com").Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
		in("bob+x@example.com").OK(t, http.StatusSeeOther)
	}
}

// A login code, and the question before it, are for the person who has logged in, not for who got the uid since.
func TestALoginCodeIsOfOnePerson(t *testing.T) {
	h := newHouse(t, 1)
	verifier := strings.Repeat("v", 43)
	through := func(subject string) (*browser, apitest.Answer) {
		h.idp.subject = subject
		b := newBrowser(t)
		return b, b.login(h.Leader(), h.Leader(), "oidc-provider=dex&loopback-port=4711&challenge="+flow.Challenge(verifier), "alice").OK(t, http.StatusOK)
	}
	b, asked := through("one")
	code := location(t, b.agree(h.Leader(), asked, "continue").OK(t, http.StatusSeeOther)).Query().Get("code")
	b, asked = through("one")
	h.Do(command.DeleteUser{UID: "alice"})
	through("two")
	refusedWith(t, b.agree(h.Leader(), asked, "continue"), "meanwhile")
	body := `{"code":"` + code + `","verifier":"` + verifier + `"}`
	got := h.Leader().Call(apitest.Call{Method: "POST", Path: "/gatehouse/v1/login/code", Body: []byte(body), Type: "application/json"})
	refusedWith(t, got, "meanwhile")
}

func TestLongNamesOfSAMLAreRefusedAndNotCut(t *testing.T) {
	h := newHouse(t, 1)
	for _, way := range []string{"adfs", "adfs by a handle"} {
		b := newBrowser(t)
		id := b.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
		send := b.submit
		if way != "adfs" {
			send = b.post
		}
		send(h.Leader(), acsPath, id, response{ID: way, UID: "a" + strings.Repeat("ö", maxName), To: "id-" + id}).Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
	}
}
