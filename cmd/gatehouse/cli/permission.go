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

func (a *app) permissionCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "permission", Short: "Permissions: grant, revoke, show",
		Long: "What users, service accounts and groups may do to which resource. The actions are create, read, update,\n" +
			"delete and full, which includes the others. gatehouse can-i says whether somebody may do something, and why.",
		Example: "  gatehouse permission show",
	})
	cmd.AddCommand(a.grantCommand(), a.revokeCommand(), a.permissionShowCommand())
	return a.common(cmd)
}

// principalFlags name a user or a group.
type principalFlags struct{ uid, gid string }

func (f *principalFlags) add(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.uid, "user", "", "the user or service account with this `UID`")
	cmd.Flags().StringVar(&f.gid, "group", "", "the group with this `GID`")
	_ = cmd.RegisterFlagCompletionFunc("user", a.completeAnyUID)
	_ = cmd.RegisterFlagCompletionFunc("group", a.completeAnyGID)
}

func (f *principalFlags) given() bool { return f.uid != "" || f.gid != "" }

// principal is the one that is named.
func (f *principalFlags) principal() (client.Principal, error) {
	switch {
	case f.uid != "" && f.gid != "":
		return client.Principal{}, usage(errors.New("--user and --group: want one of them"), "")
	case f.uid != "":
		return client.UserPrincipal(f.uid), nil
	case f.gid != "":
		return client.GroupPrincipal(f.gid), nil
	}
	return client.Principal{}, usage(errors.New("whose permission?"), "use --user UID or --group GID")
}

func (f *principalFlags) flag() string {
	if f.gid != "" {
		return "--group " + quote(f.gid)
	}
	return "--user " + quote(f.uid)
}

// checkActions refuses what is no action before anybody is asked.
func checkActions(rid string, actions []string) error {
	for _, action := range actions {
		if slices.Contains(client.Actions(), action) {
			continue
		}
		advice := "want one of " + strings.Join(client.Actions(), ", ")
		if slices.Contains(client.Actions(), rid) {
			advice += "\nthe resource comes first, then the actions"
		}
		return usage(fmt.Errorf("%q is no action", safe(action)), advice)
	}
	return nil
}

// granted is what programs are shown of a permission that was granted or revoked.
type granted struct {
	Result  string   `json:"result"`
	RID     string   `json:"rid"`
	UID     string   `json:"uid,omitempty"`
	GID     string   `json:"gid,omitempty"`
	Actions []string `json:"actions"`
}

// grant is a permission that is being granted or revoked.
type grant struct {
	principalFlags
	rid         string
	actions     []string
	who         client.Principal
	description string // of the resource, if it is created
	all         bool   // of the actions are revoked
}

// parse reads the arguments.
func (g *grant) parse(args []string) (err error) {
	if len(args) == 0 {
		return usage(errors.New("the RID is missing"), "say which resource, for example dcos:adminrouter:ops:mesos")
	}
	g.rid, g.actions = args[0], args[1:]
	if err := checkActions(g.rid, g.actions); err != nil {
		return err
	}
	g.who, err = g.principal()
	return err
}

func (g *grant) shown(result string) granted {
	return granted{result, g.rid, g.uid, g.gid, g.actions}
}

func (g *grant) look() string { return "gatehouse permission show " + quote(g.rid) + " " + g.flag() }

func (a *app) grantCommand() *cobra.Command {
	var g grant
	cmd := a.verb("grant RID ACTION...", "Let a user, service account or group do something", "  gatehouse permission grant dcos:adminrouter:ops:mesos full --group ops\n"+
		"  gatehouse permission grant dcos:service:marathon:marathon:services:/prod read update --user deployer",
		anyArgs, func(cmd *cobra.Command, args []string) error {
			err := g.parse(args)
			if err == nil && len(g.actions) == 0 {
				err = usage(errors.New("the ACTION is missing"), "want one or more of "+strings.Join(client.Actions(), ", "))
			}
			if err != nil {
				return err
			}
			return a.asking(loggedIn, g.grant)(cmd, nil)
		})
	cmd.Long = "Grants actions on a resource. A resource that is missing is created; one that exists is left as it is. What\n" +
		"was granted before stays granted, and is no error."
	cmd.Flags().StringVar(&g.description, "description", "Created with the Gatehouse command line", "the description of the resource, if it is created; a `TEXT` for people")
	g.add(a, cmd)
	cmd.ValidArgsFunction = a.completeGrant
	return cmd
}

func anyArgs(*cobra.Command, []string) error { return nil }

func (g *grant) grant(ctx context.Context, c *client.Client, _ []string) (view, error) {
	before := 0
	for _, action := range g.actions {
		err := c.Grant(ctx, g.rid, g.who, action)
		if client.IsCode(err, "ERR_UNKNOWN_RESOURCE_ID") {
			if err = g.createACL(ctx, c); err == nil {
				err = c.Grant(ctx, g.rid, g.who, action)
			}
		}
		if client.IsCode(err, "ERR_PERMISSION_EXISTS") {
			before++
			err = nil
		}
		if err != nil {
			return view{}, settle(err, g.look())
		}
	}
	if before == len(g.actions) {
		return sentence(g.shown("unchanged"), "The %s had %s on %s before; nothing was changed.", g.who, strings.Join(g.actions, ", "), g.rid), nil
	}
	return sentence(g.shown("granted"), "Granted %s on %s to the %s.", strings.Join(g.actions, ", "), g.rid, g.who), nil
}

// createACL creates the resource, once it is certain that somebody is there to be granted something on it.
func (g *grant) createACL(ctx context.Context, c *client.Client) (err error) {
	if g.who.Group() {
		_, err = c.Group(ctx, g.who.ID())
	} else {
		_, err = c.User(ctx, g.who.ID())
	}
	if err != nil {
		return err
	}
	if err = c.CreateACL(ctx, g.rid, g.description); client.IsCode(err, "ERR_ACL_EXISTS") {
		return nil // somebody else was faster
	}
	return err
}

func (a *app) revokeCommand() *cobra.Command {
	var g grant
	cmd := a.verb("revoke RID ACTION...", "End what was granted to a user, service account or group", "  gatehouse permission revoke dcos:adminrouter:ops:mesos full --group ops\n"+
		"  gatehouse permission revoke dcos:service:marathon:marathon:services:/prod --all --user deployer",
		anyArgs, func(cmd *cobra.Command, args []string) error {
			if err := g.parse(args); err != nil {
				return err
			}
			if g.all == (len(g.actions) > 0) {
				return usage(errors.New("which actions?"), "name them, or say --all")
			}
			return a.asking(loggedIn, g.revoke(a))(cmd, nil)
		})
	cmd.Long = "Ends what was granted, on every master from the next request on. It says so when the user may still do it\n" +
		"for another reason, through a group for example."
	cmd.Flags().BoolVar(&g.all, "all", false, "whatever was granted on the resource")
	g.add(a, cmd)
	cmd.ValidArgsFunction = a.completeGrant
	return cmd
}

func (g *grant) revoke(a *app) func(context.Context, *client.Client, []string) (view, error) {
	return func(ctx context.Context, c *client.Client, _ []string) (v view, err error) {
		if g.all {
			err = c.RevokeAll(ctx, g.rid, g.who)
			v = sentence(g.shown("revoked"), "Revoked everything on %s from the %s.", g.rid, g.who)
		} else {
			for i := 0; i < len(g.actions) && err == nil; i++ {
				err = c.Revoke(ctx, g.rid, g.who, g.actions[i])
			}
			v = sentence(g.shown("revoked"), "Revoked %s on %s from the %s.", strings.Join(g.actions, ", "), g.rid, g.who)
		}
		if err != nil {
			return v, settle(err, g.look())
		}
		a.warnStillAllowed(ctx, c, g)
		return v, nil
	}
}

// warnStillAllowed tells about a user who may still do what was revoked.
func (a *app) warnStillAllowed(ctx context.Context, c *client.Client, g *grant) {
	actions := g.actions
	if g.all {
		actions = client.Actions()
	}
	if g.who.Group() {
		return
	}
	p, err := c.PermissionsOf(ctx, g.uid) // and not Explain: every decision is audited, and nobody asked for one
	if err != nil {
		return
	}
	for _, p := range append(p.Direct, p.Groups...) {
		for _, action := range actions {
			if !allows(p, g.rid, action) {
				continue
			}
			path := client.GrantPath{RID: p.RID, GID: p.GID}
			for _, each := range p.Actions {
				path.Actions = append(path.Actions, each.Name)
			}
			fmt.Fprintf(a.env.Stderr, "Note: %s still has %s there: %s.\n", safe(g.uid), action, safe(reason(path, g.uid)))
			return
		}
	}
}

// allows reports whether a permission lets somebody do something to a resource: whoever has anything on dcos:superuser may do everything.
func allows(p client.Permission, rid, action string) bool {
	return p.RID == superuser || p.RID == rid && slices.ContainsFunc(p.Actions, func(a client.Action) bool { return a.Name == action || a.Name == "full" })
}
