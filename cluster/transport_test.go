package cluster

import (
	"io"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// inert is a machine that does nothing.
type inert struct{}

func (inert) Apply(*raft.Log) any                  { return nil }
func (inert) Restore(r io.ReadCloser) error        { return r.Close() }
func (inert) Snapshot() (raft.FSMSnapshot, error)  { return inert{}, nil }
func (inert) Persist(sink raft.SnapshotSink) error { return sink.Close() }
func (inert) Release()                             {}

// startFollower runs Raft as a follower of "leader" in term 7, behind a transport whose calls the test makes itself.
func startFollower(t *testing.T) (*transport, *raft.Raft) {
	t.Helper()
	s := newStream(newQueue(idAddr("self")), nil)
	tr := newTransport("self", s, newProgress(), time.Second, newRaftLogger(discard))
	store := raft.NewInmemStore()
	c := raft.DefaultConfig()
	c.LocalID, c.Logger = "self", newRaftLogger(discard)
	r, err := raft.NewRaft(c, inert{}, store, store, raft.NewInmemSnapshotStore(), tr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close(); r.Shutdown().Error() })
	tr.raft.Store(r)
	deliver(t, tr, beat("leader", 7))
	return tr, r
}

func beat(leader string, term uint64) *raft.AppendEntriesRequest {
	return &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte(leader), Addr: []byte(leader)}, Term: term}
}

// deliver hands a heartbeat to the fast path and returns the answer.
func deliver(t *testing.T, tr *transport, req *raft.AppendEntriesRequest) *raft.AppendEntriesResponse {
	t.Helper()
	answers := make(chan raft.RPCResponse, 1)
	tr.heartbeat(raft.RPC{Command: req, RespChan: answers})
	select {
	case a := <-answers:
		if a.Error != nil {
			t.Fatal(a.Error)
		}
		return a.Response.(*raft.AppendEntriesResponse)
	case <-time.After(5 * time.Second):
		t.Fatal("a heartbeat was not answered")
		return nil
	}
}

func TestHeartbeatOfTheKnownLeaderIsAnsweredAtOnce(t *testing.T) {
	tr, r := startFollower(t)
	if tr.quickAnswer(beat("leader", 7)) == nil {
		t.Error("a heartbeat that changes nothing waits for the main thread")
	}
	before := r.LastContact()
	if resp := deliver(t, tr, beat("leader", 7)); !resp.Success || resp.Term != 7 {
		t.Errorf("answer = %+v", resp)
	}
	for end := time.Now().Add(5 * time.Second); !r.LastContact().After(before); {
		if time.Now().After(end) {
			t.Fatal("the main thread was not told of the contact")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestHeartbeatThatChangesSomethingGoesThroughTheMainThread(t *testing.T) {
	tr, r := startFollower(t)
	for name, req := range map[string]*raft.AppendEntriesRequest{
		"newer term": beat("leader", 8), "older term": beat("leader", 6), "another leader": beat("other", 7), "nameless": beat("", 7),
	} {
		if tr.quickAnswer(req) != nil {
			t.Errorf("%s: answered beside the main thread", name)
		}
	}
	if resp := deliver(t, tr, beat("other", 9)); !resp.Success || resp.Term != 9 || r.CurrentTerm() != 9 {
		t.Errorf("answer = %+v, term = %d, want 9", resp, r.CurrentTerm())
	}
	if resp := deliver(t, tr, beat("leader", 8)); resp.Success || resp.Term != 9 || r.CurrentTerm() != 9 {
		t.Errorf("answer to an old leader = %+v, term = %d, want a refusal in 9", resp, r.CurrentTerm())
	}
}

func TestCallsAreCutToASizeThatFitsTheTimeout(t *testing.T) {
	entries := func(sizes ...int) (out []*raft.Log) {
		for _, n := range sizes {
			out = append(out, &raft.Log{Data: make([]byte, n)})
		}
		return out
	}
	for _, test := range []struct {
		sizes []int
		want  int
	}{
		{nil, 0}, {[]int{50}, 1}, {[]int{50, 50}, 2}, {[]int{50, 51}, 1}, {[]int{500, 1}, 1}, {[]int{10, 500, 1}, 1}, {[]int{0, 0, 100, 0}, 4},
	} {
		if got := len(cutEntries(entries(test.sizes...), 100)); got != test.want {
			t.Errorf("entries of %v bytes cut at 100: %d, want %d", test.sizes, got, test.want)
		}
	}
}
