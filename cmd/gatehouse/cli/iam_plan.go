package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
	"gatehouse/httpapi/declare"
)

func (a *app) iamPlanCommand() *cobra.Command {
	var d declared
	cmd := a.verb("plan", "Show how the cluster differs from files", "  gatehouse iam plan -f iam.yaml\n  gatehouse iam plan -f iam.yaml --prune --output json",
		NoArgs, func(cmd *cobra.Command, _ []string) error { return a.iamPlan(cmd.Context(), &d) })
	cmd.Long = fmt.Sprintf("Shows what apply would do: + creates, ~ changes, - removes. The exit status is 0 when the cluster is as\n"+
		"the files say, and %d when it differs. Nothing is changed.", StatusDiffers)
	d.add(cmd.Flags())
	return cmd
}

func (a *app) iamPlan(ctx context.Context, d *declared) error {
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
		plan, err = a.difference(ctx, c, want, d.prune)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.show(a.planView(plan)); err != nil {
		return err
	}
	if len(plan.Steps) > 0 {
		return fail(StatusDiffers, errors.New("the cluster is not as the files say"), "make it so: gatehouse iam apply")
	}
	return nil
}

// difference plans, from one state of the cluster. What may not be done is an error.
func (a *app) difference(ctx context.Context, c *client.Client, want *declare.Document, prune bool) (*declare.Plan, error) {
	have, err := export(ctx, c)
	if err != nil {
		return nil, err
	}
	token, err := c.Token(ctx)
	if err != nil {
		return nil, err
	}
	claims, err := readToken(token)
	if err != nil {
		return nil, err
	}
	plan := declare.Difference(have, want, declare.Options{Prune: prune, Caller: claims.UID})
	return plan, refuse(StatusFailed, plan.Wrong)
}

// shownPlan is what programs are shown of a plan, or of what was applied.
type shownPlan struct {
	Result  string         `json:"result,omitempty"`
	Create  int            `json:"create"`
	Update  int            `json:"update"`
	Delete  int            `json:"delete"`
	Left    declare.Counts `json:"left"`
	Locked  int            `json:"without_password"`
	Changes []shownStep    `json:"changes,omitempty"`
}

type shownStep struct {
	Verb    declare.Verb   `json:"verb"`
	Kind    string         `json:"kind"`
	Name    string         `json:"name"`
	Details []string       `json:"details,omitempty"`
	Change  declare.Change `json:"change"`
}

func shownPlanOf(p *declare.Plan) shownPlan {
	n := p.Count()
	return shownPlan{Create: n[declare.Create], Update: n[declare.Update], Delete: n[declare.Delete], Left: p.Left, Locked: p.Locked}
}

func (a *app) planView(p *declare.Plan) view {
	data := shownPlanOf(p)
	for _, s := range p.Steps {
		data.Changes = append(data.Changes, shownStep{s.Verb, s.Kind, s.Name, s.Details, s.Change.Shown()})
	}
	return view{data: data, text: func(int) string { return a.planText(p) + a.summary(p) }}
}

// maxSteps is how many steps a terminal shows; a pipe gets them all.
const maxSteps = 200

// signs and colours of the verbs. Colours are for terminals alone (and not where NO_COLOR is set, https://no-color.org).
var signs = map[declare.Verb]struct{ sign, colour string }{
	declare.Create: {"+", "\x1b[32m"}, declare.Update: {"~", "\x1b[33m"}, declare.Delete: {"-", "\x1b[31m"},
}

// planText has a line for each step, and one for each detail where there are several.
func (a *app) planText(p *declare.Plan) string {
	_, terminal, _ := a.env.Terminal()
	var b strings.Builder
	for i, s := range p.Steps {
		if terminal && i == maxSteps {
			fmt.Fprintf(&b, "… and %d more; a pipe gets them all\n", len(p.Steps)-i)
			break
		}
		line := fmt.Sprintf("%s %s %s", signs[s.Verb].sign, s.Kind, safe(s.Name))
		if len(s.Details) == 1 {
			line += ": " + safe(s.Details[0])
		}
		if terminal && a.env.Getenv["NO_COLOR"] == "" {
			line = signs[s.Verb].colour + line + "\x1b[0m"
		}
		b.WriteString(line + "\n")
		if len(s.Details) > 1 {
			for _, detail := range s.Details {
				b.WriteString("    " + safe(detail) + "\n")
			}
		}
	}
	return b.String()
}

// summary counts.
func (a *app) summary(p *declare.Plan) string {
	n := p.Count()
	text := fmt.Sprintf("%d to create, %d to change, %d to remove.", n[declare.Create], n[declare.Update], n[declare.Delete])
	if len(p.Steps) == 0 {
		text = "The cluster is as the files say."
	}
	if left := p.Left.String(); left != "" {
		text += " The files do not name, and leave alone: " + left + "."
	}
	if p.Locked > 0 {
		text += fmt.Sprintf("\n%s no password until a superuser sets one: gatehouse user update UID --ask-password", plural(p.Locked, "new user has", "new users have"))
	}
	return text + "\n"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
