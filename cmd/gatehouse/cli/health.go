package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) healthCommand() *cobra.Command {
	var strict, leader bool
	cmd := a.verb("health", "Ask masters whether they can serve, and why not",
		"  gatehouse health\n  gatehouse health --url http://127.0.0.1:8101 --strict\n  gatehouse health --output json", NoArgs,
		func(cmd *cobra.Command, _ []string) error { return a.health(cmd.Context(), strict, leader) })
	cmd.Long = "Shows the health report of the master, or of every master that a URL of the cluster leads to. The exit\n" +
		"status is 0 only when all of them can serve. Needs no login."
	cmd.Flags().BoolVar(&strict, "strict", false, "ask for a linearizable read to succeed now")
	cmd.Flags().BoolVar(&leader, "leader", false, "ask whether the master leads")
	return a.common(cmd)
}

// report is the health of the master at an address, or why it is not known.
type report struct {
	URL string `json:"url"`
	client.HealthReport
	Error string `json:"error,omitempty"`

	err error
}

func (a *app) health(ctx context.Context, strict, leader bool) error {
	kind := client.Serving
	switch {
	case strict && leader:
		return usage(errors.New("--strict and --leader: want one of them"), "")
	case strict:
		kind = client.Strict
	case leader:
		kind = client.Leading
	}
	t, err := a.find(true)
	if err != nil {
		return err
	}
	reports := a.reports(ctx, t, kind)
	if len(reports) == 1 {
		if reports[0].err != nil {
			return reports[0].err
		}
		err = a.show(healthView(reports[0].HealthReport))
	} else {
		err = a.show(healthsView(reports))
	}
	if err != nil {
		return err
	}
	return verdict(reports)
}

// reports asks every address by itself, all at the same time, and once.
func (a *app) reports(ctx context.Context, t *target, kind client.HealthKind) []report {
	reports := make([]report, len(t.urls))
	var all sync.WaitGroup
	for i, address := range t.urls {
		all.Go(func() {
			one := &target{urls: []string{address}, tls: t.tls, name: t.name}
			reports[i] = a.report(ctx, one, kind)
		})
	}
	all.Wait()
	return reports
}

func (a *app) report(ctx context.Context, t *target, kind client.HealthKind) report {
	r := report{URL: t.urls[0]}
	o := a.options(t)
	o.Patience, o.Logger = -1, nil
	c, err := client.New(o)
	if err == nil {
		defer c.Close()
		r.HealthReport, err = c.Health(ctx, kind)
	}
	if r.err = t.explain(err); r.err != nil {
		r.Error = strings.SplitN(r.err.Error(), "\n", 2)[0]
	}
	return r
}

func healthView(h client.HealthReport) view {
	return details(h, pair{"healthy", yesNo(h.Healthy)}, pair{"reasons", strings.Join(h.Reasons, "; ")},
		pair{"state", h.State}, pair{"id", h.ID}, pair{"leader", h.Leader}, pair{"term", strconv.FormatUint(h.Term, 10)})
}

func healthsView(reports []report) view {
	t := &table{columns: []column{{head: "URL"}, {head: "HEALTHY"}, {head: "STATE"}, {head: "TERM", right: true}, {head: "ID", soft: true}, {head: "REASONS"}}}
	for _, r := range reports {
		if r.err != nil {
			t.add(r.URL, "no", "", "", "", r.Error)
			continue
		}
		t.add(r.URL, yesNo(r.Healthy), r.State, strconv.FormatUint(r.Term, 10), r.ID, strings.Join(r.Reasons, "; "))
	}
	return view{listOf(reports), t.render}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// verdict is nil when all are healthy.
func verdict(reports []report) error {
	sick, silent := 0, 0
	for _, r := range reports {
		if r.err != nil {
			silent++
		}
		if !r.Healthy {
			sick++
		}
	}
	switch {
	case sick == 0:
		return nil
	case silent == len(reports):
		return fail(StatusUnavailable, errors.New("no master answers"), "")
	case len(reports) == 1:
		return errors.New("the master is not healthy")
	}
	return fail(StatusFailed, fmt.Errorf("%d of %d are not healthy", sick, len(reports)), complaints(reports))
}

// complaints has the reasons in full, which a narrow table cuts off.
func complaints(reports []report) string {
	var lines []string
	for _, r := range reports {
		switch {
		case r.err != nil: // it names the address
			lines = append(lines, safe(r.Error))
		case !r.Healthy:
			lines = append(lines, r.URL+": "+safe(strings.Join(r.Reasons, "; ")))
		}
	}
	return strings.Join(lines, "\n")
}
