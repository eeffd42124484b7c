package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) storeCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "store", Short: "Stores of secrets: list, show, create, update, delete",
		Long: "Every cluster has the store default, and hardly anybody needs another. A further one has shares of its own, and is\n" +
			"sealed and unsealed by itself (gatehouse operator). Needs a superuser.",
		Example: "  gatehouse store list\n  gatehouse store show default",
	})
	show := a.verb("show NAME", "Show a store, its settings and what is in it", "  gatehouse store show default", OneArg, a.asking(loggedIn, a.storeShow))
	show.ValidArgsFunction = a.completeStores
	cmd.AddCommand(
		a.verb("list", "List the stores, and whether they are sealed", "  gatehouse store list\n  gatehouse store list --output json", NoArgs, a.asking(loggedIn, a.storeList)),
		show, a.storeCreateCommand(), a.storeUpdateCommand(), a.storeDeleteCommand())
	return a.common(cmd)
}

func (a *app) storeList(ctx context.Context, c *client.Client, _ []string) (view, error) {
	stores, err := c.Stores(ctx)
	sortBy(stores, func(s client.Store) string { return s.Name })
	t := &table{columns: []column{{head: "STORE"}, {head: "STATE"}, {head: "DRIVER"}, {head: "DESCRIPTION", soft: true}}}
	for _, s := range stores {
		t.add(s.Name, storeState(s), s.Driver, s.Description)
	}
	return view{listOf(stores), t.render}, err
}

// storeState is whether a store can be used, for people.
func storeState(s client.Store) string {
	switch {
	case !s.Initialized:
		return "not initialised"
	case s.Sealed:
		return "sealed"
	}
	return "open"
}

func (a *app) storeShow(ctx context.Context, c *client.Client, args []string) (view, error) {
	s, err := c.Store(ctx, args[0])
	if err != nil {
		return view{}, err
	}
	undelete, _ := time.ParseDuration(s.Undelete)
	return details(s, pair{"name", s.Name}, pair{"state", storeState(s.Store)}, pair{"description", s.Description}, pair{"driver", s.Driver},
		pair{"created", timestamp(s.Created)}, pair{"shares", threshold(s.Threshold, s.Shares)}, pair{"opens itself", first(s.AutoUnseal, "no")},
		pair{"data keys", dataKeys(s.Terms)}, pair{"secrets", strconv.Itoa(s.Secrets)}, pair{"deleted ones", strconv.Itoa(s.Deleted)},
		pair{"versions", fmt.Sprintf("%d, of each secret at most %d", s.Versions, s.MaxVersions)}, pair{"bytes", strconv.FormatInt(s.Bytes, 10)},
		pair{"undelete for", span(undelete)}), nil
}

// threshold says how many shares unseal, for people.
func threshold(needed, shares int) string {
	if shares == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d", needed, shares)
}

// dataKeys says which data key encrypts, and whether older ones are still needed.
func dataKeys(terms []uint32) string {
	switch n := len(terms); n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("number %d", terms[0])
	default:
		return fmt.Sprintf("number %d; what %s encrypted is encrypted anew", terms[n-1], count(n-1, "older one"))
	}
}

// storeDone is what programs are shown of a store that was changed.
type storeDone struct {
	Result string `json:"result"`
	Store  string `json:"store"`
}

func (a *app) storeCreateCommand() *cobra.Command {
	var s client.NewStore
	cmd := a.verb("create NAME", "Create a store", "  gatehouse store create payments --description 'Keys of the payment service'", OneArg,
		a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			s.Name = args[0]
			err := settle(c.CreateStore(ctx, s), "gatehouse store show "+quote(s.Name))
			return sentence(storeDone{"created", s.Name}, "Created the store %s.", s.Name), err
		}))
	cmd.Long = "Creates a store. Where the masters unseal by themselves it is open at once; gatehouse operator init gives it shares\n" +
		"that people hold. Otherwise gatehouse operator init is next."
	cmd.Flags().StringVar(&s.Description, "description", "", "a `TEXT` for people")
	return cmd
}

func (a *app) storeUpdateCommand() *cobra.Command {
	var description string
	var versions int
	var undelete time.Duration
	cmd := a.verb("update NAME", "Change the settings of a store", "  gatehouse store update default --max-versions 20 --undelete 720h", OneArg,
		func(cmd *cobra.Command, args []string) error {
			var change client.StoreSettings
			changed := cmd.Flags().Changed
			if changed("description") {
				change.Description = &description
			}
			if changed("max-versions") {
				change.MaxVersions = &versions
			}
			if changed("undelete") {
				text := undelete.String()
				change.Undelete = &text
			}
			if change == (client.StoreSettings{}) {
				return usage(errors.New("nothing to change"), "use --description, --max-versions or --undelete")
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				err := settle(c.UpdateStore(ctx, args[0], change), "gatehouse store show "+quote(args[0]))
				return sentence(storeDone{"updated", args[0]}, "Updated the store %s.", args[0]), err
			})(cmd, args)
		})
	cmd.Flags().StringVar(&description, "description", "", "the new description, a `TEXT` for people")
	cmd.Flags().IntVar(&versions, "max-versions", 0, "keep the newest `N` versions of each secret, 1 to 100; the next write drops the others")
	cmd.Flags().DurationVar(&undelete, "undelete", 0, "keep deleted secrets for this `DURATION`")
	cmd.ValidArgsFunction = a.completeStores
	return cmd
}

func (a *app) storeDeleteCommand() *cobra.Command {
	var force bool
	cmd := a.verb("delete NAME", "Delete a store", "  gatehouse store delete --yes payments\n  gatehouse store delete --force --yes old", OneArg,
		func(cmd *cobra.Command, args []string) error {
			what := fmt.Sprintf("Delete the store %s? This cannot be undone.", safe(args[0]))
			if force {
				what = fmt.Sprintf("Delete the store %s, and all secrets in it? This cannot be undone.", safe(args[0]))
			}
			if err := a.confirm(cmd.Context(), what); err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				err := settle(c.DeleteStore(ctx, args[0], force), "gatehouse store list")
				if client.IsCode(err, "ERR_CONFLICT") {
					err = fail(StatusFailed, fmt.Errorf("the master says %w", asError(err)), "--force destroys them with the store")
				}
				return sentence(storeDone{"deleted", args[0]}, "Deleted the store %s.", args[0]), err
			})(cmd, args)
		})
	cmd.Flags().BoolVar(&force, "force", false, "though it holds secrets: they are destroyed")
	a.addYes(cmd)
	cmd.ValidArgsFunction = a.completeStores
	return cmd
}

// atStore names the store in a command that is suggested, unless it is the usual one.
func (a *app) atStore(command string) string {
	if a.storeName == client.DefaultStore {
		return command
	}
	return command + " --store " + quote(a.storeName)
}
