package main

import (
	"log/slog"
	"time"
)

const (
	// mostJump is how far the clock of a leader may be ahead of others, or jump, before nothing is destroyed by it any more.
	mostJump = time.Minute
	// jumpRest is for how long a clock that jumped ahead is not believed. By then other masters have been asked for theirs
	// many times, and whoever set it by mistake may have noticed.
	jumpRest = 10 * time.Minute
)

// clockGuard tells whether the clock of a leader may decide what is destroyed for good: one that is wrong for a second, by a
// week, would destroy what can be undeleted for a week. It belongs to one goroutine.
type clockGuard struct {
	wall func() time.Time
	// passed is the time since some moment by the monotonic clock, which nobody sets.
	passed func() time.Duration
	// ahead is how far the wall clock is ahead of most masters', and whether enough of them are known.
	ahead func() (time.Duration, bool)
	log   *slog.Logger

	began   time.Time     // what the wall clock showed when passed was zero, as far as it is believed
	jumped  time.Duration // when a jump was seen first, by passed
	jumping bool
	resting bool
}

// now is the time by the wall clock, and whether it may be believed. That it may not is logged once, until it may again.
func (g *clockGuard) now() (time.Time, bool) {
	wall := g.wall().Round(0)
	why := ""
	if ahead, known := g.ahead(); !known {
		return wall, false // for a moment, after a start
	} else if ahead > mostJump {
		why = "it is ahead of those of other masters"
	}
	if g.jump(wall) {
		why = "it jumped ahead"
	}
	if why != "" && !g.resting {
		g.log.Error("this master's clock is not to be trusted: no secrets are destroyed by it", "reason", why, "clock", wall)
	}
	g.resting = why != ""
	return wall, !g.resting
}

// jump reports whether the wall clock is further ahead than time can have brought it since it was believed.
func (g *clockGuard) jump(wall time.Time) bool {
	passed := g.passed()
	began := wall.Add(-passed)
	switch {
	case g.began.IsZero() || began.Sub(g.began) <= mostJump:
		g.began, g.jumping = began, false
	case !g.jumping:
		g.jumped, g.jumping = passed, true
	case passed-g.jumped >= jumpRest:
		g.began, g.jumping = began, false
	}
	return g.jumping
}
