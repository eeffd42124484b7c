package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/fsm/fault"
)

// formed is a row that tells the form and the cookies that it got.
func formed(o *Options) {
	o.Routes = append(o.Routes, Route{
		ID: "formed", Method: "POST", Path: "/formed", Access: Public, Mode: Leader, BodyLimit: NoBody, Form: true, NoIdempotency: true,
		Handle: func(_ context.Context, r *Request) (*Response, error) {
			flow, _ := r.Cookie("gatehouse-a")
			var names []string
			for _, c := range r.CookiesOf("") {
				names = append(names, c.Name)
			}
			return &Response{Raw: fmt.Appendf(nil, "%q %q %v %q", r.Form["a"], flow, names, r.Header["Authorization"]), ContentType: "text/plain"}, nil
		},
	})
}

const formType = "Content-Type: application/x-www-form-urlencoded"

func TestFormsAndCookiesOfRowsReachTheLeader(t *testing.T) {
	b := newBed(t, 2, formed)
	for _, m := range b.members {
		got := m.call("POST", "/formed", "", "a=1%202+3&b=", formType, "Cookie: gatehouse-a=x; dcos-acs-auth-cookie=secret; other=y; gatehouse-b=z")
		want := `["1 2 3"] "x" [gatehouse-a gatehouse-b] []`
		if m == b.members[0] {
			want = `["1 2 3"] "x" [gatehouse-a dcos-acs-auth-cookie other gatehouse-b] []`
		}
		if got.status != http.StatusOK || got.body != want {
			t.Errorf("%s: %d %s, want %s", m.id, got.status, got.body, want)
		}
	}
}

func TestACookieThatIsThereTwiceIsNone(t *testing.T) {
	b := newBed(t, 1, formed)
	for cookies, want := range map[string]string{
		"gatehouse-a=x; gatehouse-a=y": `[] ""`, "gatehouse-a=x; gatehouse-a=x": `[] "x"`, "gatehouse-A=x": `[] ""`, "": `[] ""`,
	} {
		if got := b.members[0].call("POST", "/formed", "", "", formType, "Cookie: "+cookies); !strings.HasPrefix(got.body, want) {
			t.Errorf("%s: %s, want %s", cookies, got.body, want)
		}
	}
}

func TestMalformedFormsAreRefused(t *testing.T) {
	b := newBed(t, 1, formed)
	for name, body := range map[string]string{
		"twice": "a=1&a=1", "an escape": "a=%zz", "a half escape": "a=%2", "bytes that are no UTF-8": "a=%ff", "a name that is none": "%ff=a",
		"semicolons": "a=1;b=2", "many": strings.Repeat("a", 2) + "=1&" + manyFormMembers(),
	} {
		expect(t, name, b.members[0].call("POST", "/formed", "", body, formType), 400)
	}
	expect(t, "a charset", b.members[0].call("POST", "/formed", "", "a=1", formType+"; charset=utf-16"), 415)
	expect(t, "files", b.members[0].call("POST", "/formed", "", "a=1", "Content-Type: multipart/form-data; boundary=x"), 415)
	if got := b.members[0].call("POST", "/formed", "", `{"a":"1"}`, "Content-Type: application/json"); got.status != 200 || !strings.HasPrefix(got.body, "[]") {
		t.Errorf("JSON on such a row: %d %s", got.status, got.body)
	}
}

func manyFormMembers() string {
	var b strings.Builder
	for i := range maxFormMembers {
		fmt.Fprintf(&b, "m%d=&", i)
	}
	return strings.TrimSuffix(b.String(), "&")
}

// A page of another site can send forms with this site's cookie, but not for its user (hostile H22).
func TestAFormOfAnotherSiteIsRefusedToACookie(t *testing.T) {
	var done atomic.Int32
	b := newBed(t, 2, func(o *Options) {
		o.Routes = append(o.Routes, Route{
			ID: "change", Method: "POST", Path: "/change", Access: User, Mode: Leader, BodyLimit: NoBody, Form: true, NoIdempotency: true,
			Handle: func(_ context.Context, r *Request) (*Response, error) {
				done.Add(1)
				return &Response{Raw: []byte(r.Form["a"][0]), ContentType: "text/plain"}, nil
			},
		})
	})
	cookie := "Cookie: " + authCookie + "=" + tokenFor("alice")
	for _, m := range b.members {
		for name, headers := range map[string][]string{
			"cross-site": {"Sec-Fetch-Site: cross-site"}, "same-site": {"Sec-Fetch-Site: same-site"},
			"foreign origin": {"Origin: https://evil.example"}, "null origin": {"Origin: null"},
		} {
			got := m.call("POST", "/change", "", "a=1", append(headers, formType, cookie)...)
			expectCode(t, m.id+" "+name, got, http.StatusForbidden, fault.CrossOrigin)
		}
	}
	if n := done.Load(); n != 0 {
		t.Errorf("%d refused forms were handled", n)
	}
	for _, m := range b.members {
		expect(t, m.id+" the same origin", m.call("POST", "/change", "", "a=1", formType, cookie, "Sec-Fetch-Site: same-origin"), 200)
		expect(t, m.id+" a token", m.call("POST", "/change", "alice", "a=1", formType, "Sec-Fetch-Site: cross-site"), 200)
	}
}
