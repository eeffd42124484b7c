package cli

import (
	"fmt"
	"time"
)

// relative says how far away a moment is, in its largest unit: "in 4 days", "3 minutes ago".
func relative(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := t.Sub(now).Round(time.Second)
	if d.Abs() > time.Hour {
		d = d.Round(time.Minute)
	}
	switch {
	case d == 0:
		return "now"
	case d < 0:
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

// span rounds towards zero, as clocks do.
func span(d time.Duration) string {
	for _, unit := range []struct {
		name string
		d    time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		switch n := int(d / unit.d); {
		case n == 1:
			return "1 " + unit.name
		case n > 1:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	if d == time.Second {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", int(d/time.Second))
}

// timestamp is RFC 3339 in UTC; no time is nothing.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// both is a timestamp and how far away it is.
func both(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return timestamp(t) + " (" + relative(t, now) + ")"
}
