package loginapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login"
)

func neverWithoutExpiry(t *testing.T) {
	h := crowd(t, 1)
	service := strings.TrimSuffix(apitest.Object("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "robot")), "}")
	for _, exp := range []string{"0", "-0", "0e5", "0.0"} {
		h.Leader().tryLogin(service+`,"exp":`+exp+`}`).Is(t, http.StatusBadRequest)
	}
	_, expires := lifetime(t, tokenIn(t, h.Leader().tryLogin(`{"uid":"alice","password":"wonderland","exp":0}`)))
	if expires.After(h.Clock.Now().Add(login.DefaultTokenLifetime)) {
		t.Errorf("the token expires at %v", expires)
	}
}

// serviceTokenReplay: a service login token may be used again while it lives, on every master (contract 2.3).
func serviceTokenReplay(t *testing.T) {
	h := crowd(t, 2)
	raw := h.ServiceToken(apitest.ServiceKey(), "robot")
	for range 2 {
		for _, m := range h.masters() {
			m.login("uid", "robot", "token", raw).Is(t, http.StatusOK)
		}
	}
	h.Clock.Advance(2 * time.Minute)
	h.Leader().login("uid", "robot", "token", raw).Is(t, http.StatusUnauthorized)
}

func secretsStayInside(t *testing.T) {
	h := crowd(t, 2)
	root, refusals := h.Leader().rootToken(), h.refusals()
	planted := []string{"wonderland", "looking-glass", "let me in", "rabbit-hole", apitest.RootPassword, root, "$fake$", "$broken$"}
	for _, m := range h.masters() {
		service := h.ServiceToken(apitest.ServiceKey(), "robot")
		planted = append(planted, service, tokenIn(t, m.login("uid", "robot", "token", service)), m.tokenOf("alice", "wonderland"))
		m.patch(root, "alice", `{"password":"rabbit-hole"}`).Is(t, http.StatusNoContent)
		m.patch(root, "alice", `{"password":"wonderland"}`).Is(t, http.StatusNoContent)
		m.Admin(apitest.Call{Method: http.MethodPost, Path: "/gatehouse/v1/reset-superuser", JSON: apitest.Object("uid", "zoe", "password", "let me in")}).Is(t, http.StatusOK)
		m.post(root, "keys", "").Is(t, http.StatusCreated)
		for _, body := range refusals {
			m.tryLogin(body).Is(t, http.StatusUnauthorized)
		}
		m.get(root, "alice").Is(t, http.StatusOK)
	}
	for _, m := range h.masters() {
		seen := m.Logs.String() + m.Audits.String() + m.Call(apitest.Call{Method: "GET", Path: "/metrics"}).Body
		for _, secret := range planted {
			if strings.Contains(seen, secret) {
				t.Errorf("%s shows %.20q in logs, audit records or metrics", m.ID(), secret)
			}
		}
	}
}

func errorOrToken(t *testing.T) {
	h := crowd(t, 1)
	bodies := h.refusals()
	bodies["malformed"], bodies["empty"], bodies["exp 0"] = `{`, `{}`, `{"uid":"robot","token":"x","exp":0}`
	for name, body := range bodies {
		got := h.Leader().tryLogin(body)
		if got.Status < 400 || got.Header["Set-Cookie"] != nil || strings.Contains(got.Body, `"token":`) {
			t.Errorf("%s: %d %s with cookies %q", name, got.Status, got.Body, got.Header["Set-Cookie"])
		}
	}
}

func cookieInjection(t *testing.T) {
	h := crowd(t, 1)
	text := "a; Domain=evil\r\nSet-Cookie: x=y\r\n\r\n<script>\u0085é\"\\"
	h.PutUsers(iam.User{UID: "mallory", PasswordHash: "$fake$hello", Description: text})
	cookies := h.Leader().login("uid", "mallory", "password", "hello").Is(t, http.StatusOK).Header["Set-Cookie"]
	if len(cookies) != 2 {
		t.Fatalf("cookies %q, want two", cookies)
	}
	value, attributes, _ := strings.Cut(strings.TrimPrefix(cookies[1], "dcos-acs-info-cookie="), ";")
	if attributes != " Path=/; Max-Age=432000; SameSite=Lax" {
		t.Errorf("attributes of the info cookie are %q", attributes)
	}
	var got struct{ Description string }
	if err := json.Unmarshal([]byte(infoIn(t, value)), &got); err != nil || got.Description != text {
		t.Errorf("description %q, want %q (%v)", got.Description, text, err)
	}
}

func cookieFlags(t *testing.T) {
	for _, secure := range []bool{false, true} {
		h := crowd(t, 1, func(o *settings) { o.Cookies.Secure = secure })
		r := &http.Response{Header: h.Leader().login("uid", "alice", "password", "wonderland").Is(t, http.StatusOK).Header}
		auth, info := r.Cookies()[0], r.Cookies()[1]
		if !auth.HttpOnly || auth.Secure != secure || info.HttpOnly || info.Secure {
			t.Errorf("secure %v: cookies %v and %v", secure, auth, info)
		}
		for _, c := range r.Cookies() {
			if c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("cookie %v, want SameSite=Lax, Path=/ and no Domain", c)
			}
		}
	}
}

// logoutIsLocal: logging out clears the cookie; the token lives on until it expires or is revoked.
func logoutIsLocal(t *testing.T) {
	h := crowd(t, 1)
	raw := h.Leader().tokenOf("alice", "wonderland")
	h.Leader().Call(apitest.Call{Method: "GET", Path: "/acs/api/v1/auth/logout", Token: raw}).Is(t, http.StatusOK)
	h.Leader().own(raw, "alice").Is(t, http.StatusOK)
	h.Clock.Advance(login.DefaultTokenLifetime)
	h.Leader().own(raw, "alice").Is(t, http.StatusUnauthorized)
}
