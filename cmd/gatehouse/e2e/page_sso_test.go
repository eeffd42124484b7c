//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// enter types into a field of somebody else's page.
func enter(t *testing.T, page *rig.Tab, field, text string) {
	t.Helper()
	if err := page.Do(chromedp.SendKeys(chromedp.CSS(field), text)); err != nil {
		t.Fatalf("type into %s: %v", field, err)
	}
}

// listed waits until a master offers a provider that another master was told of: everybody may ask, so nothing is confirmed for it.
func listed(t *testing.T, c *rig.Cluster, api, kind, id string) {
	t.Helper()
	await(t, 20*time.Second, id+" is offered", func(ctx context.Context) error {
		answer, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: api + "/acs/api/v1/auth/" + kind + "/providers"})
		if err == nil && !strings.Contains(string(answer.Body), `"`+id+`"`) {
			err = fmt.Errorf("it lists %s", answer.Body)
		}
		return err
	})
}

// arrives waits until the tab shows the page of somebody who is signed in, pressing once on every page what stands in the way.
func arrives(t *testing.T, page *rig.Tab, press string, texts ...string) {
	t.Helper()
	reaches(t, page, press, "You are signed in")
	shows(t, page, texts...)
}

// reaches waits until the tab shows a text, pressing once on every page what stands in the way.
func reaches(t *testing.T, page *rig.Tab, press, sign string) {
	t.Helper()
	pressed := map[string]bool{}
	await(t, 60*time.Second, sign, func(context.Context) error {
		seen, err := rig.Ask[[]string](page, "[location.href, document.readyState, document.body ? document.body.innerText : '']")
		if err != nil {
			return err
		}
		where, ready, text := seen[0], seen[1] == "complete", seen[2]
		if strings.Contains(text, sign) {
			return nil
		}
		if press != "" && ready && !pressed[where] {
			pressed[where] = true
			_, err = rig.Ask[bool](page, fmt.Sprintf("(b => b ? (b.click(), true) : false)(document.querySelector(%q))", press))
		}
		return errors.Join(err, fmt.Errorf("%s shows %.400q", where, text))
	})
}

// TestABrowserLogsInThroughOpenIDConnect goes from the button on the login page through the provider's pages and back.
func TestABrowserLogsInThroughOpenIDConnect(t *testing.T) {
	c := startCompany(t, rig.OIDCOptions{})
	c.configure(t, nil)
	c.remove(t, "alice@example.com")
	listed(t, c.cluster, c.back.API, "oidc", c.id)
	page := tab(t, rig.TabOptions{})
	visits(t, page, c.back.API+"/login", 200)
	picture(t, page, "button")
	if status := must[int64](t)(page.Click(`a[href*="` + c.id + `"]`)); status != 200 {
		t.Fatalf("the provider's page: %d", status)
	}
	picture(t, page, "provider")
	enter(t, page, "input[name=login]", "alice")
	enter(t, page, "input[name=password]", "any")
	presses(t, page, "\r", 200)
	arrives(t, page, "form button[type=submit][autofocus]", "alice@example.com")
	picture(t, page, "signed-in")
}

// TestABrowserLogsInThroughSAML has the provider on another site than the cluster, so that the browser withholds the cookie from its
// answer at first.
func TestABrowserLogsInThroughSAML(t *testing.T) {
	c := shared(t)
	near := &rig.Master{Name: c.Masters[1].Name, API: strings.Replace(c.Masters[1].API, "127.0.0.1", "localhost", 1)}
	h := samlAt(t, c, near, "saml-browser", rig.SAMLOptions{NameID: "mail"})
	listed(t, c, near.API, "saml", h.id)
	token := superuser(t, c)
	t.Cleanup(func() {
		_, _ = c.Client.Do(context.Background(), rig.Request{Method: http.MethodDelete, URL: userURL(c.Masters[0], "alice@example.org"), Token: token})
	})
	page := tab(t, rig.TabOptions{})
	visits(t, page, near.API+"/login", 200)
	if status := must[int64](t)(page.Click(`a[href*="` + h.id + `"]`)); status != 200 {
		t.Fatalf("the provider's page: %d", status)
	}
	enter(t, page, "input[name=username]", samlAlice.Name)
	enter(t, page, "input[name=password]", samlAlice.Password)
	presses(t, page, "\r", 200)
	arrives(t, page, "", "alice@example.org")
	picture(t, page, "signed-in")
}

// TestABrowserBringsALoginToTheCommandLine agrees to what the command line wants: browsers hold the way from that form to the port of the
// command line against the policy of the page, and say on the way what kind of request it is.
func TestABrowserBringsALoginToTheCommandLine(t *testing.T) {
	c := startCompany(t, rig.OIDCOptions{})
	c.configure(t, nil)
	c.remove(t, "alice@example.com")
	listed(t, c.cluster, c.back.API, "oidc", c.id)
	login, start := c.loginOfCommandLine(t, t.TempDir())
	page := tab(t, rig.TabOptions{})
	visits(t, page, start, 200)
	enter(t, page, "input[name=login]", "alice")
	enter(t, page, "input[name=password]", "any")
	presses(t, page, "\r", 200)
	reaches(t, page, "form button[type=submit][autofocus]", "Sign in a command line?")
	shows(t, page, "alice@example.com")
	picture(t, page, "question")
	if status := must[int64](t)(page.Click("button[value=continue]")); status != 200 {
		t.Fatalf("the page of the command line: %d", status)
	}
	shows(t, page, "Logged in", "You may close this window.")
	if style := must[string](t)(rig.Ask[string](page, "getComputedStyle(document.querySelector('main')).display")); style != "flex" {
		t.Errorf("the page of the command line is without its style: %s", style)
	}
	picture(t, page, "logged-in")
	if said, err := login(); err != nil || !strings.Contains(said, "The identity provider logged in alice@example.com.") {
		t.Fatalf("the command line: %v\n%s", err, said)
	}
}

// loginOfCommandLine has somebody who lives at home log in through the provider. It answers the page that the command line opens, and what
// waits for its end.
func (c *openIDCompany) loginOfCommandLine(t *testing.T, home string) (login func() (string, error), page string) {
	t.Helper()
	opened := filepath.Join(home, "opened")
	browser := writeScript(t, filepath.Join(home, "browser"), "#!/bin/sh\nprintf %s \"$1\" >'"+opened+".new' && mv '"+opened+".new' '"+opened+"'\n")
	login = startLogin(t, home, browser, "login", "--url", c.back.API, "--name", "company", "--provider", c.id)
	return login, awaitFile(t, opened)
}

// agree goes from the page that a command line opens through the provider, as alice, and agrees to what is asked. It answers where the
// browser goes then.
func (c *openIDCompany) agree(ctx context.Context, v *rig.Visitor, start string) (end string, err error) {
	page, err := v.Get(ctx, start)
	if err == nil {
		page, err = c.LogIn(ctx, v, page, "alice")
	}
	if err == nil {
		page, err = v.Follow(ctx, page)
	}
	if err != nil {
		return "", err
	}
	form, err := page.Form()
	if err != nil || !strings.Contains(page.Body, "wants to sign in as <strong>alice@example.com</strong>") {
		return "", fmt.Errorf("nobody is asked: %v, %d %s", err, page.Status, page.Body)
	}
	form.Fields.Set("answer", "continue")
	if page, err = v.Post(ctx, form.Action, form.Fields); err != nil {
		return "", err
	}
	if end, err = page.Redirect(); err == nil && (!strings.HasPrefix(end, "http://127.0.0.1:") || !strings.Contains(end, "/?code=")) {
		err = fmt.Errorf("the login ends at %d %q: %s", page.Status, end, page.Body)
	}
	return end, err
}

// TestTheCommandLineLogsInThroughAProvider has somebody with a browser of few words end the login that the command line began.
func TestTheCommandLineLogsInThroughAProvider(t *testing.T) {
	c := startCompany(t, rig.OIDCOptions{})
	c.configure(t, nil)
	c.remove(t, "alice@example.com")
	listed(t, c.cluster, c.back.API, "oidc", c.id)
	home := t.TempDir()
	login, start := c.loginOfCommandLine(t, home)
	v := c.visitor(t)
	end := must[string](t)(c.agree(t.Context(), v, start))
	page := must[*rig.Page](t)(v.Get(t.Context(), end+"x")) // somebody else's code
	if page.Status != 401 {
		t.Errorf("another code: %d %s", page.Status, page.Body)
	}
	if page = must[*rig.Page](t)(v.Get(t.Context(), end)); page.Status != 200 || !strings.Contains(page.Body, "You may close this window.") {
		t.Errorf("the last page: %d %s", page.Status, page.Body)
	}
	if said, err := login(); err != nil || !strings.Contains(said, "as alice@example.com") {
		t.Fatalf("the command line: %v\n%s", err, said)
	}
	who := must[string](t)(runAt(t, home, "whoami"))
	if !strings.Contains(who, "alice@example.com") {
		t.Errorf("whoami: %s", who)
	}
}
