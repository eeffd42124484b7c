package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) ldapImportUserCommand() *cobra.Command {
	cmd := a.verb("import-user UID", "Make a user of somebody in the directory before the first login", "  gatehouse ldap import-user erika", OneArg,
		a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			uid, err := c.ImportUser(ctx, args[0])
			return sentence(result{Result: "imported", UID: uid}, "Imported the user %s, who may do nothing yet.", uid),
				settle(err, "gatehouse user show "+quote(args[0]))
		}))
	cmd.Long = "Makes a user of somebody in the directory, to whom permissions can be granted then. Nobody has to be imported to log\nin: the first login does it."
	return cmd
}

// groupImported is what programs are shown of a group that was imported.
type groupImported struct {
	Result string `json:"result"`
	client.GroupImport
}

func (a *app) ldapImportGroupCommand() *cobra.Command {
	cmd := a.verb("import-group GID", "Make a group of one in the directory, with its members", "  gatehouse ldap import-group engineers", OneArg,
		a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			imported, err := c.ImportGroup(ctx, args[0])
			text := "Imported the group %s; %s."
			if imported.Partial {
				text = "Imported the group %s, but not all of its members: %s. If time ran out, gatehouse ldap sync adds the others; more than 100,000 are never added."
			}
			return sentence(groupImported{"imported", imported}, text, imported.GID, count(imported.Users, "new user")),
				settle(err, "gatehouse group show "+quote(args[0]))
		}))
	cmd.Long = "Makes a group of one in the directory, and users of those of its members who are not users yet. From then on the\n" +
		"masters keep it in line with the directory. Users of the same uid that did not come from the directory are left out."
	return cmd
}

func (a *app) ldapSyncCommand() *cobra.Command {
	var force, status bool
	cmd := a.verb("sync", "Bring users and groups in line with the directory now", "  gatehouse ldap sync\n  gatehouse ldap sync --status", NoArgs,
		func(cmd *cobra.Command, args []string) error {
			switch {
			case force && status:
				return usage(errors.New("--force and --status: want one of them"), "")
			case status:
				return a.asking(loggedIn, syncStatus)(cmd, args)
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
				s, err := c.SyncDirectory(ctx, force)
				if client.NeedsForce(err) && !force {
					err = fail(StatusFailed, fmt.Errorf("the master says %w", asError(err)), "if the directory is right: gatehouse ldap sync --force")
				}
				return syncView(s), settle(err, "gatehouse ldap sync --status")
			})(cmd, args)
		})
	cmd.Long = "Brings users and groups that came from the directory in line with it, as the leader does by itself every now and\n" +
		"then: who is not there any more is removed, with what was granted. Where much would be removed at once, it takes --force."
	cmd.Flags().BoolVar(&force, "force", false, "also when much is to be removed at once")
	cmd.Flags().BoolVar(&status, "status", false, "only show what became of the last time")
	return cmd
}

func syncView(s client.DirectorySync) view {
	return details(s, changesOf(s)...)
}

func changesOf(s client.DirectorySync) []pair {
	return []pair{{"users", fmt.Sprintf("%d created, %d removed", s.UsersCreated, s.UsersRemoved)}, {"groups", fmt.Sprintf("%d removed", s.GroupsRemoved)},
		{"members", fmt.Sprintf("%d added, %d removed", s.MembersAdded, s.MembersRemoved)}, {"skipped", strings.Join(s.Skipped, "; ")}}
}

func syncStatus(ctx context.Context, c *client.Client, _ []string) (view, error) {
	s, err := c.SyncStatus(ctx)
	if err != nil {
		return view{}, err
	}
	pairs := []pair{{"running", yesNo(s.Running)}}
	if last := s.Last; last == nil {
		pairs = append(pairs, pair{"last", "none since the leader leads"})
	} else {
		pairs = append(pairs, pair{"last", timestamp(last.Finished)}, pair{"by", first(last.By, "the cluster itself")}, pair{"result", last.Result}, pair{"error", last.Error})
		if last.Report != nil {
			pairs = append(pairs, changesOf(*last.Report)...)
		}
	}
	return details(s, pairs...), nil
}
