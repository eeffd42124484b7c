package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// side is one of the things that are compared.
type side struct {
	name    string
	measure func(ctx context.Context, d time.Duration) (report, error)
}

// interleave measures all sides in turn, rounds times over after a short warm-up, so that whatever changes on the
// machine meanwhile meets them all alike. It answers each side's report of median rate.
func interleave(ctx context.Context, out io.Writer, rounds int, d time.Duration, sides []side) (map[string]report, error) {
	runs := map[string][]report{}
	for round := range rounds + 1 {
		for _, s := range sides {
			length := d
			if round == 0 {
				length = min(d, time.Second)
			}
			r, err := s.measure(ctx, length)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if round > 0 {
				runs[s.name] = append(runs[s.name], r)
				fmt.Fprintf(out, "  round %d  %-34s ", round, s.name)
				_ = r.print(out, false)
			}
		}
	}
	medians := map[string]report{}
	for name, reports := range runs {
		medians[name] = median(reports)
	}
	return medians, nil
}

func median(reports []report) report {
	sorted := slices.SortedFunc(slices.Values(reports), func(a, b report) int {
		switch {
		case a.Rate < b.Rate:
			return -1
		case a.Rate > b.Rate:
			return 1
		}
		return 0
	})
	return sorted[len(sorted)/2]
}
