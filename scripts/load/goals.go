package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// result is one line of the comparison: a figure beside its goal.
type result struct {
	Promise string `json:"promise"`
	Figure  string `json:"figure"`
	Against string `json:"against"`
	Goal    string `json:"goal"`
	Reached bool   `json:"reached"`
}

// ratio is the result of a rate that must be at least factor times another.
func ratio(promise string, got, against report, factor float64) result {
	share := got.Rate / against.Rate
	return result{
		Promise: promise,
		Figure:  fmt.Sprintf("%.0f/s (p99 %.1f ms)", got.Rate, got.P99),
		Against: fmt.Sprintf("%.0f/s", against.Rate),
		Goal:    fmt.Sprintf("%.2f of it, at least %.2f", share, factor),
		Reached: share >= factor,
	}
}

// atMost is the result of a figure that must not exceed its limit.
func atMost(promise string, got, limit float64, unit string) result {
	return result{
		Promise: promise,
		Figure:  fmt.Sprintf("%.1f %s", got, unit),
		Goal:    fmt.Sprintf("at most %g %s", limit, unit),
		Reached: got <= limit,
	}
}

// printResults writes the table; it answers whether every goal is reached.
func printResults(w io.Writer, results []result) bool {
	all := true
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\npromise\tfigure\tagainst\tgoal\t")
	for _, r := range results {
		verdict := "reached"
		if !r.Reached {
			verdict, all = "MISSED", false
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.Promise, r.Figure, r.Against, r.Goal, verdict)
	}
	_ = table.Flush()
	return all
}
