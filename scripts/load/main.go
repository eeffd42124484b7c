package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	urls, scenario, uid, password string
	ca                            string
	method, body                  string
	connections                   int
	duration                      time.Duration
	stale, json                   bool
	compare                       bool
	comparison                    comparison
	scale                         bool
	people                        int
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.StringVar(&o.urls, "url", "http://127.0.0.1:8101", "where to send the load; several, with commas, share the connections")
	f.StringVar(&o.ca, "ca", "", "PEM file with the authority of an https URL (default: those of the system)")
	f.StringVar(&o.scenario, "scenario", "get-user", scenarioNames())
	f.StringVar(&o.uid, "uid", "bootstrapuser", "superuser that prepares the scenario")
	f.StringVar(&o.password, "password", "deleteme", "its password")
	f.StringVar(&o.method, "method", "GET", "raw: the method")
	f.StringVar(&o.body, "body", "", "raw: the body, JSON")
	f.IntVar(&o.connections, "connections", 64, "persistent connections, one request at a time on each")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "how long; with -compare how long one round lasts, 5s if not given")
	f.BoolVar(&o.stale, "stale", false, "get-user: ask for ?consistency=stale")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.BoolVar(&o.compare, "compare", false, "start three masters and what they are measured against, and compare")
	f.BoolVar(&o.scale, "scale", false, "fill three masters with -people and look at what they need")
	f.IntVar(&o.people, "people", 1_000_000, "scale: users, memberships and grants; a hundredth as many groups")
	o.comparison.flags(f)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.compare && !given(f, "duration") {
		o.duration = 5 * time.Second
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.connections < 1 || o.duration <= 0 {
		return o, errors.New("-connections and -duration must be positive")
	}
	return o, nil
}

// given says whether a flag is on the command line.
func given(flags *flag.FlagSet, name string) bool {
	found := false
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	switch {
	case o.compare:
		return o.comparison.run(ctx, o, out)
	case o.scale:
		return runScale(ctx, o, out)
	}
	t := target{uid: o.uid, password: o.password, stale: o.stale, raw: request{method: o.method, body: []byte(o.body)}}
	if t.urls, err = parseURLs(o.urls); err != nil {
		return err
	}
	if t.tls, err = o.trusted(); err != nil {
		return err
	}
	r, err := measure(ctx, o.scenario, t, o.connections, o.duration)
	if err != nil {
		return err
	}
	if err := r.print(out, o.json); err != nil {
		return err
	}
	if r.OK == 0 {
		return errors.New("not one request succeeded")
	}
	return nil
}

// trusted is how https is spoken, with one request at a time on a connection.
func (o options) trusted() (*tls.Config, error) {
	if o.ca == "" {
		return &tls.Config{NextProtos: []string{"http/1.1"}}, nil
	}
	ca, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, fmt.Errorf("-ca: %w", err)
	}
	return rig.Trusting(ca, "http/1.1")
}

// measure prepares the scenario and runs it once.
func measure(ctx context.Context, name string, t target, connections int, d time.Duration) (report, error) {
	prepare, ok := scenarios[name]
	if !ok {
		return report{}, fmt.Errorf("unknown scenario %q, want %s", name, scenarioNames())
	}
	next, err := prepare(ctx, t)
	if err != nil {
		return report{}, fmt.Errorf("prepare %s: %w", name, err)
	}
	return job{urls: t.urls, tls: t.tls, connections: connections, duration: d, next: next}.run(ctx), nil
}

func parseURLs(list string) ([]*url.URL, error) {
	var urls []*url.URL
	for text := range strings.SplitSeq(list, ",") {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("-url: %w", err)
		}
		if u.Host == "" {
			return nil, fmt.Errorf("-url: %q is no URL such as http://127.0.0.1:8101", text)
		}
		urls = append(urls, u)
	}
	return urls, nil
}
