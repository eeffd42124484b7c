package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/fsm/state"
)

// stranded is a master that allows logins without a quorum for so long, in a cluster that somebody else leads.
func stranded(t *testing.T, limit time.Duration) (*bed, *testMaster) {
	b := offline(t, 1)
	m := b.newMember("m1", []func(*Options){func(o *Options) { o.LoginMaxStale, o.LeaderWait = limit, 5*time.Second }})
	b.members = append(b.members, m)
	return b, m
}

// memoryLogin posts a login without a network.
func (m *testMaster) memoryLogin() answer {
	r := httptest.NewRequest(http.MethodPost, "/acs/api/v1/auth/login", strings.NewReader(`{"uid":"alice"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.server.Public(KindIAM).ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.String(), false}
}

func TestLoginsWithoutAQuorumAreAnsweredAsLongAsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := stranded(t, 5*time.Minute)
		confirmed := time.Now()
		expect(t, "with a quorum", m.memoryLogin(), 200)
		<-m.seen
		b.log.lead("")
		for _, c := range []struct {
			after time.Duration // since the quorum was lost
			took  time.Duration
			stale bool
		}{
			{time.Minute, loginPatience, true},
			{5*time.Minute - loginPatience, loginPatience, true},
			{5*time.Minute - time.Second, 5 * time.Second, false}, // grows too old while it waits
			{time.Hour, 5 * time.Second, false},
		} {
			time.Sleep(time.Until(confirmed.Add(c.after)))
			asked := time.Now()
			got := m.memoryLogin()
			if took := time.Since(asked); took != c.took && c.after != 5*time.Minute-time.Second {
				t.Errorf("after %v: answered in %v, want %v", c.after, took, c.took)
			}
			if !c.stale {
				expect(t, c.after.String(), got, 503)
				continue
			}
			expect(t, c.after.String(), got, 200)
			r := <-m.seen
			if got.header.Get(headerConsistency) != "stale" || !r.Stale || r.Lead || r.Term != 0 {
				t.Errorf("after %v: header %v, stale %v, lead %v, term %d", c.after, got.header, r.Stale, r.Lead, r.Term)
			}
			if !r.AsOf.Equal(confirmed) || !r.Time.Equal(time.Now()) {
				t.Errorf("after %v: as of %v at %v, want %v at %v", c.after, r.AsOf, r.Time, confirmed, time.Now())
			}
		}
	})
}

func TestOnlyLoginsDoWithoutAQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := stranded(t, 5*time.Minute)
		expect(t, "login with a quorum", m.memoryLogin(), 200)
		b.log.lead("")
		time.Sleep(time.Minute)
		expect(t, "GET", m.memory("/acs/api/v1/users/alice", "alice"), 503)
		expect(t, "stale GET", m.memory(staleAlice, "alice"), 503)
		expect(t, "login", m.memoryLogin(), 200)
	})
}

func TestLoginsWithoutAQuorumAreOffByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := stranded(t, 0)
		expect(t, "login with a quorum", m.memoryLogin(), 200)
		b.log.lead("")
		expect(t, "login", m.memoryLogin(), 503)
	})
}

// A master that never heard from a quorum knows nothing about the age of its state, and one that is behind knows that it is.
func TestLoginsNeedAStateOfKnownAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := stranded(t, 5*time.Minute)
		b.log.lead("")
		expect(t, "login on a master that has just started", m.memoryLogin(), 503)
		b.log.lead("m0")
		expect(t, "login with a quorum", m.memoryLogin(), 200)
		m.frozen.Store(state.New())
		expect(t, "login on a master that does not catch up", m.memoryLogin(), 503)
	})
}

func TestLoginsOutlastAnElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := stranded(t, 5*time.Minute)
		expect(t, "login with a quorum", m.memoryLogin(), 200)
		b.log.lead("")
		time.AfterFunc(1500*time.Millisecond, func() { b.log.lead("m0") })
		got := m.memoryLogin()
		expect(t, "login during an election", got, 200)
		if got.header.Get(headerConsistency) != "" {
			t.Error("the login did not wait for the next leader")
		}
	})
}

func TestIdleMasterKnowsHowFreshItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := stranded(t, time.Minute)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go m.server.KeepFresh(ctx)
		time.Sleep(time.Hour)
		b.log.lead("")
		time.Sleep(50 * time.Second)
		expect(t, "login on a master that nobody had asked", m.memoryLogin(), 200)
	})
}

func TestKeepFreshEndsWhereNothingNeedsIt(t *testing.T) {
	_, m := stranded(t, 0)
	if err := m.server.KeepFresh(context.Background()); err != nil {
		t.Error(err)
	}
}

// The leader of an escalated request learns that its refusal is nobody's answer.
func TestLeaderKnowsOfAFallback(t *testing.T) {
	b := newBed(t, 2)
	for uid, backed := range map[string]bool{"rehash": true, "create": false} {
		expect(t, uid, b.members[1].call("POST", "/acs/api/v1/auth/login", "", `{"uid":"`+uid+`"}`, "X-Gatehouse-Backed: 1"), 200)
		if r := <-b.members[0].seen; r.Backed != backed || !r.Lead {
			t.Errorf("%s: backed %v on the leader, want %v", uid, r.Backed, backed)
		}
		if r := <-b.members[1].seen; r.Backed {
			t.Errorf("%s: a client could claim to have an answer", uid)
		}
	}
}
