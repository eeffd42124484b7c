package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is the outcome of one job. Latencies are of successful requests, in milliseconds.
type report struct {
	Connections int            `json:"connections"`
	Seconds     float64        `json:"seconds"`
	OK          int            `json:"ok"`
	Rate        float64        `json:"rate"` // successful requests per second
	P50         float64        `json:"p50_ms"`
	P99         float64        `json:"p99_ms"`
	Max         float64        `json:"max_ms"`
	Failures    map[string]int `json:"failures"`
}

func newReport(tallies []tally, connections int, took time.Duration) report {
	all := merge(tallies)
	return report{
		Connections: connections,
		Seconds:     took.Seconds(),
		OK:          len(all.latencies),
		Rate:        float64(len(all.latencies)) / took.Seconds(),
		P50:         milliseconds(percentile(all.latencies, 50)),
		P99:         milliseconds(percentile(all.latencies, 99)),
		Max:         milliseconds(percentile(all.latencies, 100)),
		Failures:    all.failures,
	}
}

// percentile is the smallest value that p percent of the sorted values do not exceed (nearest rank).
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (r report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%d connections, %.1f s: %.0f/s, p50 %.2f ms, p99 %.2f ms, max %.2f ms; %s\n",
		r.Connections, r.Seconds, r.Rate, r.P50, r.P99, r.Max, r.failures())
	return err
}

func (r report) failures() string {
	if len(r.Failures) == 0 {
		return "no failures"
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(r.Failures)) {
		parts = append(parts, fmt.Sprintf("%s ×%d", kind, r.Failures[kind]))
	}
	return "failures: " + strings.Join(parts, ", ")
}
