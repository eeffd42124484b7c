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

// way is a way to log in.
type way struct{ name, kind, provider string }

var ways = []way{{"dex", iam.OIDC, "dex"}, {"adfs with the cookie", iam.SAML, "adfs"}, {"adfs by a handle", iam.SAML, "adfs"}}

// in logs in whom the provider calls that.
func (w way) in(h *house, name string) apitest.Answer {
	h.T.Helper()
	b := newBrowser(h.T)
	if w.kind == iam.OIDC {
		return b.login(h.Follower(), h.Follower(), "oidc-provider="+w.provider, name)
	}
	id := b.start(h.Follower(), "saml-provider="+w.provider).Get("RelayState")
	r := response{ID: "answer to " + id, UID: name, To: "id-" + id}
	if w.name == "adfs with the cookie" {
		return b.submit(h.Follower(), acsPath, id, r)
	}
	got := b.post(h.Follower(), acsPath, id, r)
	if got.Status != http.StatusSeeOther {
		return got
	}
	return b.get(h.Follower(), location(h.T, got).RequestURI())
}

// Of the names that become one uid only that logs in by which the user was made: the first of each (hostile O7, O8).
func TestNamesThatBecomeOneUIDAreNotOnePerson(t *testing.T) {
	for _, names := range [][]string{
		{"bob+smith@example.com", "bob/smith@example.com", "bob smith@example.com", "bob_smith@example.com"},
		{"bob_smith@example.com", "bob+smith@example.com", "bob/smith@example.com"}, {"böb@example.com", "bäb@example.com", "b_b@example.com"},
	} {
		for _, way := range ways {
			t.Run(way.name+" "+names[0], func(t *testing.T) {
				h := newHouse(t, 2)
				uid := login.SanitizeUID(names[0])
				way.in(h, names[0]).OK(t, http.StatusSeeOther)
				if record := h.Leader().Audits.String(); !strings.Contains(record, `action=iam.users.create result=allow reason="first login through `+way.provider+
					`" uid=`+uid+" object=/acs/api/v1/users/"+uid) {
					t.Errorf("no audit record of the new user:\n%s", record)
				}
				before := len(h.Entries())
				for _, name := range names[1:] {
					way.in(h, name).Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
				}
				way.in(h, names[0]).OK(t, http.StatusSeeOther)
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
	for _, way := range ways {
		h := newHouse(t, 2)
		h.know(way.kind, way.provider, "b_b@example.com")
		before := len(h.Entries())
		way.in(h, "bäb@example.com").Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
		way.in(h, "b_b@example.com").OK(t, http.StatusSeeOther)
		if n := len(h.Entries()); n != before {
			t.Errorf("%s: %d entries", way.name, n-before)
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
	for _, way := range ways {
		h := newHouse(t, 2)
		h.know(way.kind, way.provider, "bob_x@example.com")
		way.in(h, "bob+x@example.com").Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
		h.forget("bob_x@example.com")
		way.in(h, "bob+x@example.com").OK(t, http.StatusSeeOther)
		way.in(h, "bob_x@example.com").Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
		way.in(h, "bob+x@example.com").OK(t, http.StatusSeeOther)
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
	h := newHouse(t, 2)
	for _, way := range ways[1:] {
		way.in(h, "a"+strings.Repeat("ö", maxName)).Want(t, http.StatusBadRequest, "ERR_CANNOT_IMPORT_USER")
	}
}
