package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) mastersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "masters", Short: "The masters of a cluster: list, remove",
		Long:    "Lists the masters as the one that is asked sees them. Needs no login.",
		Example: "  gatehouse masters\n  gatehouse masters --url http://10.0.0.1:8101",
		Args:    knownVerb,
		RunE:    a.asking(open, a.mastersList),
	}
	remove := a.verb("remove ID", "Take a master out of the cluster for ever", "  gatehouse masters remove --yes 7c1f0a9b5d2e4f68", OneArg, a.mastersRemove)
	remove.Long = "Takes a master out of the cluster for ever: its machine can only come back with an empty data directory.\n" +
		"The beginning of the id is enough, from four characters on. The leader is not removed: stop it first."
	a.addYes(remove)
	cmd.AddCommand(a.verb("list", "List the masters", "  gatehouse masters list --output json", NoArgs, a.asking(open, a.mastersList)), remove)
	return a.common(cmd)
}

func (a *app) mastersList(ctx context.Context, c *client.Client, _ []string) (view, error) {
	masters, err := c.Masters(ctx)
	t := &table{columns: []column{{head: "NAME"}, {head: "STATE"}, {head: "API"}, {head: "VERSION"}, {head: "INDEX", right: true}, {head: "ID"}}}
	for _, m := range masters {
		index := strconv.FormatUint(m.AppliedIndex, 10)
		if m.Version == "" {
			index = ""
		}
		t.add(m.Name, m.State, m.API, m.Version, index, m.ID)
	}
	return view{listOf(masters), t.render}, err
}

// leastID is how much of an id must be typed for what cannot be undone: a single letter that fits is too easily a slip.
const leastID = 4

func (a *app) mastersRemove(cmd *cobra.Command, args []string) error {
	if len(strings.TrimSuffix(args[0], "…")) < leastID {
		return usage(fmt.Errorf("%s is too little of an id", quote(args[0])), fmt.Sprintf("type at least %d characters of it: gatehouse masters", leastID))
	}
	t, err := a.find(false)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	var m client.Master
	err = a.with(ctx, t, loggedIn, func(c *client.Client) error {
		masters, err := c.Masters(ctx)
		if err != nil {
			return err
		}
		if m, err = pick(masters, args[0], "master", func(m client.Master) string { return m.ID }); err != nil {
			return err
		}
		if err := a.confirm(ctx, fmt.Sprintf("Take the master %s (%s, %s) out of the cluster for ever?", safe(m.Name), safe(m.ID), safe(m.State))); err != nil {
			return err
		}
		return settle(c.RemoveMaster(ctx, m.ID), "gatehouse masters")
	})
	if err != nil {
		return err
	}
	return a.show(sentence(result{Result: "removed", ID: m.ID}, "Removed the master %s (%s).", m.Name, m.ID))
}
