package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/fsm/state"
)

// memory answers requests without a network, so that the clock of a test can be virtual.
func (m *testMaster) memory(path, uid string) answer {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "token="+tokenFor(uid))
	w := httptest.NewRecorder()
	m.server.Public(KindIAM).ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.String(), false}
}

// offline is a bed whose masters have no listeners.
func offline(t *testing.T, masters int) *bed {
	b := &bed{t: t, log: &fakeLog{state: initialState()}, silent: true}
	for i := range masters {
		b.members = append(b.members, b.newMember([]string{"m0", "m1", "m2"}[i], nil))
	}
	b.log.lead("m0")
	return b
}

const staleAlice = "/acs/api/v1/users/alice?consistency=stale"

func TestStaleReadsUseAStateOfAtMostFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := offline(t, 2).members[1]
		get := func(what string, wantReads int64, wantStale bool) {
			t.Helper()
			before := m.reads.Load()
			got := m.memory(staleAlice, "alice")
			synctest.Wait()
			expect(t, what, got, 200)
			if n := m.reads.Load() - before; n != wantReads {
				t.Errorf("%s: %d read indexes, want %d", what, n, wantReads)
			}
			if stale := got.header.Get(headerConsistency) == "stale"; stale != wantStale {
				t.Errorf("%s: stale %v, want %v", what, stale, wantStale)
			}
		}
		time.Sleep(time.Second)
		get("the first, when nothing is known", 1, false)
		get("a fresh state", 0, true)
		time.Sleep(1900 * time.Millisecond)
		get("1.9 s", 0, true)
		time.Sleep(200 * time.Millisecond)
		get("2.1 s: renewed in the background", 1, true)
		get("after the renewal", 0, true)
		time.Sleep(5100 * time.Millisecond)
		get("5.1 s: too old", 1, false)
		time.Sleep(3 * time.Second)
		expect(t, "default", m.memory("/acs/api/v1/users/alice", "alice"), 200)
		get("after a linearizable read", 0, true)
	})
}

func TestStaleReadsWithoutALeaderEndAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := offline(t, 2)
		m := b.members[1]
		expect(t, "first", m.memory("/acs/api/v1/users/alice", "alice"), 200)
		b.log.lead("")
		for age := 1; age <= 4; age++ {
			time.Sleep(time.Second)
			if got := m.memory(staleAlice, "alice"); got.status != 200 || got.header.Get(headerConsistency) != "stale" {
				t.Errorf("after %d s: %d %v", age, got.status, got.header)
			}
		}
		time.Sleep(1100 * time.Millisecond)
		expect(t, "after 5.1 s", m.memory(staleAlice, "alice"), 503)
		synctest.Wait()
	})
}

func TestConsistencyIsAnOfferOfTheRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := offline(t, 1).members[0]
		expect(t, "first", m.memory("/acs/api/v1/users/alice", "alice"), 200)
		for _, path := range []string{
			"/acs/api/v1/users?consistency=stale", "/acs/api/v1/users/alice?consistency=Stale", "/acs/api/v1/users/alice?consistency=", "/acs/api/v1/users/alice?stale=1",
			"/acs/api/v1/users/alice?consistency=leader&consistency=stale",
		} {
			before := m.reads.Load()
			got := m.memory(path, "alice")
			expect(t, path, got, 200)
			if m.reads.Load() != before+1 || got.header.Get(headerConsistency) != "" {
				t.Errorf("%s was answered from a stale state", path)
			}
		}
	})
}

func TestLinearizableReadWaitsForWhatWasAcknowledged(t *testing.T) {
	b := newBed(t, 2)
	m := b.members[1]
	m.frozen.Store(b.log.state)
	index, err := b.log.submit("m0", 1, func(txn *state.Txn) error {
		txn.PutUser(clone(txn, "alice", "carol"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { m.frozen.Store(nil) })
	got := m.call("GET", "/acs/api/v1/users/carol", "alice", "")
	expect(t, "GET", got, 200)
	if want := "12"; got.header.Get(headerIndex) != want || index != 12 {
		t.Errorf("index %s, want %s", got.header.Get(headerIndex), want)
	}
}

func TestMasterThatDoesNotCatchUpSaysSo(t *testing.T) {
	b := newBed(t, 2)
	m := b.members[1]
	m.frozen.Store(state.New())
	got := m.call("GET", "/acs/api/v1/users/alice", "alice", "")
	if got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestTokensExpireByTheLeadersClock(t *testing.T) {
	b := newBed(t, 2)
	m := b.members[1]
	m.skew = 2 * time.Hour // the leader's clock is two hours ahead of this master's
	expect(t, "linearizable", m.call("GET", "/acs/api/v1/users/alice", "alice", ""), 401)
	expect(t, "stale", m.call("GET", staleAlice, "alice", ""), 401)
	expect(t, "before forwarding", m.call("PUT", "/acs/api/v1/users/bob", "alice", "{}"), 401)
}

func TestRevokedAndDeletedCallersAreRefusedEverywhere(t *testing.T) {
	b := newBed(t, 2)
	for i, change := range []func(*state.Txn) error{
		func(txn *state.Txn) error {
			txn.PutCutoff("alice", time.Now().Add(time.Second), time.Now().Add(time.Hour))
			return nil
		},
		func(txn *state.Txn) error { txn.DeleteUser("alice"); return nil },
	} {
		if _, err := b.log.submit("m0", 1, change); err != nil {
			t.Fatal(err)
		}
		for _, m := range b.members {
			for _, c := range [][3]string{{"GET", "/acs/api/v1/users/root", ""}, {"PUT", "/acs/api/v1/users/bob", "{}"}, {"GET", "/acs/api/v1/leaderread", ""}} {
				if got := m.call(c[0], c[1], "alice", c[2]); got.status != 401 || !strings.Contains(got.body, "Missing or invalid") {
					t.Errorf("change %d, %s %s on %s: got %d %s", i, c[0], c[1], m.id, got.status, got.body)
				}
			}
		}
	}
}
