package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) groupCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "group", Short: "Groups: list, show, create, update, delete, add and remove members",
		Long:    "Groups of users and service accounts. What is granted to a group (gatehouse permission grant), its\nmembers may do.",
		Example: "  gatehouse group list\n  gatehouse group show superusers",
	})
	show := a.verb("show GID", "Show a group, its members and what they may do", "  gatehouse group show superusers", OneArg, a.asking(loggedIn, a.groupShow))
	show.ValidArgsFunction = a.completeGIDs
	cmd.AddCommand(
		a.verb("list", "List the groups", "  gatehouse group list\n  gatehouse group list --output json", NoArgs, a.asking(loggedIn, a.groupList)),
		show, a.groupCreateCommand(), a.groupUpdateCommand(), a.groupDeleteCommand(),
		a.memberCommand("add", "Put users or service accounts into a group", "  gatehouse group add ops bob deployer", "Added %s to the group %s.",
			(*client.Client).AddMember),
		a.memberCommand("remove", "Take users or service accounts out of a group", "  gatehouse group remove ops bob", "Removed %s from the group %s.",
			(*client.Client).RemoveMember))
	return a.common(cmd)
}

func (a *app) groupList(ctx context.Context, c *client.Client, _ []string) (view, error) {
	groups, err := c.Groups(ctx)
	sortBy(groups, func(g client.Group) string { return g.GID })
	t := &table{columns: []column{{head: "GID"}, {head: "PROVIDER"}, {head: "DESCRIPTION", soft: true}}}
	for _, g := range groups {
		t.add(g.GID, g.ProviderType, g.Description)
	}
	return view{listOf(groups), t.render}, err
}

// sortBy sorts by a name that is unique.
func sortBy[T any](items []T, name func(T) string) {
	slices.SortFunc(items, func(x, y T) int { return strings.Compare(name(x), name(y)) })
}

// shownGroup is a group with all that there is to know about it.
type shownGroup struct {
	client.Group
	Members     []client.User       `json:"members"`
	Permissions []client.Permission `json:"permissions"`
}

func (a *app) groupShow(ctx context.Context, c *client.Client, args []string) (view, error) {
	g, err := c.Group(ctx, args[0])
	if err != nil {
		return view{}, err
	}
	members, errMembers := c.Members(ctx, g.GID)
	permissions, err := c.PermissionsOfGroup(ctx, g.GID)
	if err := errors.Join(errMembers, err); err != nil {
		return view{}, err
	}
	sortUsers(members)
	sortBy(permissions, func(p client.Permission) string { return p.RID })
	who := &table{columns: []column{{head: "MEMBER"}, {head: "KIND"}, {head: "DESCRIPTION", soft: true}}}
	for _, u := range members {
		who.add(u.UID, kind(u), u.Description)
	}
	data := shownGroup{g, listOf(members).Array, listOf(permissions).Array}
	return stacked(details(data, pair{"gid", g.GID}, pair{"description", g.Description}, pair{"provider", g.ProviderType},
		pair{"members", none(len(members))}, pair{"permissions", none(len(permissions))}), who, permissionsTable(permissions)), nil
}

// kind is what a user is, for people.
func kind(u client.User) string {
	if u.IsService {
		return "service account"
	}
	return "user"
}

// none says that there is nothing to list; what there is, a table shows.
func none(n int) string {
	if n == 0 {
		return "none"
	}
	return ""
}

// names are the actions of a permission.
func names(actions []client.Action) string {
	var all []string
	for _, action := range actions {
		all = append(all, action.Name)
	}
	return strings.Join(all, ", ")
}

func (a *app) groupCreateCommand() *cobra.Command {
	var g client.NewGroup
	cmd := a.verb("create GID", "Create a group", "  gatehouse group create ops --description Operations", OneArg,
		a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			g.GID = args[0]
			err := settle(c.CreateGroup(ctx, g), "gatehouse group show "+quote(g.GID))
			return sentence(result{Result: "created", GID: g.GID}, "Created the group %s.", g.GID), err
		}))
	cmd.Flags().StringVar(&g.Description, "description", "", "a `TEXT` for people")
	return cmd
}

func (a *app) groupUpdateCommand() *cobra.Command {
	return a.describeCommand("update GID", "Change the description of a group", "  gatehouse group update ops --description 'Operations and support'", a.completeGIDs,
		func(ctx context.Context, c *client.Client, gid, text string) (view, error) {
			err := settle(c.UpdateGroup(ctx, gid, text), "gatehouse group show "+quote(gid))
			return sentence(result{Result: "updated", GID: gid}, "Updated the group %s.", gid), err
		})
}

// completion completes an argument.
type completion = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// describeCommand changes a description, where there is nothing else to change.
func (a *app) describeCommand(use, short, example string, complete completion, do func(ctx context.Context, c *client.Client, id, text string) (view, error)) *cobra.Command {
	var text string
	cmd := a.verb(use, short, example, OneArg, func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("description") {
			return usage(errors.New("nothing to change"), "use --description TEXT")
		}
		return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			return do(ctx, c, args[0], text)
		})(cmd, args)
	})
	cmd.Flags().StringVar(&text, "description", "", "the new description, a `TEXT` for people")
	cmd.ValidArgsFunction = complete
	return cmd
}

func (a *app) groupDeleteCommand() *cobra.Command {
	cmd := a.verb("delete GID", "Delete a group; its members stay, what they may do through it ends", "  gatehouse group delete --yes support", OneArg,
		func(cmd *cobra.Command, args []string) error {
			gid := args[0]
			if err := a.confirm(cmd.Context(), fmt.Sprintf("Delete the group %s, and what was granted to it? This cannot be undone.", safe(gid))); err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
				err := settle(c.DeleteGroup(ctx, gid), "gatehouse group show "+quote(gid))
				return sentence(result{Result: "deleted", GID: gid}, "Deleted the group %s.", gid), err
			})(cmd, nil)
		})
	a.addYes(cmd)
	cmd.ValidArgsFunction = a.completeGIDs
	return cmd
}

// memberCommand changes who is in a group, one after the other.
func (a *app) memberCommand(name, short, example, done string, change func(c *client.Client, ctx context.Context, gid, uid string) error) *cobra.Command {
	cmd := a.verb(name+" GID UID...", short, example, groupAndUsers, a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
		gid, uids := args[0], args[1:]
		for i, uid := range uids {
			if err := settle(change(c, ctx, gid, uid), "gatehouse group show "+quote(gid)); err != nil {
				return view{}, a.halfway(err, uids[:i])
			}
		}
		return sentence(membersChanged{map[string]string{"add": "added", "remove": "removed"}[name], gid, uids}, done, strings.Join(uids, ", "), gid), nil
	}))
	cmd.ValidArgsFunction = a.completeMember(name)
	return cmd
}

// membersChanged is what programs are shown of a group that got or lost members.
type membersChanged struct {
	Result string   `json:"result"`
	GID    string   `json:"gid"`
	UIDs   []string `json:"uids"`
}

// halfway tells whom a change had reached before it failed.
func (a *app) halfway(err error, done []string) error {
	if len(done) > 0 {
		fmt.Fprintf(a.env.Stderr, "Done for %s; not for the others.\n", safe(strings.Join(done, ", ")))
	}
	return err
}

func groupAndUsers(cmd *cobra.Command, args []string) error {
	if len(args) >= 2 {
		return nil
	}
	return usage(errors.New("a GID and at least one UID are needed"), "use: "+cmd.CommandPath()+" GID UID...; see "+cmd.CommandPath()+" --help")
}
