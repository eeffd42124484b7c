package cluster

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
)

// voter is a server of the tests that answers, or hangs.
type voter struct {
	answer atomic.Pointer[answer]
	asked  atomic.Int64
	hung   atomic.Bool
	addr   string
}

func (v *voter) own() answer {
	v.asked.Add(1)
	for v.hung.Load() {
		time.Sleep(time.Millisecond)
	}
	return *v.answer.Load()
}

func startVoter(t *testing.T, a answer) *voter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &voter{addr: l.Addr().String()}
	v.answer.Store(&a)
	t.Cleanup(func() { v.hung.Store(false); l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveEcho(conn, v.own)
		}
	}()
	return v
}

// startEcho asks the given servers on behalf of server "a", which answers own.
func startEcho(t *testing.T, own answer, others map[string]*voter) *echo {
	t.Helper()
	ids := []string{"a"}
	for id := range others {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	e := newEcho(echoConfig{
		self: "a", own: func() answer { return own },
		peers: func() ([]string, string) { return ids, "b" },
		dial: func(ctx context.Context, id string) (net.Conn, error) {
			if others[id] == nil {
				return nil, fmt.Errorf("unknown server %s", id)
			}
			return new(net.Dialer).DialContext(ctx, "tcp", others[id].addr)
		},
	})
	t.Cleanup(e.close)
	return e
}

func soon(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func follows(term uint64) answer { return answer{ready: true, term: term} }

func leading(term, index uint64, voters ...string) answer {
	return answer{ready: true, term: term, leader: true, index: index, clock: time.Unix(1, 0), voters: voters}
}

func TestRoundIsDecidedByAMajorityOfTheLeadersVotersInOneTerm(t *testing.T) {
	abc, abcde := []string{"a", "b", "c"}, []string{"a", "b", "c", "d", "e"}
	for _, test := range []struct {
		name   string
		own    answer
		others map[string]answer
		want   uint64 // 0: undecided
	}{
		{"leader and self", follows(5), map[string]answer{"b": leading(5, 9, abc...)}, 9},
		{"leader is self, one follower", leading(5, 9, abc...), map[string]answer{"c": follows(5)}, 9},
		{"leader is self, alone", leading(5, 9, abc...), nil, 0},
		{"leader is the only voter", leading(5, 9, "a"), nil, 9},
		{"nobody leads", follows(5), map[string]answer{"b": follows(5), "c": follows(5)}, 0},
		{"leader of another term than everybody else", follows(6), map[string]answer{"b": leading(5, 9, abc...), "c": follows(6)}, 0},
		{"old and new leader", follows(6), map[string]answer{"b": leading(5, 9, abc...), "c": leading(6, 12, abc...)}, 12},
		{"old leader with a non-voter in its term", leading(5, 9, abc...), map[string]answer{"n": follows(5), "b": follows(6)}, 0},
		{"asked by a non-voter", follows(5), map[string]answer{"b": leading(5, 9, "b", "c", "d")}, 0},
		{"asked by a non-voter, with a voter", follows(5), map[string]answer{"b": leading(5, 9, "b", "c", "d"), "c": follows(5)}, 9},
		{"two of five", follows(5), map[string]answer{"b": leading(5, 9, abcde...)}, 0},
		{"three of five, one ahead", follows(5), map[string]answer{"b": leading(5, 9, abcde...), "c": follows(7), "d": follows(5)}, 9},
		{"leader that is being removed does not count itself", follows(4), map[string]answer{"b": leading(5, 9, "a", "c", "d"), "c": follows(5)}, 0},
		{"leader that is being removed, with a majority", follows(5), map[string]answer{"b": leading(5, 9, "a", "c", "d"), "c": follows(5)}, 9},
		{"voter that does not run raft", follows(0), map[string]answer{"b": leading(5, 9, abc...), "c": {term: 5}}, 0},
		{"leader that does not run raft", follows(5), map[string]answer{"b": {term: 5, leader: true, index: 9, voters: abc}}, 0},
		{"even number", follows(5), map[string]answer{"b": leading(5, 9, "a", "b", "c", "d")}, 0},
	} {
		e := newEcho(echoConfig{self: "a", own: func() answer { return test.own }})
		r := &round{first: 3}
		for id, a := range test.others {
			l := e.link(id)
			l.number, l.answer = 3, a
		}
		if ok := e.decide(r); ok != (test.want != 0) || r.read.Index != test.want {
			t.Errorf("%s: decided %v at %d, want %d", test.name, ok, r.read.Index, test.want)
		}
		e.close()
	}
}

func TestAnswersToQuestionsFromBeforeTheRoundDoNotCount(t *testing.T) {
	e := newEcho(echoConfig{self: "a", own: func() answer { return follows(5) }})
	defer e.close()
	l := e.link("b")
	l.number, l.answer = 7, leading(5, 9, "a", "b", "c")
	if e.decide(&round{first: 8}) {
		t.Error("an answer to question 7 decided a round that began with question 8")
	}
	if !e.decide(&round{first: 7}) {
		t.Error("an answer to question 7 did not decide a round that began with it")
	}

	// The same for a follower's answer when this server leads.
	e.own = func() answer { return leading(5, 9, "a", "b", "c") }
	l.answer = follows(5)
	if e.decide(&round{first: 8}) {
		t.Error("a follower's answer to question 7 decided a round that began with question 8")
	}
	if !e.decide(&round{first: 7}) {
		t.Error("a follower's answer to question 7 did not decide a round that began with it")
	}
}

func TestReadIndexCarriesTheLeadersTermNameAndClock(t *testing.T) {
	e := startEcho(t, follows(5), map[string]*voter{"b": startVoter(t, leading(5, 9, "a", "b", "c")), "c": startVoter(t, follows(5))})
	got, err := e.read(soon(t, 5*time.Second))
	if want := (Read{Index: 9, Term: 5, Leader: "b", Time: time.Unix(1, 0)}); err != nil || !cmp.Equal(got, want) {
		t.Errorf("read = %+v, %v, want %+v", got, err, want)
	}
}

func TestHungVoterDelaysNoRound(t *testing.T) {
	b, c := startVoter(t, leading(5, 9, "a", "b", "c")), startVoter(t, follows(5))
	e := startEcho(t, follows(5), map[string]*voter{"b": b, "c": c})
	for _, hang := range []*voter{c, b} { // a follower; then the leader, in whose place another comes
		hang.hung.Store(true)
		if hang == b {
			next := leading(6, 12, "a", "b", "c")
			c.hung.Store(false)
			c.answer.Store(&next)
			e.own = func() answer { return follows(6) }
		}
		slowest := time.Duration(0)
		for range 200 {
			start := time.Now()
			if _, err := e.read(soon(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
			slowest = max(slowest, time.Since(start))
		}
		if slowest > 4*time.Second { // a round that waits for the hung one would take the whole 5 s
			t.Errorf("slowest of 200 reads took %v", slowest)
		}
	}
}

func TestReadersShareRounds(t *testing.T) {
	b := startVoter(t, leading(5, 9, "a", "b", "c"))
	e := startEcho(t, follows(5), map[string]*voter{"b": b, "c": startVoter(t, follows(5))})
	if _, err := e.read(soon(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	before := e.counts().Rounds
	b.hung.Store(true) // until everybody waits
	ctx := soon(t, 10*time.Second)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := e.read(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for e.counts().Reads < 101 {
		time.Sleep(time.Millisecond)
	}
	b.hung.Store(false)
	wg.Wait()
	if rounds := e.counts().Rounds - before; rounds != 2 {
		t.Errorf("100 readers took %d rounds, want 2: the first reader's, and one for all who came meanwhile", rounds)
	}
}

func TestReaderGetsNoLeaderAtItsDeadline(t *testing.T) {
	e := startEcho(t, follows(5), map[string]*voter{"b": startVoter(t, follows(5)), "c": startVoter(t, follows(5))})
	start := time.Now()
	_, err := e.read(soon(t, 100*time.Millisecond))
	if !fault.Is(err, fault.NoLeader) || time.Since(start) > 3*time.Second {
		t.Errorf("read = %v after %v, want %s at the deadline", err, time.Since(start), fault.NoLeader)
	}
	if e.counts().Abandoned != 1 {
		t.Error("the round went on without readers")
	}
}

func TestRoundIsDecidedOnceALeaderAppears(t *testing.T) {
	b := startVoter(t, follows(5))
	e := startEcho(t, follows(5), map[string]*voter{"b": b, "c": startVoter(t, follows(5))})
	go func() {
		for b.asked.Load() < 3 {
			time.Sleep(time.Millisecond)
		}
		a := leading(5, 9, "a", "b", "c")
		b.answer.Store(&a)
	}()
	if r, err := e.read(soon(t, 5*time.Second)); err != nil || r.Index != 9 {
		t.Errorf("read = %+v, %v", r, err)
	}
}

func TestEchoFramesSurviveTheWay(t *testing.T) {
	for _, want := range []answer{{}, follows(7), leading(1<<60, 1<<50, "a", "bb", "ccc"), leading(1, 2)} {
		b := appendAnswer(nil, 42, want)
		number, got, err := readAnswer(bufio.NewReader(bytes.NewReader(b)), make([]byte, maxEchoAnswer))
		if len(got.voters) == 0 {
			got.voters = nil
		}
		if err != nil || number != 42 || !cmp.Equal(got, want, cmp.AllowUnexported(answer{})) {
			t.Errorf("%+v came back as %d %+v, %v", want, number, got, err)
		}
	}
}

func FuzzEchoAnswer(f *testing.F) {
	f.Add(appendAnswer(nil, 1, leading(2, 3, "a", "b")))
	f.Add(appendAnswer(nil, 1, follows(2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		number, a, err := readAnswer(bufio.NewReader(bytes.NewReader(b)), make([]byte, maxEchoAnswer))
		if err != nil {
			return
		}
		again := appendAnswer(nil, number, a)
		if n, c, err := readAnswer(bufio.NewReader(bytes.NewReader(again)), make([]byte, maxEchoAnswer)); err != nil || n != number || c.term != a.term {
			t.Errorf("%x was read as %+v, which does not come back: %v", b, a, err)
		}
	})
}
