package cluster_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
	"gatehouse/fsm/fault"
)

// The two schedules here make raft.VerifyLeader confirm a leader that was already replaced. Each test shows both: that
// the schedule bites, and that the term echo in the same place gives nothing stale. Time is virtual.

// deposed is an old leader that still believes in itself while a new one has acknowledged a write.
type deposed struct {
	c         *clustertest.Cluster
	old       *clustertest.Member
	others    []*clustertest.Member // the two other voters
	spare     *clustertest.Flow     // a reply of a voter that is still held
	newIndex  uint64                // of the write that the new leader acknowledged
	earlyRead chan cluster.Read     // what a read got that began before the write
}

// leaseUsed is how long after the last renewal the lease of 400 ms is renewed again.
const leaseUsed = 380 * time.Millisecond

// depose holds the replies of both other voters and lets them come one by one, each renewing the old leader's lease,
// until a new leader, of which the old one cannot hear, has acknowledged a=new. It fails the test if that does not
// happen within a few tries: election time-outs are random. prepare may cut further links.
func depose(t *testing.T, c *clustertest.Cluster, prepare func(*deposed)) *deposed {
	t.Helper()
	for range 40 {
		if d := tryDepose(t, c, prepare); d != nil {
			return d
		}
		c.Heal()
		time.Sleep(2 * time.Second)
		c.WaitReady()
	}
	t.Fatal("no new leader came up within the old one's lease in 40 tries")
	return nil
}

func tryDepose(t *testing.T, c *clustertest.Cluster, prepare func(*deposed)) *deposed {
	t.Helper()
	d := &deposed{c: c, old: c.Leader(), earlyRead: make(chan cluster.Read, 1)}
	for _, m := range c.Members[:3] {
		if m != d.old {
			d.others = append(d.others, m)
		}
	}
	write(t, d.old, "a", "old")
	prepare(d)
	for _, m := range d.others { // so slow that Raft opens one connection for heartbeats and another for entries
		c.Net.Delay(m.Name, d.old.Name, 60*time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	for _, m := range d.others {
		c.Net.Delay(m.Name, d.old.Name, 0)
	}
	time.Sleep(200 * time.Millisecond)
	for range 2 { // leaves answers of this term behind, which must not count later
		read(t, d.old, "a")
	}
	renewed := time.Now()
	for _, m := range d.others {
		c.Net.Hold(m.Name, d.old.Name)
	}
	go d.readEarly()
	time.Sleep(150 * time.Millisecond) // heartbeats go every 50 to 100 ms: one reply of each kind is held now
	for _, m := range d.others {
		c.Net.Cut(d.old.Name, m.Name)
	}
	replies := append(d.heldReplies(d.others[0]), d.heldReplies(d.others[1])...)
	for !d.written(t) || time.Since(renewed) > leaseUsed/2 {
		if time.Since(renewed) >= leaseUsed || d.newIndex != 0 {
			if len(replies) < 2 {
				return nil
			}
			replies[0].Release()
			replies, renewed = replies[1:], time.Now()
		}
		time.Sleep(5 * time.Millisecond)
	}
	if len(replies) == 0 || d.old.Node.Status().State != cluster.StateLeader {
		return nil
	}
	d.spare = replies[len(replies)-1]
	return d
}

// readEarly asks for a read index while the replies are held; its questions are answered long before the answers come.
func (d *deposed) readEarly() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	r, _ := d.old.Node.ReadIndex(ctx)
	d.earlyRead <- r
}

func (d *deposed) heldReplies(from *clustertest.Member) []*clustertest.Flow {
	return slices.DeleteFunc(d.c.Net.Flows(from.Name, d.old.Name), func(f *clustertest.Flow) bool {
		return f.Purpose != "raft" || f.Dialled || f.Held() == 0 || f.Held() > 1000 // that would be a handshake
	})
}

// written writes through the new leader once there is one.
func (d *deposed) written(t *testing.T) bool {
	t.Helper()
	for _, m := range d.others {
		if m.Node.Status().State == cluster.StateLeader && d.newIndex == 0 {
			d.newIndex = write(t, m, "a", "new")
		}
	}
	return d.newIndex != 0
}

// check asserts that VerifyLeader, with release helping it, confirms the old leader, whose state is stale; and that
// read indexes asked for at the same moment do not.
func (d *deposed) check(t *testing.T, release func()) {
	t.Helper()
	if s := d.old.Node.Raft().State().String(); s != "Leader" {
		t.Fatalf("the old leader is %s already; the schedule is broken", s)
	}
	verified := make(chan error, 1)
	go func() { verified <- d.old.Node.Raft().VerifyLeader().Error() }()
	echoed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r, err := d.old.Node.ReadIndex(ctx)
		if err == nil && r.Index < d.newIndex {
			t.Errorf("stale read index: %d at the old leader, after a write was acknowledged at %d", r.Index, d.newIndex)
		}
		echoed <- err
	}()
	time.Sleep(time.Millisecond)
	release()
	if err := <-verified; err != nil {
		t.Errorf("VerifyLeader = %v; the schedule does not bite", err)
	}
	if got := d.old.Register().Get("a"); got != "old" {
		t.Errorf("the old leader's state has a = %q; the schedule does not bite", got)
	}
	if err := <-echoed; !fault.Is(err, fault.NoLeader) {
		t.Errorf("read index at the old leader: %v, want %s", err, fault.NoLeader)
	}
	for _, m := range d.others {
		if got := read(t, m, "a"); got != "new" {
			t.Errorf("a = %q on %s, want new", got, m.Name)
		}
	}
}

func TestReadIndexIgnoresOldRepliesThatVerifyLeaderCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := depose(t, clustertest.New(t, 3, clustertest.Options{Logger: logger()}), func(*deposed) {})
		d.check(t, func() {
			d.spare.Release()
			for _, m := range d.others { // the answers to the early read's questions, too
				for _, f := range d.c.Net.Flows(m.Name, d.old.Name) {
					if f.Purpose == "echo" {
						f.Release()
					}
				}
			}
		})
		if r := <-d.earlyRead; r.Index >= d.newIndex {
			t.Errorf("the read that began before the write got index %d, which the old leader cannot know", r.Index)
		}
	})
}

func TestReadIndexIgnoresNonVotersThatVerifyLeaderCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clustertest.New(t, 3, clustertest.Options{
			Later: 1, Logger: logger(), Configure: func(_ int, c *cluster.Config) { cluster.NeverPromote(c) },
		})
		c.Start(3)
		observer := c.Members[3]
		clustertest.Eventually(t, 10*time.Second, "the fourth master follows without a vote", func() bool {
			s := observer.Node.Status()
			return s.State == cluster.StateNonVoter && s.Servers == 4 && s.Voters == 3
		})
		d := depose(t, c, func(d *deposed) {
			for _, m := range d.others {
				c.Net.Cut(m.Name, observer.Name)
				c.Net.Cut(observer.Name, m.Name)
			}
		})
		d.check(t, func() {})
	})
}
