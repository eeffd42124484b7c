package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
	"gatehouse/httpapi/declare"
)

func (a *app) iamApplyCommand() *cobra.Command {
	var d declared
	cmd := a.verb("apply", "Make the cluster as files say", "  gatehouse iam apply -f iam.yaml\n  gatehouse iam apply -f iam.yaml --prune --yes\n"+
		"  gatehouse iam apply -f teams/ -f services.yaml --yes",
		NoArgs, func(cmd *cobra.Command, _ []string) error { return a.iamApply(cmd.Context(), &d) })
	cmd.Long = "Shows the difference, asks, and makes it disappear. It is done in steps, each of them whole or not at all; one\n" +
		"that was interrupted, or whose outcome is unknown, is finished by doing the same again. New users have no\n" +
		"password until a superuser sets one."
	d.add(cmd.Flags())
	a.addYes(cmd)
	return cmd
}

func (a *app) iamApply(ctx context.Context, d *declared) error {
	if !a.yes && !a.terminalIn() {
		return usage(errors.New("there is no terminal to ask on whether it is meant"), "say --yes, or look first: gatehouse iam plan")
	}
	want, err := d.read(a.env.Stdin)
	if err != nil {
		return err
	}
	t, err := a.find(false)
	if err != nil {
		return err
	}
	var plan *declare.Plan
	err = a.with(ctx, t, loggedIn, func(c *client.Client) error {
		if plan, err = a.difference(ctx, c, want, d.prune); err != nil || len(plan.Steps) == 0 {
			return err
		}
		if a.output == "table" {
			if err := write(a.env.Stdout, []byte(a.planText(plan)+a.summary(plan))); err != nil {
				return err
			}
		}
		if err := a.confirm(ctx, "Make "+plural(len(plan.Steps), "change", "changes")+"?"); err != nil {
			return err
		}
		return a.applyPlan(ctx, c, plan)
	})
	if err != nil {
		return err
	}
	return a.show(a.appliedView(plan))
}

func (a *app) appliedView(p *declare.Plan) view {
	data := shownPlanOf(p)
	data.Result = "applied"
	if len(p.Steps) == 0 {
		return view{data: data, text: func(int) string { return a.summary(p) }}
	}
	return sentence(data, "Done: %s.", plural(len(p.Steps), "change", "changes"))
}

// applyPlan sends one batch after the other.
func (a *app) applyPlan(ctx context.Context, c *client.Client, plan *declare.Plan) error {
	batches := plan.Batches()
	bar := a.progress(len(plan.Steps), len(batches) > 1)
	defer bar.end()
	done := 0
	for _, batch := range batches {
		bar.show(done)
		_, err := c.Do(ctx, client.Request{Method: http.MethodPost, Path: iamPath + "apply", Body: declare.Changes{Changes: declare.ChangesOf(batch)}})
		if err != nil {
			bar.end()
			return unfinished(err, batch, done, len(plan.Steps))
		}
		done += len(batch)
	}
	return nil
}

// unfinished says how far an apply has come when it ends early.
func unfinished(err error, batch []declare.Step, done, all int) error {
	made := fmt.Sprintf("%d of %d changes are made", done, all)
	const again = "do the same again: it finds out what is left, and goes on from there"
	var no *client.Error
	switch {
	case client.OutcomeUnknown(err):
		return doubtful(err, fmt.Sprintf("%s, and perhaps %d more\n%s", made, len(batch), again))
	case errors.Is(err, context.Canceled):
		return fail(StatusInterrupted, fmt.Errorf("interrupted: %s, and perhaps %d more", made, len(batch)), again)
	case errors.As(err, &no) && refuses(no):
		status := StatusFailed
		if no.Status == http.StatusForbidden {
			status = StatusLogin
		}
		return fail(status, fmt.Errorf("%sthe master says %w", refusedStep(no, batch), no), made+"\nwhen it is mended, "+again)
	case done == 0:
		return err // nothing has happened, and nothing of this makes a difference
	case client.Unauthenticated(err):
		return fail(StatusLogin, fmt.Errorf("%s; then: %w", made, cause(err)), "log in, and "+again)
	}
	return fail(StatusUnavailable, fmt.Errorf("%s; then: %w", made, cause(err)), again)
}

// refuses reports whether it is the changes that a master refuses, rather than to answer now.
func refuses(no *client.Error) bool {
	return no.Status/100 == 4 && no.Status != http.StatusUnauthorized && no.Status != http.StatusTooManyRequests
}

// changeIndex is how a refusal names the change.
var changeIndex = regexp.MustCompile(`changes\[(\d+)\]`)

// refusedStep is where in the files the refused change is declared.
func refusedStep(no *client.Error, batch []declare.Step) string {
	found := changeIndex.FindStringSubmatch(no.Description)
	if found == nil {
		return ""
	}
	if i, err := strconv.Atoi(found[1]); err == nil && i < len(batch) && batch[i].At.File != "" {
		return batch[i].At.String() + ": "
	}
	return ""
}

// progressBar shows on a terminal how far a long work has come.
type progressBar struct {
	a    *app
	all  int
	show func(done int)
	open bool
}

const barWidth = 30

func (a *app) progress(all int, long bool) *progressBar {
	bar := &progressBar{a: a, all: all, show: func(int) {}}
	if _, terminal, _ := a.env.Terminal(); terminal && long {
		bar.show = bar.draw
	}
	return bar
}

func (b *progressBar) draw(done int) {
	full := barWidth * done / max(b.all, 1)
	fmt.Fprintf(b.a.env.Stderr, "\r[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), done, b.all)
	b.open = true
}

// end takes the bar away.
func (b *progressBar) end() {
	if b.open {
		fmt.Fprintf(b.a.env.Stderr, "\r%s\r", strings.Repeat(" ", barWidth+2+2*20))
		b.open = false
	}
}
