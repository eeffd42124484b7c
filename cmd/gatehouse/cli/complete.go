package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// completionTime is how long a shell may wait for the cluster after Tab.
const completionTime = 2 * time.Second

// completing makes a function that asks the cluster for what fits. It is silent about errors: a shell has no use for them.
func (a *app) completing(ask func(ctx context.Context, c *client.Client) ([]string, error)) completion {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), completionTime)
		defer cancel()
		t, err := a.find(false)
		if err != nil || t.token == "" && t.serviceKey == "" {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := a.connect(t, loggedIn)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		found, _ := ask(ctx, c)
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// only completes the first argument.
func only(complete completion) completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, typed)
	}
}

// described is a completion and what a shell shows beside it.
func described(id, text string) string { return safe(id) + "\t" + safe(text) }

func (a *app) completeAnyUID(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completing(func(ctx context.Context, c *client.Client) ([]string, error) {
		users, err := c.Users(ctx)
		accounts, errAccounts := c.ServiceAccounts(ctx)
		var found []string
		for _, u := range append(users, accounts...) {
			found = append(found, described(u.UID, first(u.Description, kind(u))))
		}
		if err == nil {
			err = errAccounts
		}
		return found, err
	})(cmd, args, typed)
}

func (a *app) completeAnyGID(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completing(func(ctx context.Context, c *client.Client) (found []string, err error) {
		groups, err := c.Groups(ctx)
		for _, g := range groups {
			found = append(found, described(g.GID, g.Description))
		}
		return found, err
	})(cmd, args, typed)
}

func (a *app) completeAnyRID(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completing(func(ctx context.Context, c *client.Client) (found []string, err error) {
		acls, err := c.ACLs(ctx)
		for _, acl := range acls {
			found = append(found, described(acl.RID, acl.Description))
		}
		if client.IsCode(err, "ERR_FORBIDDEN") {
			return a.ownRIDs(ctx, c)
		}
		return found, err
	})(cmd, args, typed)
}

// ownRIDs are the resources on which somebody has something who may not see all of them.
func (a *app) ownRIDs(ctx context.Context, c *client.Client) (found []string, err error) {
	p, err := c.PermissionsOf(ctx, a.self(ctx, c))
	for _, mine := range onResource(append(p.Direct, p.Groups...), "") {
		found = append(found, described(mine.RID, mine.Description))
	}
	return slices.Compact(found), err
}

func (a *app) completeUIDs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return only(a.completeAnyUID)(cmd, args, typed)
}

func (a *app) completeGIDs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return only(a.completeAnyGID)(cmd, args, typed)
}

func (a *app) completeRIDs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return only(a.completeAnyRID)(cmd, args, typed)
}

// completeGrant completes a resource, then actions.
func (a *app) completeGrant(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeAnyRID(cmd, args, typed)
	}
	left := slices.DeleteFunc(client.Actions(), func(action string) bool { return slices.Contains(args[1:], action) })
	return left, cobra.ShellCompDirectiveNoFileComp
}

// completeMember completes a group, then who can be added to it, or removed.
func (a *app) completeMember(change string) completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			return a.completeAnyGID(cmd, args, typed)
		case change == "add":
			return a.completeAnyUID(cmd, args, typed)
		}
		return a.completing(func(ctx context.Context, c *client.Client) (found []string, err error) {
			members, err := c.Members(ctx, args[0])
			for _, u := range members {
				found = append(found, described(u.UID, u.Description))
			}
			return found, err
		})(cmd, args, typed)
	}
}

// completeAnyStore completes the names of stores of secrets.
func (a *app) completeAnyStore(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completing(func(ctx context.Context, c *client.Client) (found []string, err error) {
		stores, err := c.Stores(ctx)
		for _, s := range stores {
			found = append(found, described(s.Name, storeState(s)))
		}
		return found, err
	})(cmd, args, typed)
}

func (a *app) completeStores(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return only(a.completeAnyStore)(cmd, args, typed)
}

// completeSecrets completes a path by one segment at a time, as shells do with files.
func (a *app) completeSecrets(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	dir := typed[:strings.LastIndexByte(typed, '/')+1]
	return a.completePaths(cmd, args, typed, func(ctx context.Context, c *client.Client) ([]string, error) {
		return c.ListSecrets(ctx, a.storeName, dir)
	})
}

// completeDeleted does the same with what was deleted.
func (a *app) completeDeleted(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	dir := typed[:strings.LastIndexByte(typed, '/')+1]
	return a.completePaths(cmd, args, typed, func(ctx context.Context, c *client.Client) (names []string, err error) {
		secrets, err := c.DeletedSecrets(ctx, a.storeName, dir)
		for _, s := range secrets {
			names = append(names, strings.TrimPrefix(s.Path, strings.TrimPrefix(dir, "/")))
		}
		return names, err
	})
}

// completePaths completes the first argument by a segment; list answers paths relative to the directory that is typed already. No space
// follows a directory.
func (a *app) completePaths(cmd *cobra.Command, args []string, typed string, list func(context.Context, *client.Client) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	dir := typed[:strings.LastIndexByte(typed, '/')+1]
	found, directive := only(a.completing(func(ctx context.Context, c *client.Client) (found []string, err error) {
		names, err := list(ctx, c)
		for _, name := range names {
			segment, _, deep := strings.Cut(name, "/")
			if deep {
				segment += "/"
			}
			found = append(found, safe(dir+segment))
		}
		return slices.Compact(found), err
	}))(cmd, args, typed)
	if slices.ContainsFunc(found, func(name string) bool { return strings.HasSuffix(name, "/") }) {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return found, directive
}
