package cluster_test

import (
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
	"gatehouse/keyring"
)

// keyFiles are the files that masters have while the key is changed from old to new.
type keyFiles struct {
	old, both, dropped *keyring.Ring
	newID              string
	primary            atomic.Pointer[string] // the replicated fact
}

func newKeyFiles(t *testing.T) *keyFiles {
	t.Helper()
	f := &keyFiles{}
	none := ""
	f.primary.Store(&none)
	follow := func(r *keyring.Ring, err error) *keyring.Ring {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r.Following(func() string { return *f.primary.Load() })
	}
	f.old = follow(keyring.Generate())
	both, id, err := f.old.AddKey()
	f.both, f.newID = follow(both, err), id
	rotated, err := both.WithPrimary(id)
	if err != nil {
		t.Fatal(err)
	}
	f.dropped = follow(rotated.WithoutKey(f.old.PrimaryID()))
	return f
}

func TestTheClusterKeyChangesOneMasterAfterTheOther(t *testing.T) {
	synctest.Test(t, testKeyChange)
}

func testKeyChange(t *testing.T) {
	files := newKeyFiles(t)
	rings := []*keyring.Ring{files.old, files.old, files.old, files.old, files.dropped}
	var said lines
	c := clustertest.New(t, 3, clustertest.Options{
		Later: 2, Logger: slog.New(slog.NewTextHandler(&said, nil)), Configure: func(i int, cfg *cluster.Config) {
			cfg.Keys, cfg.KeyIDs, cfg.PrimaryKey = rings[i], rings[i].KeyIDs(), func() string { return *files.primary.Load() }
		},
	})
	write(t, c.Leader(), "a", "1")
	holders := func() (n int) {
		for _, m := range c.Leader().Node.AskMasters(within(t, 5*time.Second)) {
			if m.State != cluster.StateUnreachable && slices.Contains(m.KeyIDs, files.newID) {
				n++
			}
		}
		return n
	}
	for i := range 3 {
		if n := holders(); n != i {
			t.Errorf("%d masters tell that they have the new key, want %d", n, i)
		}
		c.Stop(i)
		rings[i] = files.both
		c.Start(i)
		c.WaitReady()
		write(t, c.Leader(), "a", "2")
		readEverywhere(t, c, "2")
	}
	if n := holders(); n != 3 {
		t.Fatalf("%d masters tell that they have the new key, want 3", n)
	}
	files.primary.Store(&files.newID)
	write(t, c.Leader(), "a", "3")
	for i := range 3 { // what is on disk is sealed by both keys
		c.Kill(i)
		c.Start(i)
		c.WaitReady()
		readEverywhere(t, c, "3")
	}

	c.Start(3) // a newcomer with a file from before
	clustertest.Eventually(t, 10*time.Second, "the newcomer is told why it cannot join", func() bool {
		return slices.ContainsFunc(said.all(), func(l string) bool { return strings.Contains(l, "its key file lacks the key "+files.newID) })
	})
	if n := c.Leader().Node.Status().Servers; n != 3 {
		t.Errorf("%d servers after a newcomer without the new key, want 3", n)
	}
	c.Start(4) // one whose file does not have the old key any more
	clustertest.Eventually(t, 15*time.Second, "the newcomer without the old key votes", func() bool { return c.Leader().Node.Status().Voters == 4 })
	if got := read(t, c.Members[4], "a"); got != "3" {
		t.Errorf("a = %q without the old key, want 3", got)
	}
}
