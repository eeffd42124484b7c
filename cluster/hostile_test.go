package cluster_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
	"gatehouse/fsm/fault"
)

const testKeys = clustertest.Keys("clustertest")

// intruder connects to a member's peer port as it likes.
func intruder(t *testing.T, c *clustertest.Cluster, to *clustertest.Member, conf *tls.Config) (net.Conn, error) {
	t.Helper()
	ctx := within(t, 5*time.Second)
	raw, err := c.Net.Dialer("intruder")(ctx, to.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	if conf == nil {
		return raw, nil
	}
	conn := tls.Client(raw, conf)
	return conn, conn.HandshakeContext(ctx)
}

// forgedStream lets a raft.NetworkTransport speak through an intruder's connection.
type forgedStream struct {
	net.Listener
	dial func() (net.Conn, error)
}

func (s forgedStream) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) { return s.dial() }

// forge sends every kind of Raft call with a far higher term to a member and returns their errors.
func forge(t *testing.T, c *clustertest.Cluster, to *clustertest.Member, as, clusterID string) map[string]error {
	t.Helper()
	conf, err := cluster.PeerTLS(testKeys, as, clusterID, cluster.ProtoRaft)
	if err != nil {
		t.Fatal(err)
	}
	trans := raft.NewNetworkTransport(forgedStream{c.Net.Listen("forger"), func() (net.Conn, error) { return intruder(t, c, to, conf) }}, 1, 2*time.Second, io.Discard)
	defer trans.Close()
	const term = 1 << 40
	head := raft.RPCHeader{ProtocolVersion: 3, ID: []byte(as), Addr: []byte(as)}
	target := raft.ServerID(to.Node.ID())
	return map[string]error{
		"AppendEntries": trans.AppendEntries(target, "x", &raft.AppendEntriesRequest{RPCHeader: head, Term: term}, &raft.AppendEntriesResponse{}),
		"RequestVote":   trans.RequestVote(target, "x", &raft.RequestVoteRequest{RPCHeader: head, Term: term, LastLogIndex: term, LastLogTerm: term, LeadershipTransfer: true}, &raft.RequestVoteResponse{}),
		"TimeoutNow":    trans.TimeoutNow(target, "x", &raft.TimeoutNowRequest{RPCHeader: head}, &raft.TimeoutNowResponse{}),
		"InstallSnapshot": trans.InstallSnapshot(target, "x", &raft.InstallSnapshotRequest{RPCHeader: head, SnapshotVersion: 1, Term: term, LastLogIndex: 9, LastLogTerm: 9, Size: 3},
			&raft.InstallSnapshotResponse{}, strings.NewReader("abc")),
	}
}

func TestHostileC1StrangersAreClosedBeforeAnythingIsDecoded(t *testing.T) {
	synctest.Test(t, testHostileC1StrangersAreClosedBeforeAnythingIsDecoded)
}

func testHostileC1StrangersAreClosedBeforeAnythingIsDecoded(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	leader := c.Leader()
	term := leader.Node.Status().Term
	id := leader.Node.ClusterID()
	tlsOf := func(conf *tls.Config, err error) *tls.Config {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return conf
	}
	for name, conf := range map[string]*tls.Config{
		"no TLS":              nil,
		"no certificate":      {InsecureSkipVerify: true, NextProtos: []string{cluster.ProtoRaft}},
		"foreign key file":    tlsOf(cluster.PeerTLS(clustertest.Keys("foreign"), leader.Node.ID(), id, cluster.ProtoRaft)),
		"names nobody":        tlsOf(cluster.NamelessTLS(testKeys, cluster.ProtoRaft)),
		"foreign cluster":     tlsOf(cluster.PeerTLS(testKeys, leader.Node.ID(), "another-cluster", cluster.ProtoRaft)),
		"no cluster":          tlsOf(cluster.PeerTLS(testKeys, leader.Node.ID(), "", cluster.ProtoRaft)),
		"no cluster, echo":    tlsOf(cluster.PeerTLS(testKeys, leader.Node.ID(), "", cluster.ProtoEcho)),
		"unknown protocol":    tlsOf(cluster.PeerTLS(testKeys, leader.Node.ID(), id, "gatehouse-raft/9")),
		"unknown server":      tlsOf(cluster.PeerTLS(testKeys, "0123456789abcdef", id, cluster.ProtoRaft)),
		"unknown server echo": tlsOf(cluster.PeerTLS(testKeys, "0123456789abcdef", id, cluster.ProtoEcho)),
	} {
		conn, err := intruder(t, c, leader, conf)
		if err == nil {
			// A question in either protocol; with TLS 1.3 a client learns of its refusal only when it reads.
			_, err = conn.Write(append([]byte{1}, make([]byte, 64)...))
		}
		if err == nil {
			conn.SetReadDeadline(time.Now().Add(8 * time.Second))
			var n int
			if n, err = conn.Read(make([]byte, 64)); n > 0 && conf != nil {
				t.Errorf("%s: got %d bytes in answer", name, n)
			}
		}
		if err == nil && conf != nil || os.IsTimeout(err) {
			t.Errorf("%s: connection is not closed (%v)", name, err)
		}
	}
	if s := leader.Node.Status(); s.State != cluster.StateLeader || s.Term != term {
		t.Errorf("after the strangers: %s in term %d, want leader in term %d", s.State, s.Term, term)
	}
}

// Somebody without the key who holds connections open must not keep masters from reaching each other.
func TestStrangersCannotKeepMembersOut(t *testing.T) {
	synctest.Test(t, testStrangersCannotKeepMembersOut)
}

func testStrangersCannotKeepMembersOut(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	leader := c.Leader()
	var silent []net.Conn
	for range 200 { // more than there is room for
		conn, err := intruder(t, c, leader, nil)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, conn)
	}
	synctest.Wait()
	silent[0].SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := silent[0].Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the oldest of too many silent connections is still open (%v)", err)
	}
	follower := c.Followers()[0]
	conf, err := cluster.PeerTLS(testKeys, follower.Node.ID(), leader.Node.ClusterID(), cluster.ProtoEcho)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := intruder(t, c, leader, conf)
	if err != nil {
		t.Fatalf("a member cannot connect: %v", err)
	}
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write(append([]byte{1}, make([]byte, 8)...)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 64)); err != nil {
		t.Errorf("a member gets no answer: %v", err)
	}
}

func TestHostileC2RaftCallsOfServersOutsideTheConfigurationAreRefused(t *testing.T) {
	synctest.Test(t, testHostileC2RaftCallsOfServersOutsideTheConfigurationAreRefused)
}

func testHostileC2RaftCallsOfServersOutsideTheConfigurationAreRefused(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	leader := c.Leader()
	term := leader.Node.Status().Term
	for _, m := range c.Members {
		for call, err := range forge(t, c, m, "fedcba9876543210", leader.Node.ClusterID()) {
			if err == nil {
				t.Errorf("forged %s to %s was answered", call, m.Name)
			}
		}
	}
	for _, m := range c.Members {
		if got := m.Node.Raft().CurrentTerm(); got != term {
			t.Errorf("term of %s = %d after forged calls, want %d", m.Name, got, term)
		}
	}
	write(t, leader, "a", "1")

	// The same calls under a member's name arrive, so that the refusals above are not for another reason.
	forge(t, c, leader, c.Followers()[0].Node.ID(), leader.Node.ClusterID())
	if got := leader.Node.Raft().CurrentTerm(); got < 1<<40 {
		t.Errorf("term = %d after calls under a member's name; the forgery does not bite", got)
	}
}

// call posts JSON to a member as a peer with the given id and returns status and body.
func call(t *testing.T, c *clustertest.Cluster, to *clustertest.Member, as, clusterID, path string, body any) (int, string) {
	t.Helper()
	conf, err := cluster.PeerTLS(testKeys, as, clusterID, cluster.ProtoHTTP)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{Protocols: new(http.Protocols), DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return intruder(t, c, to, conf) }}
	tr.Protocols.SetHTTP2(true)
	defer tr.CloseIdleConnections()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(within(t, 10*time.Second), "POST", "https://peer"+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ = io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func suffrages(m *clustertest.Member) map[string]raft.ServerSuffrage {
	out := map[string]raft.ServerSuffrage{}
	for _, s := range m.Node.Raft().GetConfiguration().Configuration().Servers {
		out[string(s.ID)] = s.Suffrage
	}
	return out
}

func TestHostileC4WhoJoinsGetsNoVoteAndCannotSpeakForAnother(t *testing.T) {
	synctest.Test(t, testHostileC4WhoJoinsGetsNoVoteAndCannotSpeakForAnother)
}

func testHostileC4WhoJoinsGetsNoVoteAndCannotSpeakForAnother(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	leader, victim := c.Leader(), c.Followers()[0].Node.ID()
	id := leader.Node.ClusterID()
	body := map[string]any{"id": victim, "server": victim, "voter": true, "suffrage": "voter", "peer": "intruder:1", "max_level": 9}
	if status, text := call(t, c, leader, "00000000000000aa", id, "/peer/v1/join", body); status != 200 {
		t.Fatalf("join: %d %s", status, text)
	}
	got := suffrages(leader)
	if s, ok := got["00000000000000aa"]; len(got) != 4 || !ok || s != raft.Nonvoter {
		t.Errorf("configuration after the join: %v, want the three voters and the newcomer without a vote", got)
	}
	if got[victim] != raft.Voter {
		t.Error("the named server lost its vote")
	}
	if status, text := call(t, c, leader, victim, id, "/peer/v1/join", body); status != http.StatusConflict {
		t.Errorf("join under the id of a voter: %d %s, want 409", status, text)
	}
	if status, text := call(t, c, leader, "00000000000000bb", "", "/peer/v1/join", body); status != http.StatusForbidden {
		t.Errorf("join without a cluster: %d %s, want 403", status, text)
	}
	write(t, leader, "a", "1")
}

func TestHostileC3JoinStormIsBounded(t *testing.T) { synctest.Test(t, testHostileC3JoinStormIsBounded) }

func testHostileC3JoinStormIsBounded(t *testing.T) {
	c := clustertest.New(t, 1, clustertest.Options{Logger: logger()})
	leader := c.Leader()
	status := make(chan int)
	const storm = 60
	for i := range storm {
		go func() {
			s, _ := call(t, c, leader, fmt.Sprintf("00000000000000%02d", i), leader.Node.ClusterID(), "/peer/v1/join", map[string]any{"max_level": 1})
			status <- s
		}()
	}
	count := map[int]int{}
	for range storm {
		count[<-status]++
	}
	if count[200]+count[http.StatusTooManyRequests]+count[http.StatusConflict] != storm || count[200] == 0 {
		t.Errorf("answers by status: %v, want only 200, 409 and 429", count)
	}
	status2, text := call(t, c, leader, "0000000000000099", leader.Node.ClusterID(), "/peer/v1/join", strings.Repeat("x", 200<<10))
	if status2 != http.StatusBadRequest {
		t.Errorf("huge join: %d %s, want 400", status2, text)
	}
}

func TestHostileC5DataOfAnotherClusterDoesNotMix(t *testing.T) {
	synctest.Test(t, testHostileC5DataOfAnotherClusterDoesNotMix)
}

func testHostileC5DataOfAnotherClusterDoesNotMix(t *testing.T) {
	foreign := clustertest.New(t, 1, clustertest.Options{Logger: logger()})
	write(t, foreign.Leader(), "a", "foreign")
	foreignID := foreign.Leader().Node.ClusterID()
	foreign.Stop(0)

	c := clustertest.New(t, 3, clustertest.Options{Later: 1, Logger: logger()})
	leader := c.Leader()
	write(t, leader, "a", "ours")
	c.Members[3].Dir = foreign.Members[0].Dir
	c.Start(3)
	stranger := c.Members[3]
	clustertest.Eventually(t, 10*time.Second, "the stranger runs", func() bool { return stranger.Node.Status().State == cluster.StateLeader })
	for range 3 { // rounds of hellos
		time.Sleep(300 * time.Millisecond)
	}
	if got := stranger.Node.ClusterID(); got != foreignID {
		t.Errorf("cluster id of the stranger became %s", got)
	}
	if got := suffrages(leader); len(got) != 3 {
		t.Errorf("configuration = %v, want three servers", got)
	}
	if got := stranger.Register().Get("a"); got != "foreign" {
		t.Errorf("the stranger's state was replaced: a = %q", got)
	}
	for call, err := range forge(t, c, leader, c.Members[0].Node.ID(), foreignID) {
		if err == nil {
			t.Errorf("%s with a certificate of the other cluster was answered", call)
		}
	}
}

func TestHostileC10OnlyOneOfTwoLeadersCommits(t *testing.T) {
	synctest.Test(t, testHostileC10OnlyOneOfTwoLeadersCommits)
}

func testHostileC10OnlyOneOfTwoLeadersCommits(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	old := c.Leader()
	write(t, old, "a", "0")
	c.Isolate(old)
	lost := make(chan error, 1)
	ctx := within(t, 3*time.Second)
	go func() {
		_, _, err := old.Node.Apply(ctx, clustertest.Set("a", "lost"))
		lost <- err
	}()
	var next *clustertest.Member
	clustertest.Eventually(t, 10*time.Second, "another leader", func() bool {
		for _, m := range c.Members {
			if m != old && m.Node.Status().State == cluster.StateLeader {
				next = m
			}
		}
		return next != nil
	})
	write(t, next, "a", "1")
	if err := <-lost; !fault.Is(err, fault.OutcomeUnknown) {
		t.Errorf("write on the isolated leader: %v, want %s", err, fault.OutcomeUnknown)
	}
	if r, err := old.Node.ReadIndex(within(t, 300*time.Millisecond)); !fault.Is(err, fault.NoLeader) {
		t.Errorf("read index on the isolated leader = %+v, %v", r, err)
	}
	c.Heal()
	c.WaitReady()
	for _, m := range c.Members {
		if got := read(t, m, "a"); got != "1" {
			t.Errorf("a = %q on %s, want 1", got, m.Name)
		}
	}
}

func TestHostileC11AMinorityRefusesReadsAndWrites(t *testing.T) {
	synctest.Test(t, testHostileC11AMinorityRefusesReadsAndWrites)
}

func testHostileC11AMinorityRefusesReadsAndWrites(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	write(t, c.Leader(), "a", "1")
	f := c.Followers()
	c.Kill(f[0].Index)
	c.Kill(f[1].Index)
	last := c.Members[3-f[0].Index-f[1].Index]
	clustertest.Eventually(t, 5*time.Second, "the last master knows that it has no leader", func() bool {
		s := last.Node.Status()
		return s.Leader == "" && !s.LeaderlessSince.IsZero() && s.State == cluster.StateFollower
	})
	if _, err := last.Node.ReadIndex(within(t, 300*time.Millisecond)); !fault.Is(err, fault.NoLeader) {
		t.Errorf("read index: %v, want %s", err, fault.NoLeader)
	}
	if _, _, err := last.Node.Apply(within(t, 300*time.Millisecond), clustertest.Set("a", "2")); !fault.Is(err, fault.NoLeader) {
		t.Errorf("apply: %v, want %s", err, fault.NoLeader)
	}
	if _, _, err := last.Node.WaitLeader(within(t, 300*time.Millisecond)); !fault.Is(err, fault.NoLeader) {
		t.Errorf("wait for leader: %v, want %s", err, fault.NoLeader)
	}
}

func TestHostileC21VoterWithoutItsDataDoesNotComeBackUnderItsID(t *testing.T) {
	synctest.Test(t, testHostileC21VoterWithoutItsDataDoesNotComeBackUnderItsID)
}

func testHostileC21VoterWithoutItsDataDoesNotComeBackUnderItsID(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	write(t, c.Leader(), "a", "1")
	victim := c.Followers()[0]
	id := victim.Node.ID()
	c.Kill(victim.Index)

	// The store alone is gone.
	moved := filepath.Join(victim.Dir, "raft.db")
	if err := os.Rename(moved, moved+".away"); err != nil {
		t.Fatal(err)
	}
	if err := c.TryStart(victim.Index); err == nil || !strings.Contains(err.Error(), "raft.db") {
		t.Fatalf("start without log and votes: %v, want a refusal that names the file", err)
	}

	// The identity is put into an empty directory, as that of a master that never had stores.
	planted := filepath.Join(t.TempDir(), "planted")
	cluster.PlantIdentity(t, victim.Dir, planted)
	victim.Dir = planted
	c.Start(victim.Index)
	if err := c.Result(victim.Index, 10*time.Second); err == nil || !strings.Contains(err.Error(), id) {
		t.Errorf("planted identity: ended with %v, want a refusal that names the server", err)
	}

	// Everything is gone.
	victim.Dir = filepath.Join(t.TempDir(), "new")
	c.Start(victim.Index)
	if victim.Node.ID() == id {
		t.Fatal("an empty directory got the old id")
	}
	clustertest.Eventually(t, 10*time.Second, "the newcomer has a vote", func() bool {
		return victim.Node.Status().State == cluster.StateFollower
	})
	if got := suffrages(c.Leader()); len(got) != 4 || got[id] != raft.Voter {
		t.Errorf("configuration = %v, want the old server still in it: nobody is removed automatically", got)
	}
}

func TestHostileC22OldImageOfAMasterIsRefused(t *testing.T) {
	synctest.Test(t, testHostileC22OldImageOfAMasterIsRefused)
}

func testHostileC22OldImageOfAMasterIsRefused(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	victim := c.Followers()[0]
	c.Stop(victim.Index)
	image := filepath.Join(t.TempDir(), "image")
	if err := os.CopyFS(image, os.DirFS(victim.Dir)); err != nil {
		t.Fatal(err)
	}
	c.Start(victim.Index)
	c.WaitReady()
	for i := range 20 {
		write(t, c.Leader(), "a", fmt.Sprint(i))
	}
	read(t, victim, "a")
	c.Kill(victim.Index)
	victim.Dir = image
	for _, err := range []error{os.Chmod(image, 0o700), os.Chmod(filepath.Join(image, "node.json"), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Start(victim.Index)
	err := c.Result(victim.Index, 10*time.Second)
	if err == nil || !strings.Contains(err.Error(), "older than what this server has already told others") {
		t.Errorf("a master restored from an old image ended with %v", err)
	}
}
