package ssoapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/login/oidc"
	"gatehouse/httpapi/login/web"
)

// at is a new browser at the n-th of many addresses.
func at(t testing.TB, n int) *browser {
	b := newBrowser(t)
	b.from = fmt.Sprintf("198.51.100.%d", n)
	return b
}

// again fails the test unless the answer is that the client should come again.
func again(t testing.TB, a apitest.Answer, status int, code, text string) {
	t.Helper()
	a.Want(t, status, code)
	if a.Header.Get("Retry-After") == "" || !strings.Contains(a.Body, text) {
		t.Errorf("headers %v, %s; want Retry-After and %q", a.Header, a.Body, text)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	h := newHouse(t, 1, func(o *Options) { o.Remembered = 2 })
	for i := range 2 {
		at(t, i).login(h.Leader(), h.Leader(), "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
	}
	again(t, at(t, 3).login(h.Leader(), h.Leader(), "oidc-provider=dex", "alice"), http.StatusServiceUnavailable, "ERR_BUSY", "Too many logins")
	h.Clock.Advance(flow.FlowLife + 2*time.Second)
	at(t, 3).login(h.Leader(), h.Leader(), "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
}

// TestOneAddressUsesUpItsOwnShareAlone: beyond it the flow stays good, so that the login may be ended later.
func TestOneAddressUsesUpItsOwnShareAlone(t *testing.T) {
	h := newHouse(t, 1, func(o *Options) { o.Remembered = 100 })
	h.idp.exchange = func(code string) (string, error) {
		if code == "junk" {
			return "", &oidc.RefusedError{Reason: "The code is not valid."}
		}
		return code, nil
	}
	for range 2 {
		refusedWith(t, at(t, 1).login(h.Leader(), h.Leader(), "oidc-provider=dex", "junk"), "not valid")
	}
	b := at(t, 1)
	path := callbackOf(b.start(h.Leader(), "oidc-provider=dex").Get("state"), "alice")
	again(t, b.get(h.Leader(), path), http.StatusTooManyRequests, "ERR_TOO_MANY_REQUESTS", "from your address")
	if n := h.idp.count(); n != 2 {
		t.Errorf("%d codes were exchanged, want 2", n)
	}
	at(t, 2).login(h.Leader(), h.Leader(), "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
	b.from = "198.51.100.3"
	b.get(h.Leader(), path).OK(t, http.StatusSeeOther)
}

// TestAnswersThatAskNobodyUseNothingUp: strangers can send as many as they like.
func TestAnswersThatAskNobodyUseNothingUp(t *testing.T) {
	h := newHouse(t, 1, func(o *Options) { o.Remembered = 1 })
	b := newBrowser(t)
	state := b.start(h.Leader(), "oidc-provider=dex").Get("state")
	for range 3 {
		refusedWith(t, b.same().get(h.Leader(), callback+"?error=access_denied&state="+state), "access_denied")
		refusedWith(t, b.same().get(h.Leader(), callback+"?state="+state), "no code")
		stranger := newBrowser(t)
		id := stranger.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
		refusedWith(t, stranger.submit(h.Leader(), acsPath, id, response{ID: "x", UID: "carol"}), "another request")
	}
	b.get(h.Leader(), callbackOf(state, "alice")).OK(t, http.StatusSeeOther)
}

func TestOneOfManySAMLAnswersToOneFlowWins(t *testing.T) {
	h := newHouse(t, 1)
	h.know(iam.SAML, "adfs", "carol")
	b := newBrowser(t)
	id := b.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
	statuses := make(chan int, 8)
	var wg sync.WaitGroup
	for i := range cap(statuses) {
		wg.Go(func() {
			statuses <- b.same().submit(h.Leader(), acsPath, id, response{ID: fmt.Sprint(i % 2), UID: "carol", To: "id-" + id}).Status
		})
	}
	wg.Wait()
	won := 0
	for range cap(statuses) {
		if <-statuses == http.StatusSeeOther {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d answers won, want 1", won)
	}
}

func TestFewSAMLAnswersAreVerifiedAtOnce(t *testing.T) {
	h := newHouse(t, 1)
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	h.idp.verifying = func() { entered <- struct{}{}; <-leave }
	var wg sync.WaitGroup
	for i := range maxVerifications {
		wg.Go(func() { at(t, i).submit(h.Leader(), acsPath, flow.NewID(), response{}) })
		<-entered
	}
	b := newBrowser(t)
	id := b.start(h.Leader(), "saml-provider=adfs").Get("RelayState")
	r := response{ID: "a1", UID: "carol", To: "id-" + id}
	again(t, b.submit(h.Leader(), acsPath, id, r), http.StatusServiceUnavailable, "ERR_BUSY", "Too many logins")
	if len(b.cookies) != 1 {
		t.Errorf("who is to come again has the cookies %v", b.cookies)
	}
	close(leave)
	wg.Wait()
	b.submit(h.Leader(), acsPath, id, r).OK(t, http.StatusSeeOther)
}

// TestOneAddressKeepsNobodyElsesAnswersWaiting: however many SAML answers it sends, it has one among those of all.
func TestOneAddressKeepsNobodyElsesAnswersWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stranger, person := netip.MustParsePrefix("198.51.100.1/32"), netip.MustParsePrefix("2001:db8::/64")
		b := newBench()
		release, err := b.take(t.Context(), stranger)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := b.take(t.Context(), stranger); err != errCrowded {
					t.Errorf("one more of the stranger: %v, want %v", err, errCrowded)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		leave, err := b.take(t.Context(), person)
		if err != nil || time.Since(began) > 0 {
			t.Errorf("somebody else: %v, after %v", err, time.Since(began))
		}
		wg.Wait()
		if leave != nil {
			leave()
		}
		release()
		if len(b.own.of) != 0 || len(b.all) != 0 {
			t.Errorf("%d clients and %d places are remembered when nobody is there", len(b.own.of), len(b.all))
		}
	})
}

func TestOneAddressHasFewExchangesUnderWay(t *testing.T) {
	h := newHouse(t, 1)
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	h.idp.during = func() { entered <- struct{}{}; <-leave }
	var wg sync.WaitGroup
	for range maxExchanges {
		wg.Go(func() { at(t, 1).login(h.Leader(), h.Leader(), "oidc-provider=dex", "alice") })
		<-entered
	}
	b := at(t, 1)
	path := callbackOf(b.start(h.Leader(), "oidc-provider=dex").Get("state"), "alice")
	again(t, b.get(h.Leader(), path), http.StatusTooManyRequests, "ERR_TOO_MANY_REQUESTS", "from your address")
	wg.Go(func() {
		at(t, 2).login(h.Leader(), h.Leader(), "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
	})
	<-entered
	wg.Go(func() { b.get(h.Leader(), path).OK(t, http.StatusSeeOther) }) // which waits for one of the others to leave, or comes after them
	close(leave)
	wg.Wait()
}

// TestAProviderWithoutAPlaceCostsTheLoginOnlyIfItWasAsked: the code is good once.
func TestAProviderWithoutAPlaceCostsTheLoginOnlyIfItWasAsked(t *testing.T) {
	h := newHouse(t, 1)
	busy := error(&oidc.UnreachableError{Doing: "read the discovery document", Err: web.ErrBusy})
	h.idp.failure = busy
	again(t, newBrowser(t).get(h.Leader(), startPath+"?oidc-provider=dex"), http.StatusServiceUnavailable, "ERR_BUSY", "Too many logins")
	h.idp.failure = nil
	for _, c := range []struct {
		err  error
		want int
	}{{busy, http.StatusSeeOther}, {fmt.Errorf("%w: %w", oidc.ErrRedeemed, busy), http.StatusUnauthorized}} {
		b := newBrowser(t)
		h.idp.exchange = func(string) (string, error) { return "", c.err }
		path := callbackOf(b.start(h.Leader(), "oidc-provider=dex").Get("state"), "alice")
		tab := b.same()
		again(t, b.get(h.Leader(), path), http.StatusServiceUnavailable, "ERR_BUSY", "Too many logins")
		h.idp.exchange = nil
		if got := tab.get(h.Leader(), path); got.Status != c.want {
			t.Errorf("after %v: %d %s, want %d", c.err, got.Status, got.Body, c.want)
		}
	}
	if metrics := h.Leader().Call(apitest.Call{Method: "GET", Path: "/metrics"}).Body; !strings.Contains(metrics, `gatehouse_logins_total{kind="oidc",result="busy"} 3`) {
		t.Error("logins without a place are not counted as busy")
	}
}

// TestALoginThatWasUsedUpIsNotRunAgain: a second run would tell of a replay that nobody has tried.
func TestALoginThatWasUsedUpIsNotRunAgain(t *testing.T) {
	h := newHouse(t, 2)
	h.know(iam.OIDC, "dex", "alice")
	b := newBrowser(t)
	path := callbackOf(b.start(h.Leader(), "oidc-provider=dex").Get("state"), "alice")
	h.idp.during = func() { h.Down(true) }
	again(t, b.get(h.Follower(), path), http.StatusServiceUnavailable, "ERR_BUSY", "lost its leader. Log in again.")
	if n, trail := h.idp.count(), h.Leader().Audits.String(); n != 1 || strings.Contains(trail, "used before") || b.cookies["dcos-acs-auth-cookie"] != "" {
		t.Errorf("%d exchanges, cookies %v, audit trail:\n%s", n, b.cookies, trail)
	}
	h.idp.during = nil
	h.Down(false)
	b.login(h.Follower(), h.Follower(), "oidc-provider=dex", "alice").OK(t, http.StatusSeeOther)
}

// TestTheCallbacksAreNotRepeatedWhenNoAnswerComes names the reads that have an effect.
func TestTheCallbacksAreNotRepeatedWhenNoAnswerComes(t *testing.T) {
	for _, r := range New(Options{}) {
		if reads := r.Method == http.MethodGet && strings.Contains(r.Path, "callback") && !strings.HasSuffix(r.Path, "-url"); r.Once != reads {
			t.Errorf("%s: once is %v, want %v", r.ID, r.Once, reads)
		}
	}
}
