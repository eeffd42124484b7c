package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// nemesis brings one fault after the other over the cluster and mends each before the next.
type nemesis struct {
	cluster *rig.Cluster
	random  *rand.Rand
	log     func(format string, args ...any)
	crash   func(format string, args ...any) // told of masters that ended although nobody killed them
	faults  int
}

// fault is something bad that happens to a victim. mend undoes it; whether it is undone before the next fault is not
// left to luck.
type fault struct {
	name     string
	follower bool // the victim is a follower, not the leader
	inflict  func(*rig.Cluster, *rig.Master) error
	mend     func(*rig.Cluster, *rig.Master) error
}

// faults come in this order, again and again: the first three are those that a run of any length must see.
var faults = []fault{
	{"kill the leader", false, kill, restart},
	{"cut off the leader", false, isolate, heal},
	{"freeze the leader", false, freeze, thaw},
	{"kill a follower", true, kill, restart},
	{"deafen the leader", false, deafen, heal},
	{"cut off a follower", true, isolate, heal},
	{"gag the leader", false, gag, heal},
	{"kill all", false, killAll, restartAll},
	{"freeze a follower", true, freeze, thaw},
}

// The rhythm: long enough for an election and its aftermath within the fault, and after it.
const (
	faultLasts = 2500 * time.Millisecond
	calmLasts  = 1500 * time.Millisecond
)

// run inflicts faults until ctx ends, and leaves the cluster mended.
func (n *nemesis) run(ctx context.Context) error {
	for i := 0; ctx.Err() == nil; i++ {
		if err := n.once(ctx, faults[i%len(faults)]); err != nil {
			return fmt.Errorf("%s: %w", faults[i%len(faults)].name, err)
		}
		_ = rig.Pause(ctx, calmLasts)
	}
	return nil
}

func (n *nemesis) once(ctx context.Context, f fault) error {
	victim := n.victim(ctx, f.follower)
	if ctx.Err() != nil {
		return nil
	}
	for _, m := range n.cluster.Running() {
		if err := m.Ended(); err != nil {
			n.crash("%v", err)
		}
	}
	n.log("%s (%s)", f.name, victim.Name)
	if err := f.inflict(n.cluster, victim); err != nil {
		return errors.Join(err, f.mend(n.cluster, victim))
	}
	n.faults++
	_ = rig.Pause(ctx, faultLasts)
	if err := f.mend(n.cluster, victim); err != nil {
		return fmt.Errorf("mend: %w", err)
	}
	n.log("mended")
	return nil
}

// victim is the leader or any follower; if nobody can tell who leads, anyone.
func (n *nemesis) victim(ctx context.Context, follower bool) *rig.Master {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	candidates := n.cluster.Running()
	if leader, err := n.cluster.Leader(ctx); err == nil {
		if !follower {
			return leader
		}
		candidates = n.cluster.Followers(leader)
	}
	return candidates[n.random.IntN(len(candidates))]
}

func kill(_ *rig.Cluster, m *rig.Master) error { return m.Kill() }

func restart(_ *rig.Cluster, m *rig.Master) error { return m.Start() }

func freeze(_ *rig.Cluster, m *rig.Master) error { return m.Freeze() }

func thaw(_ *rig.Cluster, m *rig.Master) error { return m.Thaw() }

func isolate(c *rig.Cluster, m *rig.Master) error {
	c.Links.Isolate(m.Name, c.Names()...)
	return nil
}

// deafen lets the victim speak but not hear.
func deafen(c *rig.Cluster, m *rig.Master) error {
	for _, other := range c.Followers(m) {
		c.Links.Cut(other.Name, m.Name)
	}
	return nil
}

// gag lets the victim hear but not speak.
func gag(c *rig.Cluster, m *rig.Master) error {
	for _, other := range c.Followers(m) {
		c.Links.Cut(m.Name, other.Name)
	}
	return nil
}

func heal(c *rig.Cluster, _ *rig.Master) error {
	c.Links.Heal()
	return nil
}

func killAll(c *rig.Cluster, _ *rig.Master) error {
	var all error
	for _, m := range c.Masters {
		all = errors.Join(all, m.Kill())
	}
	return all
}

func restartAll(c *rig.Cluster, _ *rig.Master) error {
	var all error
	for _, m := range c.Masters {
		all = errors.Join(all, m.Start())
	}
	return all
}
