package loginapi

import (
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
	"gatehouse/httpapi/apitest"
	"gatehouse/keyring/password"
)

// TestHostile holds the cases of logins and of tokens that end with their user, by their ids.
func TestHostile(t *testing.T) {
	for id, test := range map[string]func(*testing.T){
		"L1": sameRefusal, "L2": sameTime, "L3": wrongDoor, "L4": caseVariants, "L5": paddedUIDs, "L6": unicodeUIDs, "L7": invalidUTF8,
		"L8": oddPasswords, "L10": hugePasswords, "L11": loginStorm, "L14": notOneCredential, "L15": idTokenCreatesNobody,
		"L16": neverWithoutExpiry, "L17": serviceTokenReplay, "L18": secretsStayInside, "L20": delayNotLockout, "L21": errorOrToken,
		"L22": cookieInjection, "L23": cookieFlags, "L24": logoutIsLocal, "L25": loginWithoutLeader,
	} {
		t.Run(id, test)
	}
}

// refusals are one wrong login of every kind.
func (h *house) refusals() map[string]string {
	return map[string]string{
		"unknown uid":           apitest.Object("uid", "nobody", "password", "wonderland"),
		"impossible uid":        apitest.Object("uid", "no body", "password", "wonderland"),
		"wrong password":        apitest.Object("uid", "alice", "password", "looking-glass"),
		"remote user":           apitest.Object("uid", "ldapuser", "password", "wonderland"),
		"person of a provider":  apitest.Object("uid", "bob@example.com", "password", "wonderland"),
		"service with password": apitest.Object("uid", "robot", "password", "wonderland"),
		"unusable hash":         apitest.Object("uid", "broken", "password", "wonderland"),
		"user with token":       apitest.Object("uid", "alice", "token", h.ServiceToken(apitest.ServiceKey(), "alice")),
		"unknown uid, token":    apitest.Object("uid", "nobody", "token", h.ServiceToken(apitest.ServiceKey(), "nobody")),
		"token of another uid":  apitest.Object("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "alice")),
		"token of another key":  apitest.Object("uid", "robot", "token", h.ServiceToken(apitest.OtherKey(), "robot")),
		"no token at all":       apitest.Object("uid", "robot", "token", "x"),
		"auth token":            apitest.Object("uid", "robot", "token", tokenIn(h.T, h.Leader().login("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "robot")))),
	}
}

func crowd(t *testing.T, masters int, settings ...func(*settings)) *house {
	h := newHouse(t, masters, settings...)
	h.PutUsers(people()...)
	h.PutUsers(iam.User{UID: "broken", PasswordHash: "$broken$"})
	return h
}

func sameRefusal(t *testing.T) {
	h := crowd(t, 1)
	want := http.Header{
		"Cache-Control": {"no-store"}, "Content-Type": {"application/json; charset=UTF-8"}, "Vary": {"Accept"}, "Www-Authenticate": {"acsjwt"},
		"X-Content-Type-Options": {"nosniff"},
	}
	for name, body := range h.refusals() {
		got := h.Leader().tryLogin(body)
		if got.Status != http.StatusUnauthorized || got.Body != wrongCredentials {
			t.Errorf("%s: %d %s, want the one refusal", name, got.Status, got.Body)
		}
		for _, varies := range []string{"X-Gatehouse-Request-Id", "X-Gatehouse-Index", "Content-Length"} {
			got.Header.Del(varies)
		}
		if diff := cmp.Diff(want, got.Header); diff != "" {
			t.Errorf("%s: headers (-want +got):\n%s", name, diff)
		}
	}
}

func sameTime(t *testing.T) {
	h := crowd(t, 1)
	for name, body := range h.refusals() {
		before := h.Leader().passwords.Checked.Load()
		h.Leader().tryLogin(body).Is(t, http.StatusUnauthorized)
		want := int64(0)
		if strings.Contains(body, `"password"`) {
			want = 1
		}
		if n := h.Leader().passwords.Checked.Load() - before; n != want {
			t.Errorf("%s cost %d hashes, want %d", name, n, want)
		}
	}
	for cost, want := range map[time.Duration]time.Duration{0: tick, 30 * time.Millisecond: tick, 600 * time.Millisecond: 3 * tick} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, 1, func(o *settings) { o.Real = true })
			h.PutUsers(people()...)
			h.PutUsers(iam.User{UID: "broken", PasswordHash: "$broken$"})
			refusals := h.refusals()
			h.Leader().passwords.Cost = cost
			for name, body := range refusals {
				began, want := time.Now(), want
				if !strings.Contains(body, `"password"`) {
					want = tick // nothing is hashed
				}
				h.Leader().tryLogin(body).Is(t, http.StatusUnauthorized)
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
		if got := h.Leader().tryLogin(h.refusals()[name]).Is(t, http.StatusUnauthorized); got.Body != wrongCredentials {
			t.Errorf("%s: %s", name, got.Body)
		}
	}
}

func caseVariants(t *testing.T) {
	h := crowd(t, 1)
	for _, uid := range []string{"Alice", "ALICE", "alicE"} {
		for range pairFree {
			h.Leader().login("uid", uid, "password", "wonderland").Is(t, http.StatusUnauthorized)
		}
		h.Leader().login("uid", uid, "password", "wonderland").Is(t, http.StatusTooManyRequests)
	}
	h.Leader().login("uid", "alice", "password", "wonderland").Is(t, http.StatusOK)
	// Another account of that spelling has a counter of its own: its owner's logins do not clear alice's.
	h.PutUsers(iam.User{UID: "ALICIA", PasswordHash: "$fake$mine!"}, iam.User{UID: "alicia", PasswordHash: "$fake$yours"})
	for range pairFree {
		h.Leader().login("uid", "alicia", "password", "guess").Is(t, http.StatusUnauthorized)
		h.Leader().login("uid", "ALICIA", "password", "mine!").Is(t, http.StatusOK)
	}
	h.Leader().login("uid", "alicia", "password", "guess").Is(t, http.StatusTooManyRequests)
}

func (h *house) neverAlice(t *testing.T, uids ...string) {
	t.Helper()
	token := h.Leader().rootToken()
	for i, uid := range uids {
		body := apitest.Object("uid", uid, "password", "wonderland")
		got := h.Leader().Call(apitest.Call{Method: "POST", Path: loginPath, JSON: body, From: fmt.Sprintf("203.0.113.%d", i)}).Is(t, http.StatusUnauthorized)
		if got.Body != wrongCredentials {
			t.Errorf("login as %q: %s", uid, got.Body)
		}
		path := strings.NewReplacer("%", "%25", " ", "%20", "\t", "%09", "\n", "%0A").Replace(uid)
		if got := h.Leader().put(token, path, `{"password":"hello"}`); got.Status != http.StatusBadRequest {
			t.Errorf("creating %q: %d %s, want 400", uid, got.Status, got.Body)
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
		h.Leader().tryLogin(body).Is(t, http.StatusBadRequest)
	}
	if h.Leader().passwords.Checked.Load() != 0 {
		t.Error("a password that is no text was hashed")
	}
}

func oddPasswords(t *testing.T) {
	h := crowd(t, 1)
	token := h.Leader().rootToken()
	h.Leader().put(token, "spaces", apitest.Object("password", "     ")).Is(t, http.StatusCreated)
	h.Leader().login("uid", "spaces", "password", "     ").Is(t, http.StatusOK)
	h.Leader().login("uid", "spaces", "password", "      ").Is(t, http.StatusUnauthorized)
	h.Leader().login("uid", "alice", "password", "").Is(t, http.StatusBadRequest)
	// A NUL ends nothing: the text before it is not the password.
	for _, text := range []string{"wonderland\u0000", "wonderland\u0000x"} {
		if got := h.Leader().login("uid", "alice", "password", text); got.Status == http.StatusOK {
			t.Errorf("password %q opens the account", text)
		}
	}
}

func hugePasswords(t *testing.T) {
	h := crowd(t, 1)
	h.Leader().login("uid", "alice", "password", strings.Repeat("x", 1<<20)).Is(t, http.StatusRequestEntityTooLarge)
	r := httptest.NewRequest(http.MethodPost, loginPath, strings.NewReader("{"))
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = 100 << 20
	w := httptest.NewRecorder()
	h.Leader().Public.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("100 MiB: %d, want 413", w.Code)
	}
	if h.Leader().passwords.Checked.Load() != 0 {
		t.Error("a huge password was hashed")
	}
	h.Leader().login("uid", "alice", "password", strings.Repeat("x", 1000)).Is(t, http.StatusUnauthorized)
}

// loginStorm sends more logins than the hasher lets wait. What is too much is turned away at once; callers with a token do not notice.
func loginStorm(t *testing.T) {
	hasher := password.New(password.Options{Concurrency: 1, Queue: 4, Wait: time.Minute})
	h := newHouse(t, 1, func(o *settings) { o.Passwords = hasher })
	hash, err := hasher.Hash(t.Context(), "wonderland")
	if err != nil {
		t.Fatal(err)
	}
	h.PutUsers(iam.User{UID: "alice", PasswordHash: hash})
	h.PutUsers(iam.User{UID: "robot", PublicKey: apitest.PublicPEM(apitest.ServiceKey())})
	raw := tokenIn(h.T, h.Leader().login("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "robot")))
	var (
		all    sync.WaitGroup
		mu     sync.Mutex // guards counts
		counts = map[int]int{}
	)
	for range 40 {
		all.Go(func() {
			got := h.Leader().login("uid", "alice", "password", "wonderland")
			mu.Lock()
			defer mu.Unlock()
			counts[got.Status]++
			if got.Status == http.StatusTooManyRequests && got.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
		})
	}
	for range 20 {
		if got := h.Leader().own(raw, "robot"); got.Status != http.StatusOK {
			t.Errorf("a caller with a token got %d during the storm", got.Status)
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
		h.Leader().tryLogin(body).Is(t, http.StatusBadRequest)
	}
}

func idTokenCreatesNobody(t *testing.T) {
	h := crowd(t, 1)
	n := len(h.Entries())
	h.Leader().login("token", h.ServiceToken(apitest.OtherKey(), "eve@example.com")).Is(t, http.StatusBadRequest)
	if len(h.Entries()) != n {
		t.Error("a login without uid reached the log")
	}
}

func delayNotLockout(t *testing.T) {
	h := crowd(t, 1)
	for wrong := 0; wrong < 10; {
		switch got := h.Leader().login("uid", apitest.Root, "password", "guess"); got.Status {
		case http.StatusUnauthorized:
			wrong++
		case http.StatusTooManyRequests:
			h.Clock.Advance(time.Second)
		}
	}
	began := h.Clock.Now()
	for h.Leader().login("uid", apitest.Root, "password", apitest.RootPassword).Status != http.StatusOK {
		h.Clock.Advance(time.Second)
	}
	if waited := h.Clock.Now().Sub(began); waited > maxPairWait+time.Second {
		t.Errorf("after 10 wrong passwords the right one waits %v, want at most %v", waited, maxPairWait)
	}
}

func loginWithoutLeader(t *testing.T) {
	h := crowd(t, 2)
	h.Down(true)
	for _, m := range h.masters() {
		for _, body := range []string{apitest.Object("uid", "alice", "password", "wonderland"), apitest.Object("uid", "nobody", "password", "x")} {
			began := time.Now()
			got := m.tryLogin(body).Is(t, http.StatusServiceUnavailable)
			if took := time.Since(began); took > 15*time.Second || got.Header.Get("Retry-After") == "" {
				t.Errorf("login without a leader took %v, Retry-After %q", took, got.Header.Get("Retry-After"))
			}
		}
	}
}
