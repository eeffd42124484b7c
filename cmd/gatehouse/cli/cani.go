package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) canICommand() *cobra.Command {
	var uid string
	cmd := a.verb("can-i RID ACTION", "Say whether you may do something, and why", "  gatehouse can-i dcos:adminrouter:ops:mesos full\n"+
		"  gatehouse can-i dcos:service:marathon:marathon:services:/prod update --as deployer",
		resourceAndAction, func(cmd *cobra.Command, args []string) error { return a.canI(cmd.Context(), uid, args[0], args[1]) })
	cmd.Long = "Says whether you, or somebody else, may do something to a resource, and why: which permission allows it and\n" +
		"through which group, or what would allow it. The exit status is 0 for yes and 1 for no. To ask about\n" +
		"somebody else needs a superuser, or full on dcos:adminrouter:acs."
	cmd.Flags().StringVar(&uid, "as", "", "ask about the user or service account with this `UID` (default: yourself)")
	_ = cmd.RegisterFlagCompletionFunc("as", a.completeAnyUID)
	cmd.ValidArgsFunction = a.completeGrant
	return a.common(cmd)
}

func resourceAndAction(cmd *cobra.Command, args []string) error {
	if len(args) != 2 {
		return usage(errors.New("a RID and an ACTION are needed"), "use: "+cmd.CommandPath()+" RID ACTION; see "+cmd.CommandPath()+" --help")
	}
	return checkActions(args[0], args[1:])
}

// explained is a decision with what there is to say about it.
type explained struct {
	client.Decision
	// groups are those of the user, and there what it may do to the resource by whichever way; both are only asked for a no.
	groups []string
	there  []client.Permission
}

func (a *app) canI(ctx context.Context, uid, rid, action string) error {
	t, err := a.find(false)
	if err != nil {
		return err
	}
	var e explained
	err = a.with(ctx, t, loggedIn, func(c *client.Client) (err error) {
		if uid == "" {
			uid = a.self(ctx, c)
		}
		if e.Decision, err = c.Explain(ctx, client.Query{UID: uid, RID: rid, Action: action}); err != nil || e.Allowed {
			return err
		}
		return e.ask(ctx, c)
	})
	if err != nil {
		return err
	}
	if e.Paths == nil {
		e.Paths = []client.GrantPath{}
	}
	if err := a.show(view{e.Decision, func(int) string { return e.text() }}); err != nil || e.Allowed {
		return err
	}
	return errSaid
}

// errSaid is the end of a verb whose answer is no, and who has said so.
var errSaid = fail(StatusFailed, errors.New("no"), "")

// errSealedSaid is errSaid where the answer is that a store is sealed.
var errSealedSaid = fail(StatusSealed, errSaid, "")

// Said reports whether the verb has said what there is to say about its error.
func Said(err error) bool { return errors.Is(err, errSaid) }

// ask finds out what the user may do instead.
func (e *explained) ask(ctx context.Context, c *client.Client) error {
	p, err := c.PermissionsOf(ctx, e.UID)
	groups, errGroups := c.GroupsOf(ctx, e.UID)
	e.groups = gids(groups)
	e.there = onResource(append(p.Direct, p.Groups...), e.RID)
	return errors.Join(err, errGroups)
}

func (e *explained) text() string {
	var lines []string
	if e.Allowed {
		lines = append(lines, fmt.Sprintf("yes: %s has %s on %s", e.UID, e.Action, e.RID))
		for _, p := range e.Paths {
			lines = append(lines, "  "+reason(p, e.UID))
		}
	} else {
		lines = append(append(lines, fmt.Sprintf("no: %s does not have %s on %s", e.UID, e.Action, e.RID)), e.whyNot()...)
	}
	for i, line := range lines {
		lines[i] = safe(line)
	}
	return strings.Join(lines, "\n") + "\n"
}

// whyNot says what is granted on the resource, and what would be needed.
func (e *explained) whyNot() (lines []string) {
	for _, p := range e.there {
		lines = append(lines, "  "+holder(p.GID, e.UID)+" has only "+names(p.Actions)+" there")
	}
	if len(e.there) == 0 {
		groups := ", which is in no group"
		if len(e.groups) > 0 {
			groups = ", nor to its groups: " + strings.Join(e.groups, ", ")
		}
		lines = append(lines, "  nothing is granted there to "+e.UID+groups)
	}
	return append(lines, "  this would let it: gatehouse permission grant "+quote(e.RID)+" "+e.Action+" --user "+quote(e.UID))
}

// reason says how a permission leads to a yes.
func reason(p client.GrantPath, uid string) string {
	text := holder(p.GID, uid) + " has " + strings.Join(p.Actions, ", ") + " on " + p.RID
	if p.RID == superuser {
		text += ", which allows everything"
	}
	return text
}

// holder is who has a permission.
func holder(gid, uid string) string {
	if gid != "" {
		return "its group " + gid
	}
	return uid
}
