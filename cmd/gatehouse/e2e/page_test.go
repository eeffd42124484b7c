//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// TestPeopleSignInWithKeysAloneAndWithoutJavaScript types a wrong password, then the right one, and signs out again.
func TestPeopleSignInWithKeysAloneAndWithoutJavaScript(t *testing.T) {
	c := shared(t)
	uid, password := guest(t, c)
	page := tab(t, rig.TabOptions{NoScript: true})
	visits(t, page, c.Masters[1].API+"/", 200) // sent to the login page
	picture(t, page, "login")
	types(t, page, "uid", uid)
	tabs(t, page, "password")
	types(t, page, "password", "not the passphrase")
	presses(t, page, "\r", 401)
	shows(t, page, "The user name or the password is wrong.")
	picture(t, page, "wrong")
	types(t, page, "password", password) // the focus is where the password goes, and the name has stayed
	presses(t, page, "\r", 200)
	shows(t, page, "You are signed in", uid, "Guest <of> honour")
	picture(t, page, "signed-in")
	if at := must[string](t)(rig.Ask[string](page, "location.pathname")); at != "/" {
		t.Errorf("the login leads to %s", at)
	}
	tabs(t, page, "sign-out")
	presses(t, page, "\r", 200)
	shows(t, page, "You are signed out.")
	visits(t, page, c.Masters[1].API+"/", 200)
	shows(t, page, "Sign in")
	quiet(t, page)
}

// TestPagesFitEveryScreen looks for what has to be scrolled sideways.
func TestPagesFitEveryScreen(t *testing.T) {
	c := shared(t)
	long := url.QueryEscape("The login provider with ID '" + strings.Repeat("unreasonable", 5) + "' is not known")
	for name, o := range map[string]rig.TabOptions{
		"phone": {Width: 320, Height: 568}, "zoomed": {Width: 1280, Height: 800, Zoom: 2}, "dark": {Dark: true}, "large-on-a-phone": {Width: 640, Height: 1136, Zoom: 2},
	} {
		t.Run(name, func(t *testing.T) {
			page := tab(t, o)
			for shot, path := range map[string]string{"login": "/login", "error": "/login?iam-error=" + long} {
				visits(t, page, c.Masters[0].API+path, 200)
				if shot == "error" {
					shows(t, page, "unreasonable")
				}
				if over := must[int](t)(rig.Ask[int](page, "document.documentElement.scrollWidth - document.documentElement.clientWidth")); over > 0 {
					t.Errorf("%s is %d pixels too wide", path, over)
				}
				picture(t, page, shot)
			}
			background := must[string](t)(rig.Ask[string](page, "getComputedStyle(document.body).backgroundColor"))
			if want := map[bool]string{true: "rgb(15, 20, 23)", false: "rgb(243, 245, 246)"}[o.Dark]; background != want {
				t.Errorf("the page is %s, want %s", background, want)
			}
			quiet(t, page)
		})
	}
}

// TestScreenReadersKnowWhatEverythingIs reads the accessibility tree.
func TestScreenReadersKnowWhatEverythingIs(t *testing.T) {
	c := shared(t)
	page := tab(t, rig.TabOptions{})
	visits(t, page, c.Masters[0].API+"/login?iam-error=The+login+provider+with+ID+%27planted%27+is+not+known", 200)
	found := map[string]rig.Control{}
	for _, control := range must[[]rig.Control](t)(page.Controls()) {
		switch control.Role {
		case "textbox", "button", "link", "heading", "alert", "RootWebArea", "main":
			if control.Name == "" && control.Role != "alert" && control.Role != "main" {
				t.Errorf("a %s has no name", control.Role)
			}
			found[control.Role+" "+control.Name] = control
		}
	}
	for _, want := range []string{"textbox User name", "textbox Password", "button Sign in", "heading Sign in", "alert ", "main ", "RootWebArea Sign in – Gatehouse"} {
		if _, ok := found[want]; !ok {
			t.Errorf("there is no %q in %v", want, found)
		}
	}
	if told := found["textbox User name"].Description; !strings.Contains(told, "planted") {
		t.Errorf("the field with the focus is described by %q, not by what went wrong", told)
	}
	if lang := must[string](t)(rig.Ask[string](page, "document.documentElement.lang")); lang != "en" {
		t.Errorf("the page is in %q", lang)
	}
	quiet(t, page)
}

// TestTheTokenPageHandsOverAToken logs in for a command line and presses the button that copies.
func TestTheTokenPageHandsOverAToken(t *testing.T) {
	c := shared(t)
	uid, password := guest(t, c)
	page := tab(t, rig.TabOptions{})
	visits(t, page, c.Masters[2].API+"/login?target=dcos:authenticationresponse:html", 200)
	types(t, page, "uid", uid)
	tabs(t, page, "password")
	types(t, page, "password", password)
	presses(t, page, "\r", 200)
	shows(t, page, "Your DC/OS authentication token")
	token := must[string](t)(rig.Ask[string](page, "document.getElementById('token').value"))
	ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: ownURL(c.Masters[1], uid), Token: token})
	focused(t, page, "token")
	tabs(t, page, "copy")
	if err := page.Type(" "); err != nil {
		t.Fatal(err)
	}
	holds(t, page, "the button says that it has copied", "document.getElementById('copied').textContent === 'Copied'")
	picture(t, page, "token")
	if cookies := must[string](t)(rig.Ask[string](page, "document.cookie")); strings.Contains(cookies, "dcos-acs") {
		t.Errorf("cookies %s", cookies)
	}
	quiet(t, page)
}

// TestHostileSites has a page of another site send the form for its visitor, and frame the login page.
func TestHostileSites(t *testing.T) {
	c := shared(t)
	uid, password := guest(t, c)
	login := c.Masters[0].API + "/login"
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/frame" {
			fmt.Fprintf(w, `<iframe src="%s"></iframe>`, login)
			return
		}
		fmt.Fprintf(w, `<form method="post" action="%s"><input name="uid" value="%s"><input name="password" value="%s"><button id="send" autofocus>x</button></form>`, login, uid, password)
	}))
	defer evil.Close()
	elsewhere := strings.Replace(evil.URL, "127.0.0.1", "localhost", 1) // ports of one host are one site

	t.Run("H22", func(t *testing.T) {
		page := tab(t, rig.TabOptions{})
		visits(t, page, login, 200) // the visitor has been there
		visits(t, page, elsewhere+"/form", 200)
		focused(t, page, "send")
		presses(t, page, "\r", 403)
		shows(t, page, "This form was sent by another site")
		visits(t, page, c.Masters[0].API+"/", 200)
		shows(t, page, "Sign in")
	})
	t.Run("a page that frames ours", func(t *testing.T) {
		page := tab(t, rig.TabOptions{})
		visits(t, page, elsewhere+"/frame", 200)
		await(t, 60*time.Second, "the browser refuses to frame the page", func(context.Context) error {
			if wrong := strings.Join(page.Complaints(), "\n"); !strings.Contains(wrong, "frame") {
				return fmt.Errorf("it says %q", wrong)
			}
			return nil
		})
	})
}
