package main

import (
	"testing"
	"time"
)

func TestAFailingSynchronisationIsTriedLessAndLess(t *testing.T) {
	for failures, want := range []time.Duration{30 * time.Minute, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
		if got := nextSync(30*time.Minute, failures); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
	if got := nextSync(time.Second, 1); got != time.Second {
		t.Errorf("%v, want the interval, which is shorter", got)
	}
}
