package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) permissionShowCommand() *cobra.Command {
	var f principalFlags
	cmd := a.verb("show [RID]", "Show what you may do, or what others may", "  gatehouse permission show\n  gatehouse permission show dcos:superuser\n"+
		"  gatehouse permission show --user deployer\n  gatehouse permission show dcos:superuser --group superusers",
		cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				return a.permissionShow(ctx, c, &f, args)
			})(cmd, args)
		})
	cmd.Long = "Shows what you may do yourself, directly and through groups; with --user or --group what somebody else may;\n" +
		"with a RID who may do what to that resource. Everybody may ask about himself."
	f.add(a, cmd)
	cmd.ValidArgsFunction = a.completeRIDs
	return cmd
}

func (a *app) permissionShow(ctx context.Context, c *client.Client, f *principalFlags, args []string) (view, error) {
	rid := strings.Join(args, "")
	if len(args) > 0 && !f.given() {
		p, err := c.PermissionsOn(ctx, rid)
		sortGrants(&p)
		return view{p, grantsTable(p).render}, err
	}
	if !f.given() {
		f.uid = a.self(ctx, c)
	}
	who, err := f.principal()
	if err != nil {
		return view{}, err
	}
	if who.Group() {
		permissions, err := c.PermissionsOfGroup(ctx, who.ID())
		permissions = onResource(permissions, rid)
		return view{listOf(permissions), permissionsTable(permissions).render}, err
	}
	p, err := c.PermissionsOf(ctx, who.ID())
	p.Direct, p.Groups = onResource(p.Direct, rid), onResource(p.Groups, rid)
	return view{p, permissionsTable(slices.Concat(p.Direct, p.Groups)).render}, err
}

// self is the uid of the login.
func (a *app) self(ctx context.Context, c *client.Client) string {
	raw, err := c.Token(ctx)
	if err != nil {
		return ""
	}
	claims, _ := readToken(raw)
	return claims.UID
}

// onResource keeps the permissions on a resource, or all if that is "", in the order of the rids.
func onResource(permissions []client.Permission, rid string) []client.Permission {
	kept := slices.DeleteFunc(listOf(permissions).Array, func(p client.Permission) bool { return rid != "" && p.RID != rid })
	slices.SortFunc(kept, func(x, y client.Permission) int {
		return cmp.Or(strings.Compare(x.RID, y.RID), strings.Compare(x.GID, y.GID))
	})
	return kept
}

// permissionsTable shows permissions, and through which groups they come if any does.
func permissionsTable(permissions []client.Permission) *table {
	t := &table{columns: []column{{head: "ON RESOURCE"}, {head: "MAY"}}}
	if slices.ContainsFunc(permissions, func(p client.Permission) bool { return p.GID != "" }) {
		t.columns = append(t.columns, column{head: "THROUGH"})
	}
	for _, p := range permissions {
		through := "itself"
		if p.GID != "" {
			through = "group " + p.GID
		}
		t.add([]string{p.RID, names(p.Actions), through}[:len(t.columns)]...)
	}
	return t
}
