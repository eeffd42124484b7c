package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) aclCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "acl", Short: "Protected resources: list, show, create, update, delete",
		Long: "Resources that something can be granted on, named by their rid: dcos:adminrouter:ops:mesos, or\n" +
			"dcos:service:marathon:marathon:services:/prod. Slashes are written as they are. To grant something,\n" +
			"gatehouse permission grant is enough: it creates the resource when it is missing.",
		Example: "  gatehouse acl list\n  gatehouse acl show dcos:superuser",
	})
	show := a.verb("show RID", "Show a resource, and who may do what to it", "  gatehouse acl show dcos:superuser", OneArg, a.asking(loggedIn, a.aclShow))
	show.ValidArgsFunction = a.completeRIDs
	cmd.AddCommand(
		a.verb("list", "List the protected resources", "  gatehouse acl list\n  gatehouse acl list --output json", NoArgs, a.asking(loggedIn, a.aclList)),
		show, a.aclCreateCommand(), a.aclUpdateCommand(), a.aclDeleteCommand())
	return a.common(cmd)
}

func (a *app) aclList(ctx context.Context, c *client.Client, _ []string) (view, error) {
	acls, err := c.ACLs(ctx)
	sortBy(acls, func(acl client.ACL) string { return acl.RID })
	t := &table{columns: []column{{head: "RID"}, {head: "DESCRIPTION", soft: true}}}
	for _, acl := range acls {
		t.add(acl.RID, acl.Description)
	}
	return view{listOf(acls), t.render}, err
}

// shownACL is a resource, and who may do what to it.
type shownACL struct {
	client.ACL
	Permissions client.ACLPermissions `json:"permissions"`
}

func (a *app) aclShow(ctx context.Context, c *client.Client, args []string) (view, error) {
	acl, err := c.ACL(ctx, args[0])
	if err != nil {
		return view{}, err
	}
	p, err := c.PermissionsOn(ctx, acl.RID)
	if err != nil {
		return view{}, err
	}
	sortGrants(&p)
	return stacked(details(shownACL{acl, p}, pair{"rid", acl.RID}, pair{"description", acl.Description},
		pair{"granted", none(len(p.Groups) + len(p.Users))}), grantsTable(p)), nil
}

func sortGrants(p *client.ACLPermissions) {
	p.Groups, p.Users = listOf(p.Groups).Array, listOf(p.Users).Array
	sortBy(p.Groups, func(g client.GroupGrant) string { return g.GID })
	sortBy(p.Users, func(u client.UserGrant) string { return u.UID })
}

func grantsTable(p client.ACLPermissions) *table {
	t := &table{columns: []column{{head: "WHO"}, {head: "MAY"}}}
	for _, g := range p.Groups {
		t.add("group "+g.GID, names(g.Actions))
	}
	for _, u := range p.Users {
		t.add("user "+u.UID, names(u.Actions))
	}
	return t
}

func (a *app) aclCreateCommand() *cobra.Command {
	var text string
	cmd := a.verb("create RID", "Create a protected resource", "  gatehouse acl create dcos:adminrouter:service:grafana --description 'The dashboards'", OneArg,
		a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			rid := args[0]
			err := settle(c.CreateACL(ctx, rid, text), "gatehouse acl show "+quote(rid))
			return sentence(result{Result: "created", RID: rid}, "Created the resource %s.", rid), err
		}))
	cmd.Flags().StringVar(&text, "description", "", "a `TEXT` for people")
	return cmd
}

func (a *app) aclUpdateCommand() *cobra.Command {
	return a.describeCommand("update RID", "Change the description of a resource", "  gatehouse acl update dcos:adminrouter:service:grafana --description Dashboards", a.completeRIDs,
		func(ctx context.Context, c *client.Client, rid, text string) (view, error) {
			err := settle(c.UpdateACL(ctx, rid, text), "gatehouse acl show "+quote(rid))
			return sentence(result{Result: "updated", RID: rid}, "Updated the resource %s.", rid), err
		})
}

func (a *app) aclDeleteCommand() *cobra.Command {
	cmd := a.verb("delete RID", "Delete a resource, with everything that is granted on it", "  gatehouse acl delete --yes dcos:adminrouter:service:wiki", OneArg,
		func(cmd *cobra.Command, args []string) error {
			rid := args[0]
			if err := a.confirm(cmd.Context(), fmt.Sprintf("Delete the resource %s, and what is granted on it? This cannot be undone.", safe(rid))); err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
				err := settle(c.DeleteACL(ctx, rid), "gatehouse acl show "+quote(rid))
				return sentence(result{Result: "deleted", RID: rid}, "Deleted the resource %s.", rid), err
			})(cmd, nil)
		})
	a.addYes(cmd)
	cmd.ValidArgsFunction = a.completeRIDs
	return cmd
}
