package main

import (
	"context"
	"net/url"
	"runtime"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// gatehouseSide measures a scenario against the dev cluster; where chooses the master at the start of every round.
func (l *lab) gatehouseSide(name, scenario string, stale bool, where func(leader, follower *url.URL) *url.URL) side {
	return side{name, func(ctx context.Context, d time.Duration) (report, error) {
		leader, follower, err := l.roles(ctx)
		if err != nil {
			return report{}, err
		}
		t := l.target(where(leader, follower))
		t.stale = stale
		return measure(ctx, scenario, t, l.connections, d)
	}}
}

// etcdSide measures requests of next against etcd likewise.
func (l *lab) etcdSide(name string, next source, where func(leader, follower *url.URL) *url.URL) side {
	return side{name, func(ctx context.Context, d time.Duration) (report, error) {
		leader, follower, err := l.etcd.roles(ctx)
		if err != nil {
			return report{}, err
		}
		return job{urls: []*url.URL{where(leader, follower)}, connections: l.connections, duration: d, next: next}.run(ctx), nil
	}}
}

func atLeader(leader, _ *url.URL) *url.URL { return leader }

func atFollower(_, follower *url.URL) *url.URL { return follower }

func (l *lab) value() (string, error) {
	key, err := rig.NewServiceKey()
	if err != nil {
		return "", err
	}
	return etcdValue((&setup{key: key}).account())
}

func compareReads(ctx context.Context, l *lab) ([]result, error) {
	value, err := l.value()
	if err != nil {
		return nil, err
	}
	read, err := l.etcd.etcdRange(ctx, value)
	if err != nil {
		return nil, err
	}
	m, err := interleave(ctx, l.out, l.rounds, l.round, []side{
		l.gatehouseSide("GET user, linearizable, follower", "get-user", false, atFollower),
		l.gatehouseSide("GET user, stale, follower", "get-user", true, atFollower),
		l.etcdSide("etcd range, follower", read, atFollower),
		l.gatehouseSide("GET user, linearizable, leader", "get-user", false, atLeader),
		l.etcdSide("etcd range, leader", read, atLeader),
	})
	if err != nil {
		return nil, err
	}
	linearizable := m["GET user, linearizable, follower"]
	return []result{
		ratio("linearizable GET through a follower / stale GET", linearizable, m["GET user, stale, follower"], 0.7),
		ratio("linearizable GET through a follower / etcd range through a follower", linearizable, m["etcd range, follower"], 3),
		ratio("linearizable GET through a follower / etcd range through its leader", linearizable, m["etcd range, leader"], 3),
		ratio("linearizable GET through the leader / etcd range through its leader", m["GET user, linearizable, leader"], m["etcd range, leader"], 3),
	}, nil
}

func compareWrites(ctx context.Context, l *lab) ([]result, error) {
	value, err := l.value()
	if err != nil {
		return nil, err
	}
	// A run of its own for every side and round: each key is written once, as each account is.
	put := func(worker int, base *url.URL) generator {
		return etcdPut(time.Now().Format("150405.000000"), value)(worker, base)
	}
	m, err := interleave(ctx, l.out, l.rounds, l.round, []side{
		l.gatehouseSide("PUT service account, leader", "put-service-account", false, atLeader),
		l.etcdSide("etcd put, leader", put, atLeader),
		l.gatehouseSide("PUT service account, follower", "put-service-account", false, atFollower),
		l.etcdSide("etcd put, follower", put, atFollower),
	})
	if err != nil {
		return nil, err
	}
	return []result{
		ratio("PUT service account / etcd put, through the leader", m["PUT service account, leader"], m["etcd put, leader"], 1),
		ratio("PUT service account / etcd put, through a follower", m["PUT service account, follower"], m["etcd put, follower"], 1),
	}, nil
}

func compareServiceLogins(ctx context.Context, l *lab) ([]result, error) {
	urls, err := l.all()
	if err != nil {
		return nil, err
	}
	cores := runtime.GOMAXPROCS(0)
	m, err := interleave(ctx, l.out, l.rounds, l.round, []side{
		{"service logins, all masters", func(ctx context.Context, d time.Duration) (report, error) {
			return measure(ctx, "service-login", l.target(urls...), l.connections, d)
		}},
		{"bare RSA-2048 signatures", func(ctx context.Context, d time.Duration) (report, error) { return signRate(ctx, cores, d) }},
	})
	if err != nil {
		return nil, err
	}
	return []result{ratio("service logins / bare RSA signatures on all cores", m["service logins, all masters"], m["bare RSA-2048 signatures"], 0.6)}, nil
}

// comparePasswordLogins asks one master, whose hashing leaves one core free: the figure to reach is argon2id's on the others.
func comparePasswordLogins(ctx context.Context, l *lab) ([]result, error) {
	cores := max(1, runtime.GOMAXPROCS(0)-1)
	m, err := interleave(ctx, l.out, l.rounds, l.round, []side{
		{"password logins, one master", func(ctx context.Context, d time.Duration) (report, error) {
			leader, _, err := l.roles(ctx)
			if err != nil {
				return report{}, err
			}
			return measure(ctx, "password-login", l.target(leader), min(l.connections, 16), d)
		}},
		{"bare argon2id", func(ctx context.Context, d time.Duration) (report, error) { return argonRate(ctx, cores, d) }},
	})
	if err != nil {
		return nil, err
	}
	return []result{ratio("password logins at one master / bare argon2id on its share of cores", m["password logins, one master"], m["bare argon2id"], 0.8)}, nil
}
