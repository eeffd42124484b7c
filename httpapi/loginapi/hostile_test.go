//go:build moving

package loginapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
	"gatehouse/keyring/password"
)

// TestHostile holds the cases of logins and of tokens that end with their user, by their ids.
func TestHostile(t *testing.T) {
	for id, test := range map[string]func(*testing.T){
		"L1": sameRefusal, "L2": sameTime, "L3": wrongDoor, "L4": caseVariants, "L5": paddedUIDs, "L6": unicodeUIDs, "L7": invalidUTF8,
		"L8": oddPasswords, "L10": hugePasswords, "L11": loginStorm, "L14": notOneCredential, "L15": idTokenCreatesNobody,
		"L16": neverWithoutExpiry, "L17": serviceTokenReplay, "L18": secretsStayInside, "L20": delayNotLockout, "L21": errorOrToken,
		"L22": cookieInjection, "L23": cookieFlags, "L24": logoutIsLocal, "L25": loginWithoutLeader,
		"J28": replacedServiceKey, "J33": keySetDuringRotation, "J35": tokenOfADeletedUser,
	} {
		t.Run(id, test)
	}
}

// refusals are one wrong login of every kind.
func (h *house) refusals() map[string]string {
	return map[string]string{
		"unknown uid":           object("uid", "nobody", "password", "wonderland"),
		"impossible uid":        object("uid", "no body", "password", "wonderland"),
		"wrong password":        object("uid", "alice", "password", "looking-glass"),
		"remote user":           object("uid", "ldapuser", "password", "wonderland"),
		"person of a provider":  object("uid", "bob@example.com", "password", "wonderland"),
		"service with password": object("uid", "robot", "password", "wonderland"),
		"unusable hash":         object("uid", "broken", "password", "wonderland"),
		"user with token":       object("uid", "alice", "token", h.serviceToken(serviceKey(), "alice")),
		"unknown uid, token":    object("uid", "nobody", "token", h.serviceToken(serviceKey(), "nobody")),
		"token of another uid":  object("uid", "robot", "token", h.serviceToken(serviceKey(), "alice")),
		"token of another key":  object("uid", "robot", "token", h.serviceToken(otherKey(), "robot")),
		"no token at all":       object("uid", "robot", "token", "x"),
		"auth token":            object("uid", "robot", "token", h.leader().login("uid", "robot", "token", h.serviceToken(serviceKey(), "robot")).token(h.t)),
	}
}

func crowd(t *testing.T, masters int, settings ...func(*Options)) *house {
	h := newHouse(t, masters, settings...)
	h.put(people()...)
	h.put(iam.User{UID: "broken", PasswordHash: "$broken$"})
	return h
}

func (m *master) tryLogin(body string) answer {
	return m.do(call{method: http.MethodPost, path: loginPath, body: body})
}

func sameRefusal(t *testing.T) {
	h := crowd(t, 1)
	want := http.Header{
		"Cache-Control": {"no-store"}, "Content-Type": {"application/json; charset=UTF-8"}, "Vary": {"Accept"}, "Www-Authenticate": {"acsjwt"},
		"X-Content-Type-Options": {"nosniff"},
	}
	for name, body := range h.refusals() {
		got := h.leader().tryLogin(body)
		if got.status != http.StatusUnauthorized || got.body != wrongCredentials {
			t.Errorf("%s: %d %s, want the one refusal", name, got.status, got.body)
		}
		for _, varies := range []string{"X-Gatehouse-Request-Id", "X-Gatehouse-Index", "Content-Length"} {
			got.header.Del(varies)
		}
		if diff := cmp.Diff(want, got.header); diff != "" {
			t.Errorf("%s: headers (-want +got):\n%s", name, diff)
		}
	}
}

func sameTime(t *testing.T) {
	h := crowd(t, 1)
	for name, body := range h.refusals() {
		before := h.leader().passwords.checked.Load()
		h.leader().tryLogin(body).ok(t, http.StatusUnauthorized)
		want := int64(0)
		if strings.Contains(body, `"password"`) {
			want = 1
		}
		if n := h.leader().passwords.checked.Load() - before; n != want {
			t.Errorf("%s cost %d hashes, want %d", name, n, want)
		}
	}
	for cost, want := range map[time.Duration]time.Duration{0: tick, 30 * time.Millisecond: tick, 600 * time.Millisecond: 3 * tick} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouseAt(t, &fakeClock{real: true}, 1)
			h.put(people()...)
			h.put(iam.User{UID: "broken", PasswordHash: "$broken$"})
			refusals := h.refusals()
			h.leader().passwords.cost = cost
			for name, body := range refusals {
				began, want := time.Now(), want
				if !strings.Contains(body, `"password"`) {
					want = tick // nothing is hashed
				}
				h.leader().tryLogin(body).ok(t, http.StatusUnauthorized)
				if took := time.Since(began); took != want {
					t.Errorf("%s with a hash of %v took %v, want %v", name, cost, took, want)
				}
			}
		})
	}
}

func wrongDoor(t *testing.T) {
	h := crowd(t, 1)
	for _, name := range []string{"service with password", "user with token"} {
		if got := h.leader().tryLogin(h.refusals()[name]).ok(t, http.StatusUnauthorized); got.body != wrongCredentials {
			t.Errorf("%s: %s", name, got.body)
		}
	}
}

func caseVariants(t *testing.T) {
	h := crowd(t, 1)
	for _, uid := range []string{"Alice", "ALICE", "alicE"} {
		for range pairFree {
			h.leader().login("uid", uid, "password", "wonderland").ok(t, http.StatusUnauthorized)
		}
		h.leader().login("uid", uid, "password", "wonderland").ok(t, http.StatusTooManyRequests)
	}
	h.leader().login("uid", "alice", "password", "wonderland").ok(t, http.StatusOK)
	// Another account of that spelling has a counter of its own: its owner's logins do not clear alice's.
	h.put(iam.User{UID: "ALICIA", PasswordHash: "$fake$mine!"}, iam.User{UID: "alicia", PasswordHash: "$fake$yours"})
	for range pairFree {
		h.leader().login("uid", "alicia", "password", "guess").ok(t, http.StatusUnauthorized)
		h.leader().login("uid", "ALICIA", "password", "mine!").ok(t, http.StatusOK)
	}
	h.leader().login("uid", "alicia", "password", "guess").ok(t, http.StatusTooManyRequests)
}

func (h *house) neverAlice(t *testing.T, uids ...string) {
	t.Helper()
	token := h.leader().rootToken()
	for i, uid := range uids {
		body := object("uid", uid, "password", "wonderland")
		got := h.leader().do(call{method: "POST", path: loginPath, body: body, from: fmt.Sprintf("203.0.113.%d", i)}).ok(t, http.StatusUnauthorized)
		if got.body != wrongCredentials {
			t.Errorf("login as %q: %s", uid, got.body)
		}
		path := strings.NewReplacer("%", "%25", " ", "%20", "\t", "%09", "\n", "%0A").Replace(uid)
		if got := h.leader().put(token, path, `{"password":"hello"}`); got.status != http.StatusBadRequest {
			t.Errorf("creating %q: %d %s, want 400", uid, got.status, got.body)
		}
	}
}

func paddedUIDs(t *testing.T) {
	crowd(t, 1).neverAlice(t, "alice ", " alice", "alice\t", "alice\n", "alice\u00a0", "ali\u200bce", "alice\u00ad", "%61lice")
}

func unicodeUIDs(t *testing.T) {
	crowd(t, 1).neverAlice(t, "a\u0301lice", "\uff41lice", "\u0430lice", "al\u0131ce", "\u212aarl", "stra\u00dfe", "ali\u03f2e")
}

func invalidUTF8(t *testing.T) {
	h := crowd(t, 1)
	for _, body := range []string{
		"{\"uid\":\"alice\xff\",\"password\":\"wonderland\"}", "{\"uid\":\"alice\",\"password\":\"wonder\xc0\x80land\"}", `{"uid":"alice","password":"\ud800"}`,
	} {
		h.leader().tryLogin(body).ok(t, http.StatusBadRequest)
	}
	if h.leader().passwords.checked.Load() != 0 {
		t.Error("a password that is no text was hashed")
	}
}

func oddPasswords(t *testing.T) {
	h := crowd(t, 1)
	token := h.leader().rootToken()
	h.leader().put(token, "spaces", object("password", "     ")).ok(t, http.StatusCreated)
	h.leader().login("uid", "spaces", "password", "     ").ok(t, http.StatusOK)
	h.leader().login("uid", "spaces", "password", "      ").ok(t, http.StatusUnauthorized)
	h.leader().login("uid", "alice", "password", "").ok(t, http.StatusBadRequest)
	// A NUL ends nothing: the text before it is not the password.
	for _, text := range []string{"wonderland\u0000", "wonderland\u0000x"} {
		if got := h.leader().login("uid", "alice", "password", text); got.status == http.StatusOK {
			t.Errorf("password %q opens the account", text)
		}
	}
}

func hugePasswords(t *testing.T) {
	h := crowd(t, 1)
	h.leader().login("uid", "alice", "password", strings.Repeat("x", 1<<20)).ok(t, http.StatusRequestEntityTooLarge)
	r := httptest.NewRequest(http.MethodPost, loginPath, strings.NewReader("{"))
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = 100 << 20
	w := httptest.NewRecorder()
	h.leader().public.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("100 MiB: %d, want 413", w.Code)
	}
	if h.leader().passwords.checked.Load() != 0 {
		t.Error("a huge password was hashed")
	}
	h.leader().login("uid", "alice", "password", strings.Repeat("x", 1000)).ok(t, http.StatusUnauthorized)
}

// loginStorm sends more logins than the hasher lets wait. What is too much is turned away at once; callers with a token do not notice.
func loginStorm(t *testing.T) {
	hasher := password.New(password.Options{Concurrency: 1, Queue: 4, Wait: time.Minute})
	h := newHouse(t, 1, func(o *Options) { o.Passwords = hasher })
	h.put(iam.User{UID: "alice", PasswordHash: must(hasher.Hash(t.Context(), "wonderland"))})
	h.put(iam.User{UID: "robot", PublicKey: publicPEM(serviceKey())})
	raw := h.leader().login("uid", "robot", "token", h.serviceToken(serviceKey(), "robot")).token(t)
	var (
		all    sync.WaitGroup
		mu     sync.Mutex // guards counts
		counts = map[int]int{}
	)
	for range 40 {
		all.Go(func() {
			got := h.leader().login("uid", "alice", "password", "wonderland")
			mu.Lock()
			defer mu.Unlock()
			counts[got.status]++
			if got.status == http.StatusTooManyRequests && got.header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
		})
	}
	for range 20 {
		if got := h.leader().own(raw, "robot"); got.status != http.StatusOK {
			t.Errorf("a caller with a token got %d during the storm", got.status)
		}
	}
	all.Wait()
	if counts[200] < 5 || counts[200]+counts[429] != 40 || counts[429] == 0 {
		t.Errorf("answers by status: %v, want some 200 and the rest 429", counts)
	}
}

func notOneCredential(t *testing.T) {
	h := crowd(t, 1)
	for _, body := range []string{`{"uid":"alice"}`, `{"uid":"alice","password":"wonderland","token":"x"}`, `{"password":"wonderland"}`, `{}`, `[]`, `null`, `"x"`, `1`} {
		h.leader().tryLogin(body).ok(t, http.StatusBadRequest)
	}
}

func idTokenCreatesNobody(t *testing.T) {
	h := crowd(t, 1)
	n := len(h.entries())
	h.leader().login("token", h.serviceToken(otherKey(), "eve@example.com")).ok(t, http.StatusBadRequest)
	if len(h.entries()) != n {
		t.Error("a login without uid reached the log")
	}
}

func neverWithoutExpiry(t *testing.T) {
	h := crowd(t, 1)
	service := strings.TrimSuffix(object("uid", "robot", "token", h.serviceToken(serviceKey(), "robot")), "}")
	for _, exp := range []string{"0", "-0", "0e5", "0.0"} {
		h.leader().tryLogin(service+`,"exp":`+exp+`}`).ok(t, http.StatusBadRequest)
	}
	_, expires := lifetime(t, h.leader().tryLogin(`{"uid":"alice","password":"wonderland","exp":0}`).token(t))
	if expires.After(h.clock.Now().Add(DefaultTokenLifetime)) {
		t.Errorf("the token expires at %v", expires)
	}
}

// serviceTokenReplay: a service login token may be used again while it lives, on every master (contract 2.3).
func serviceTokenReplay(t *testing.T) {
	h := crowd(t, 2)
	raw := h.serviceToken(serviceKey(), "robot")
	for range 2 {
		for _, m := range h.masters {
			m.login("uid", "robot", "token", raw).ok(t, http.StatusOK)
		}
	}
	h.clock.advance(2 * time.Minute)
	h.leader().login("uid", "robot", "token", raw).ok(t, http.StatusUnauthorized)
}

func secretsStayInside(t *testing.T) {
	h := crowd(t, 2)
	root, refusals := h.leader().rootToken(), h.refusals()
	planted := []string{"wonderland", "looking-glass", "let me in", "rabbit-hole", rootPassword, root, "$fake$", "$broken$"}
	for _, m := range h.masters {
		service := h.serviceToken(serviceKey(), "robot")
		planted = append(planted, service, m.login("uid", "robot", "token", service).token(t), m.tokenOf("alice", "wonderland"))
		m.patch(root, "alice", `{"password":"rabbit-hole"}`).ok(t, http.StatusNoContent)
		m.patch(root, "alice", `{"password":"wonderland"}`).ok(t, http.StatusNoContent)
		m.admin(resetPath, object("uid", "zoe", "password", "let me in")).ok(t, http.StatusOK)
		m.post(root, "keys", "").ok(t, http.StatusCreated)
		for _, body := range refusals {
			m.tryLogin(body).ok(t, http.StatusUnauthorized)
		}
		m.get(root, "alice").ok(t, http.StatusOK)
	}
	for _, m := range h.masters {
		seen := m.logs.String() + m.audits.String() + m.do(call{method: "GET", path: "/metrics"}).body
		for _, secret := range planted {
			if strings.Contains(seen, secret) {
				t.Errorf("%s shows %.20q in logs, audit records or metrics", m.id, secret)
			}
		}
	}
}

func delayNotLockout(t *testing.T) {
	h := crowd(t, 1)
	for wrong := 0; wrong < 10; {
		switch got := h.leader().login("uid", root, "password", "guess"); got.status {
		case http.StatusUnauthorized:
			wrong++
		case http.StatusTooManyRequests:
			h.clock.advance(time.Second)
		}
	}
	began := h.clock.Now()
	for h.leader().login("uid", root, "password", rootPassword).status != http.StatusOK {
		h.clock.advance(time.Second)
	}
	if waited := h.clock.Now().Sub(began); waited > maxPairWait+time.Second {
		t.Errorf("after 10 wrong passwords the right one waits %v, want at most %v", waited, maxPairWait)
	}
}

func errorOrToken(t *testing.T) {
	h := crowd(t, 1)
	bodies := h.refusals()
	bodies["malformed"], bodies["empty"], bodies["exp 0"] = `{`, `{}`, `{"uid":"robot","token":"x","exp":0}`
	for name, body := range bodies {
		got := h.leader().tryLogin(body)
		if got.status < 400 || got.header["Set-Cookie"] != nil || strings.Contains(got.body, `"token":`) {
			t.Errorf("%s: %d %s with cookies %q", name, got.status, got.body, got.header["Set-Cookie"])
		}
	}
}

func cookieInjection(t *testing.T) {
	h := crowd(t, 1)
	text := "a; Domain=evil\r\nSet-Cookie: x=y\r\n\r\n<script>\u0085é\"\\"
	h.put(iam.User{UID: "mallory", PasswordHash: "$fake$hello", Description: text})
	cookies := h.leader().login("uid", "mallory", "password", "hello").ok(t, http.StatusOK).header["Set-Cookie"]
	if len(cookies) != 2 {
		t.Fatalf("cookies %q, want two", cookies)
	}
	value, attributes, _ := strings.Cut(strings.TrimPrefix(cookies[1], infoCookie+"="), ";")
	if attributes != " Path=/; Max-Age=432000; SameSite=Lax" {
		t.Errorf("attributes of the info cookie are %q", attributes)
	}
	var got struct{ Description string }
	if err := json.Unmarshal([]byte(decodeInfo(t, value)), &got); err != nil || got.Description != text {
		t.Errorf("description %q, want %q (%v)", got.Description, text, err)
	}
}

func cookieFlags(t *testing.T) {
	for _, secure := range []bool{false, true} {
		h := crowd(t, 1, func(o *Options) { o.Cookies.Secure = secure })
		r := &http.Response{Header: h.leader().login("uid", "alice", "password", "wonderland").ok(t, http.StatusOK).header}
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
	raw := h.leader().tokenOf("alice", "wonderland")
	h.leader().do(call{method: "GET", path: "/acs/api/v1/auth/logout", token: raw}).ok(t, http.StatusOK)
	h.leader().own(raw, "alice").ok(t, http.StatusOK)
	h.clock.advance(DefaultTokenLifetime)
	h.leader().own(raw, "alice").ok(t, http.StatusUnauthorized)
}

func loginWithoutLeader(t *testing.T) {
	h := crowd(t, 2)
	h.down = true
	for _, m := range h.masters {
		for _, body := range []string{object("uid", "alice", "password", "wonderland"), object("uid", "nobody", "password", "x")} {
			began := time.Now()
			got := m.tryLogin(body).ok(t, http.StatusServiceUnavailable)
			if took := time.Since(began); took > 15*time.Second || got.header.Get("Retry-After") == "" {
				t.Errorf("login without a leader took %v, Retry-After %q", took, got.header.Get("Retry-After"))
			}
		}
	}
}
