package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// comparison are the settings of -compare.
type comparison struct {
	rounds, trials int
	storm          time.Duration
	only, dir      string
}

func (c *comparison) flags(f *flag.FlagSet) {
	f.IntVar(&c.rounds, "rounds", 5, "compare: rounds per side; the medians are compared")
	f.IntVar(&c.trials, "trials", 9, "compare: how often the leader is killed")
	f.DurationVar(&c.storm, "storm", time.Minute, "compare: how long a storm of password logins or large secrets lasts")
	f.StringVar(&c.only, "only", "", "compare: some of "+strings.Join(partNames(), ",")+" (default all that take no minutes)")
	f.StringVar(&c.dir, "dir", os.TempDir(), "compare: where the data goes; a real disk, no tmpfs")
}

// part is one group of promises that are measured together.
type part struct {
	name string
	run  func(context.Context, *lab) ([]result, error)
	// asked says that the part takes minutes and gigabytes, and runs only when it is named.
	asked bool
}

// parts are all of them, in the order in which they run: what kills masters comes last.
func parts() []part {
	return []part{{name: "reads", run: compareReads}, {name: "writes", run: compareWrites}, {name: "service-logins", run: compareServiceLogins},
		{name: "password-logins", run: comparePasswordLogins}, {name: "tls", run: compareTLS}, {name: "policy", run: comparePolicy},
		{name: "audit", run: compareAudit}, {name: "directory", run: directory}, {name: "declare", run: declare}, {name: "secrets", run: compareSecrets},
		{name: "secrets-large", run: largeWrites}, {name: "secrets-history", run: history, asked: true},
		{name: "secrets-scale", run: manySecrets, asked: true}, {name: "unseal", run: unseal},
		{name: "storm", run: storm}, {name: "failover", run: failover}}
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// lab is the machinery under comparison: both clusters run throughout, and the one that is not asked idles.
type lab struct {
	comparison
	connections int
	round       time.Duration
	out         io.Writer
	dir         string
	dev         *rig.Dev
	etcd        *etcd
	client      *rig.Client
}

func (c *comparison) run(ctx context.Context, o options, out io.Writer) error {
	progress := out
	if o.json {
		progress = os.Stderr
	}
	l := &lab{comparison: *c, connections: o.connections, round: o.duration, out: progress, client: rig.NewClient(10 * time.Second)}
	defer l.close()
	chosen, err := c.chosen()
	if err != nil {
		return err
	}
	if err := l.open(ctx); err != nil {
		return err
	}
	var results []result
	for _, p := range chosen {
		fmt.Fprintf(progress, "%s\n", p.name)
		more, err := p.run(ctx, l)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		results = append(results, more...)
	}
	if o.json {
		return json.NewEncoder(out).Encode(results)
	}
	if !printResults(out, results) {
		return errors.New("not every goal is reached")
	}
	return nil
}

func (c *comparison) chosen() ([]part, error) {
	if c.only == "" {
		return slices.DeleteFunc(parts(), func(p part) bool { return p.asked }), nil
	}
	wanted := strings.Split(c.only, ",")
	for _, name := range wanted {
		if !slices.Contains(partNames(), name) {
			return nil, fmt.Errorf("-only: unknown part %q, want some of %s", name, strings.Join(partNames(), ","))
		}
	}
	return slices.DeleteFunc(parts(), func(p part) bool { return !slices.Contains(wanted, p.name) }), nil
}

func (l *lab) open(ctx context.Context) error {
	dir, err := os.MkdirTemp(l.comparison.dir, "gatehouse-load-")
	if err != nil {
		return err
	}
	l.dir = dir
	if err := refuseTmpfs(dir); err != nil {
		return err
	}
	binary, err := rig.Binary(ctx, dir)
	if err != nil {
		return err
	}
	if l.dev, err = rig.StartDev(ctx, binary, dir+"/dev"); err != nil {
		return err
	}
	l.etcd, err = startEtcd(ctx, dir)
	return err
}

func (l *lab) close() {
	if l.etcd != nil {
		l.etcd.close()
	}
	if l.dev != nil {
		l.dev.Close()
	}
	l.client.Close()
	if l.dir != "" {
		_ = os.RemoveAll(l.dir)
	}
}

// subdir makes a directory for masters of their own.
func (l *lab) subdir(name string) (string, error) {
	dir := l.dir + "/" + name
	return dir, os.Mkdir(dir, 0o700)
}

// refuseTmpfs makes sure that an fsync costs what it costs.
func refuseTmpfs(dir string) error {
	const tmpfsMagic = 0x01021994
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if fs.Type == tmpfsMagic {
		return fmt.Errorf("%s is a tmpfs, where durable writes cost nothing: choose another -dir", dir)
	}
	return nil
}

// target is the dev cluster asked at the given masters.
func (l *lab) target(urls ...*url.URL) target {
	return target{urls: urls, uid: l.dev.Superuser.UID, password: l.dev.Superuser.Password}
}

// all are the APIs of all masters.
func (l *lab) all() ([]*url.URL, error) { return parseURLs(strings.Join(l.dev.APIs(), ",")) }

// roles answers the leader and one follower of the dev cluster, as they are now.
func (l *lab) roles(ctx context.Context) (leader, follower *url.URL, err error) {
	err = rig.Await(ctx, 20*time.Second, "a leader", func(ctx context.Context) (err error) {
		leader, follower, err = l.rolesNow(ctx)
		return err
	})
	return leader, follower, err
}

func (l *lab) rolesNow(ctx context.Context) (leader, follower *url.URL, err error) {
	token, err := l.client.Login(ctx, l.dev.Masters[0].API, l.dev.Superuser.UID, l.dev.Superuser.Password)
	if err != nil {
		return nil, nil, err
	}
	list, err := l.client.Masters(ctx, l.dev.Masters[0].API, token)
	if err != nil {
		return nil, nil, err
	}
	for _, row := range list {
		for _, m := range l.dev.Masters {
			if m.Name != row.Name {
				continue
			}
			api, err := url.Parse(m.API)
			if err != nil {
				return nil, nil, err
			}
			if row.Leader {
				leader = api
			} else {
				follower = api
			}
		}
	}
	if leader == nil || follower == nil {
		return nil, nil, fmt.Errorf("no leader among %+v", list)
	}
	return leader, follower, nil
}
