package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// termMetric is the Raft term of a master in its /metrics.
var termMetric = regexp.MustCompile(`(?m)^gatehouse_raft_term(?:\{[^}]*\})? (\S+)$`)

// storm saturates every master with password logins: hashing must not starve Raft, so the term may not change.
func storm(ctx context.Context, l *lab) ([]result, error) {
	urls, err := l.all()
	if err != nil {
		return nil, err
	}
	before, err := highestTerm(ctx, l.client, l.dev.APIs())
	if err != nil {
		return nil, err
	}
	r, err := measure(ctx, "password-login", l.target(urls...), l.connections, l.storm)
	if err != nil {
		return nil, err
	}
	_ = r.print(l.out, false)
	after, err := highestTerm(ctx, l.client, l.dev.APIs())
	if err != nil {
		return nil, err
	}
	return []result{{
		Promise: fmt.Sprintf("no election during %v of password logins", l.storm),
		Figure:  fmt.Sprintf("%d elections, %.0f logins/s", after-before, r.Rate),
		Against: fmt.Sprintf("term %d", before),
		Goal:    "0",
		Reached: after == before && r.OK > 0,
	}}, nil
}

// highestTerm is the highest Raft term that any master reports.
func highestTerm(ctx context.Context, client *rig.Client, apis []string) (uint64, error) {
	var highest uint64
	for _, api := range apis {
		answer, err := client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: api + "/metrics"})
		if err != nil {
			return 0, err
		}
		found := termMetric.FindSubmatch(answer.Body)
		if found == nil {
			return 0, fmt.Errorf("%s/metrics has no Raft term", api)
		}
		term, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			return 0, fmt.Errorf("%s/metrics: Raft term: %w", api, err)
		}
		highest = max(highest, uint64(term))
	}
	return highest, nil
}
