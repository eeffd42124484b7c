package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// policyGroups is how many groups the users of policy-query are in; the resource is granted to the last of them.
const policyGroups = 10

// policyQuery asks whether a user may do something that one of the user's groups was granted. The path is that of the internal
// surface; on the listener of the API it needs a token, and the superuser's may ask about everybody.
func policyQuery(ctx context.Context, t target) (source, error) {
	s, err := newSetup(ctx, t)
	if err != nil {
		return nil, err
	}
	users, err := s.population(ctx)
	if err != nil {
		return nil, err
	}
	rid := "dcos:service:marathon:marathon:services:" + s.run
	if err := s.grant(ctx, users, rid); err != nil {
		return nil, err
	}
	return func(_ int, base *url.URL) generator {
		var ready [][]byte
		for _, uid := range users {
			query := url.Values{"uid": {uid}, "rid": {rid}, "action": {"read"}}
			ready = append(ready, request{method: "GET", path: "/acs/api/v1/internal/policyquery?" + query.Encode(), token: s.token}.append(nil, base))
		}
		return func(buf []byte, _ int) []byte { return append(buf, ready[rand.IntN(len(ready))]...) }
	}, nil
}

// grant puts the users into groups of their own, the last of which may read the resource.
func (s *setup) grant(ctx context.Context, users []string, rid string) error {
	changes := []any{map[string]any{"acl": map[string]any{"rid": rid}}}
	for i := range policyGroups {
		gid := fmt.Sprintf("%s-%d", s.run, i)
		changes = append(changes, map[string]any{"group": map[string]any{"gid": gid}})
		for _, uid := range users {
			changes = append(changes, map[string]any{"member": map[string]any{"gid": gid, "uid": uid}})
		}
		if i == policyGroups-1 {
			changes = append(changes, map[string]any{"grant": map[string]any{"rid": rid, "gid": gid, "actions": []string{"read"}}})
		}
	}
	_, err := s.client.Expect(ctx, http.StatusNoContent, rig.Request{Method: http.MethodPost, URL: s.api + "/gatehouse/v1/iam/apply",
		Token: s.token, Body: map[string]any{"changes": changes}})
	return err
}

func comparePolicy(ctx context.Context, l *lab) ([]result, error) {
	m, err := interleave(ctx, l.out, l.rounds, l.round, []side{
		l.gatehouseSide("policy query, follower", "policy-query", false, atFollower),
		l.gatehouseSide("GET user, stale, follower", "get-user", true, atFollower),
	})
	if err != nil {
		return nil, err
	}
	return []result{ratio("policy query through a follower / stale GET of a user", m["policy query, follower"], m["GET user, stale, follower"], 0.7)}, nil
}

// compareAudit starts a second cluster, which keeps no audit trail.
func compareAudit(ctx context.Context, l *lab) ([]result, error) {
	quiet := *l
	var err error
	if quiet.dev, err = rig.StartDev(ctx, l.dev.Binary, l.dir+"/quiet", "--audit-log", "off"); err != nil {
		return nil, err
	}
	defer quiet.dev.Close()
	m, err := interleave(ctx, l.out, l.rounds, l.round, []side{
		l.gatehouseSide("PUT user, audit", "put-service-account", false, atLeader),
		quiet.gatehouseSide("PUT user, no audit", "put-service-account", false, atLeader),
		l.gatehouseSide("policy query, audit", "policy-query", false, atFollower),
		quiet.gatehouseSide("policy query, no audit", "policy-query", false, atFollower),
	})
	if err != nil {
		return nil, err
	}
	return []result{
		ratio("PUT user with audit / without", m["PUT user, audit"], m["PUT user, no audit"], 0.85),
		ratio("policy query with audit / without", m["policy query, audit"], m["policy query, no audit"], 0.85),
	}, nil
}
