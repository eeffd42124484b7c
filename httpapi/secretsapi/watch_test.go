package secretsapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/fsm/command"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi/apitest"
)

const watchPath = "/gatehouse/v1/secrets/default/watch"

// watching begins a watch and returns when it waits.
func (h *house) watching(u user, query string) <-chan apitest.Answer {
	h.T.Helper()
	hub := of(u.Master).hub
	before := hub.Watching()
	answered := make(chan apitest.Answer, 1)
	go func() { answered <- u.get(watchPath + query) }()
	h.eventually("the watch waits", func() bool { return hub.Watching() > before })
	return answered
}

func (h *house) eventually(what string, done func() bool) {
	h.T.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.T.Fatalf("waited in vain: %s", what)
		}
	}
}

// answered waits for the answer to a watch.
func (h *house) answered(watch <-chan apitest.Answer) apitest.Answer {
	h.T.Helper()
	select {
	case a := <-watch:
		return a
	case <-time.After(patience):
		h.T.Fatal("the watch was not answered")
		return apitest.Answer{}
	}
}

func (h *house) told(a apitest.Answer) (c changes, paths []string) {
	h.T.Helper()
	a.OK(h.T, http.StatusOK).Into(h.T, &c)
	for _, e := range c.Array {
		paths = append(paths, fmt.Sprintf("%s %s %d", e.Event, e.Path, e.Version))
	}
	return c, paths
}

func TestAWatchTellsOfChangesBelowItsPrefix(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	u.put(t, "app/a", "1")
	begin, none := h.told(u.get(watchPath))
	if len(none) != 0 {
		t.Fatalf("without an index: %v", none)
	}
	watch := h.watching(u, fmt.Sprintf("?prefix=app&index=%d", begin.Index))
	u.put(t, "apple", "x")
	u.put(t, "other/x", "x")
	u.do("PATCH", base+"app/a", jsonOf("2")).OK(t, 204)
	next, paths := h.told(h.answered(watch))
	if want := []string{"put app/a 2"}; !cmp.Equal(paths, want) {
		t.Errorf("told %v, want %v", paths, want)
	}
	u.do("DELETE", base+"app/a", nil).OK(t, 204)
	u.put(t, "app", "x")
	if _, paths = h.told(u.get(fmt.Sprintf("%s?prefix=app&index=%d", watchPath, next.Index))); !cmp.Equal(paths, []string{"delete app/a 2", "put app 1"}) {
		t.Errorf("told %v", paths)
	}
	if got, paths := h.told(u.get(fmt.Sprintf("%s?index=%d&wait=0", watchPath, h.Leader().AppliedIndex()))); len(paths) != 0 || got.Reset {
		t.Errorf("nothing happened, and was told: %+v", got)
	}
	if got, _ := h.told(u.get(watchPath + "?index=1000000")); !got.Reset {
		t.Error("an index of another cluster was believed")
	}
	for _, query := range []string{"?index=x", "?index=1&wait=61s", "?index=1&wait=x", "?prefix=a/../b"} {
		if got := u.get(watchPath + query); got.Status != 400 {
			t.Errorf("%s: got %d", query, got.Status)
		}
	}
}

func TestAWatchShowsOnlyWhatWasGranted(t *testing.T) {
	h := newHouse(t, 1)
	root := h.superuser()
	h.reader("alice", "dcos:secrets:list:default:/a", "dcos:secrets:default:/c/d")
	u := h.as("alice", h.Leader())
	index := fmt.Sprintf("?index=%d", h.Leader().AppliedIndex())
	for _, path := range []string{"a/x", "b/x", "c/d"} {
		root.put(t, path, "1")
	}
	for query, want := range map[string][]string{"": {"put a/x 1"}, "&prefix=a": {"put a/x 1"}, "&prefix=c/d": {"put c/d 1"}} {
		if _, paths := h.told(u.get(watchPath + index + query)); !cmp.Equal(paths, want) {
			t.Errorf("%q: told %v, want %v", query, paths, want)
		}
	}
	u.get(watchPath+index+"&prefix=b").Want(t, 403, "ERR_FORBIDDEN")
}

func TestAWatchEndsWhenItsCallerMayNotAskAnyMore(t *testing.T) {
	h := newHouse(t, 1)
	h.reader("alice", "dcos:secrets:list:default:/")
	u := h.as("alice", h.Leader())
	watch := h.watching(u, fmt.Sprintf("?index=%d", h.Leader().AppliedIndex()))
	h.Do(command.DeleteUser{UID: "alice", TokenLife: time.Hour})
	h.superuser().put(t, "a", "1")
	h.answered(watch).Want(t, 401, "ERR_UNAUTHENTICATED")
}

func TestAWatchEndsWithASealADrainAndItsClient(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	index := fmt.Sprintf("?index=%d&wait=60", h.Leader().AppliedIndex()+1)
	u.put(t, "a", "1")
	hub := of(h.Leader()).hub

	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		r := apitest.Call{Method: "GET", Path: watchPath + index, Token: u.token}.Request().WithContext(ctx)
		u.Public.ServeHTTP(httptest.NewRecorder(), r)
	}()
	h.eventually("the watch waits", func() bool { return hub.Watching() == 1 })
	leave()
	<-left

	drained := h.watching(u, index)
	hub.Close()
	if got, _ := h.told(h.answered(drained)); got.Reset || len(got.Array) != 0 {
		t.Errorf("at the end: %+v", got)
	}
	h.told(u.get(watchPath + index)) // nobody waits any more
	if n := hub.Watching(); n != 0 {
		t.Errorf("%d still watch", n)
	}

	other := newHouse(t, 1)
	watch := other.watching(other.superuser(), fmt.Sprintf("?index=%d", other.Leader().AppliedIndex()))
	other.Do(command.SealStore{Name: secret.Default})
	other.answered(watch).Want(t, 503, "ERR_STORE_SEALED")
}

func TestWatchersAreCounted(t *testing.T) {
	hub := NewHub()
	refused := func(uid string) bool {
		_, err := hub.join("default", uid)
		return err != nil && strings.Contains(err.Error(), "ERR_TOO_MANY_REQUESTS")
	}
	leave, err := hub.join("default", "greedy")
	for range mostOfOne - 1 {
		if err == nil {
			_, err = hub.join("default", "greedy")
		}
	}
	if err != nil || !refused("greedy") {
		t.Fatalf("one user: %v", err)
	}
	if leave(); refused("greedy") {
		t.Error("a place that became free is not given again")
	}
	for i := range mostWatchers - mostOfOne {
		if refused(fmt.Sprint(i)) {
			t.Fatalf("the others: %d got a place", i)
		}
	}
	if !refused("late") {
		t.Error("there is no end to it")
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(hub.Collectors()...)
	got, err := metrics.Gather()
	if err != nil || got[0].GetName() != "gatehouse_secret_watchers" || got[0].Metric[0].GetGauge().GetValue() != mostWatchers {
		t.Errorf("the metric says %v, %v", got, err)
	}
}

func TestAnAnswerThatIsCutFinishesTheIndexItCutsIn(t *testing.T) {
	h := newHouse(t, 1)
	const entries = 5
	for i := range entries * command.MaxExpired {
		h.Do(command.CreateSecret{Store: secret.Default, Path: fmt.Sprintf("%04d", i), Epoch: epochOf(h), Born: apitest.Noon, Ends: apitest.Noon.Add(time.Hour),
			Version: command.VersionData{Number: 1, Term: 1, Sealed: []byte("x")}})
	}
	index := h.Leader().AppliedIndex()
	h.Clock.Advance(2 * time.Hour)
	for range entries {
		h.Do(command.ExpireSecrets{Items: command.Due(h.Leader().State(), h.Clock.Now(), command.MaxExpired)})
	}
	u := h.superuser()
	for _, want := range []int{4 * command.MaxExpired, command.MaxExpired} { // the 1,000th is in the fourth entry
		got, paths := h.told(u.get(fmt.Sprintf("%s?index=%d", watchPath, index)))
		if len(paths) != want || got.Reset {
			t.Fatalf("told of %d, want %d", len(paths), want)
		}
		index = got.Index
	}
}
