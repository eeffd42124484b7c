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

func (a *app) userCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "user", Short: "Users: list, show, create, update, delete, revoke tokens, forget subjects",
		Example: "  gatehouse user list\n  gatehouse user show alice",
	})
	show := a.verb("show UID", "Show a user or a service account, its groups and permissions", "  gatehouse user show alice", OneArg, a.asking(loggedIn, a.userShow))
	show.ValidArgsFunction = a.completeUIDs
	cmd.AddCommand(
		a.verb("list", "List the users", "  gatehouse user list\n  gatehouse user list --output json", NoArgs, a.asking(loggedIn, a.userList)),
		show,
		a.userCreateCommand(), a.userUpdateCommand(), a.deleteCommand("user", "carol"), a.userRevokeCommand(), a.userForgetCommand())
	return a.common(cmd)
}

func (a *app) userList(ctx context.Context, c *client.Client, _ []string) (view, error) {
	users, err := c.Users(ctx)
	sortUsers(users)
	t := &table{columns: []column{{head: "UID"}, {head: "PROVIDER"}, {head: "DESCRIPTION", soft: true}}}
	for _, u := range users {
		t.add(u.UID, provider(u), u.Description)
	}
	return view{listOf(users), t.render}, err
}

func sortUsers(users []client.User) {
	slices.SortFunc(users, func(x, y client.User) int { return strings.Compare(x.UID, y.UID) })
}

func provider(u client.User) string { return strings.TrimSpace(u.ProviderType + " " + u.ProviderID) }

func (a *app) userShow(ctx context.Context, c *client.Client, args []string) (view, error) {
	u, err := c.User(ctx, args[0])
	if err != nil {
		return view{}, err
	}
	groups, errGroups := c.GroupsOf(ctx, u.UID)
	p, err := c.PermissionsOf(ctx, u.UID)
	if err := errors.Join(errGroups, err); err != nil {
		return view{}, err
	}
	sortBy(groups, func(g client.Group) string { return g.GID })
	p.Direct, p.Groups = onResource(p.Direct, ""), onResource(p.Groups, "")
	may := permissionsTable(slices.Concat(p.Direct, p.Groups))
	return stacked(details(shownUser{u, groups, p}, pair{"uid", u.UID}, pair{"kind", kind(u)}, pair{"description", u.Description},
		pair{"provider", provider(u)}, pair{"public key", fingerprint(u.PublicKey)},
		pair{"groups", first(strings.Join(gids(groups), ", "), "none")}, pair{"permissions", none(len(may.rows))}), may), nil
}

// shownUser is a user with all that there is to know about it.
type shownUser struct {
	client.User
	Groups      []client.Group     `json:"groups"`
	Permissions client.Permissions `json:"permissions"`
}

func (a *app) userCreateCommand() *cobra.Command {
	var u client.NewUser
	var password passwordFlags
	cmd := a.verb("create UID", "Create a user", "  gatehouse user create bob\n"+
		"  gatehouse user create carol --description 'Carol in Operations' --password-file password.txt\n"+
		"  gatehouse user create dave@example.com --provider-type oidc --provider-id example-idp",
		OneArg, func(cmd *cobra.Command, args []string) error {
			u.UID = args[0]
			return a.userCreate(cmd, u, &password)
		})
	cmd.Long = "Creates a user. Asks for the password on a terminal. Users of an identity provider have none."
	cmd.Flags().StringVar(&u.Description, "description", "", "a `TEXT` for people")
	cmd.Flags().StringVar(&u.ProviderType, "provider-type", "", "`TYPE` of the identity provider: ldap, oidc or saml (default: internal, with a password)")
	cmd.Flags().StringVar(&u.ProviderID, "provider-id", "", "`ID` of the identity provider")
	password.add(cmd.Flags(), "", "the user's password")
	return cmd
}

const howToGivePassword = "use --password-file FILE or --password-stdin"

func (a *app) userCreate(cmd *cobra.Command, u client.NewUser, password *passwordFlags) (err error) {
	given := password.given(cmd.Flags(), "") > 0
	internal := u.ProviderType == "" || u.ProviderType == "internal"
	switch {
	case given && !internal:
		return usage(fmt.Errorf("a user of an identity provider (--provider-type %s) has no password", u.ProviderType), "")
	case given:
		u.Password, err = password.read(a, cmd.Flags(), "")
	case internal:
		u.Password, err = a.askNewPassword(cmd.Context(), u.UID, howToGivePassword)
	}
	if err != nil {
		return err
	}
	return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
		err := settle(c.CreateUser(ctx, u), "gatehouse user show "+quote(u.UID))
		return sentence(result{Result: "created", UID: u.UID}, "Created user %s.", u.UID), err
	})(cmd, nil)
}

// updateFlags are what user update changes.
type updateFlags struct {
	description       string
	ask               bool
	password, current passwordFlags
}

func (a *app) userUpdateCommand() *cobra.Command {
	var f updateFlags
	cmd := a.verb("update UID", "Change a description or a password", "  gatehouse user update carol --description 'Carol in Security'\n"+
		"  gatehouse user update carol --ask-password\n  head -c 18 /dev/urandom | base64 | gatehouse user update bob --password-stdin",
		OneArg, func(cmd *cobra.Command, args []string) error { return a.userUpdate(cmd, args[0], &f) })
	cmd.Long = "Changes a description, a password or both. Who is no superuser and changes its own password has to know\n" +
		"the current one, and is asked for it on a terminal."
	cmd.Flags().StringVar(&f.description, "description", "", "the new description, a `TEXT` for people")
	cmd.Flags().BoolVar(&f.ask, "ask-password", false, "ask for a new password on the terminal")
	f.password.add(cmd.Flags(), "", "the new password")
	f.current.add(cmd.Flags(), "current-", "the current password")
	cmd.ValidArgsFunction = a.completeUIDs
	return cmd
}

func (a *app) userUpdate(cmd *cobra.Command, uid string, f *updateFlags) error {
	change, err := a.userChange(cmd, uid, f)
	if err != nil {
		return err
	}
	return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
		err := c.UpdateUser(ctx, uid, change)
		if wantsCurrent(err) && change.CurrentPassword == nil {
			current, asked := a.askPassword(ctx, "Current password of "+safe(uid)+": ", "use --current-password-file FILE or --current-password-stdin")
			if asked != nil {
				return view{}, asked
			}
			change.CurrentPassword = &current
			err = c.UpdateUser(ctx, uid, change)
		}
		return sentence(result{Result: "updated", UID: uid}, "Updated user %s.", uid), settle(err, "gatehouse user show "+quote(uid))
	})(cmd, nil)
}

// wantsCurrent reports whether the master asks for the current password (contract 9, decision 25).
func wantsCurrent(err error) bool {
	return client.IsCode(err, "ERR_INVALID_DATA") && strings.Contains(err.Error(), "`current_password` must be provided")
}

// userChange is what the flags say.
func (a *app) userChange(cmd *cobra.Command, uid string, f *updateFlags) (change client.UserUpdate, err error) {
	flags := cmd.Flags()
	given := f.password.given(flags, "")
	switch {
	case !flags.Changed("description") && given == 0 && !f.ask:
		return change, usage(errors.New("nothing to change"), "use --description TEXT, --ask-password, --password-file FILE or --password-stdin")
	case f.ask && given > 0:
		return change, usage(errors.New("--ask-password and a password: want one of them"), "")
	case f.password.stdin && f.current.stdin:
		return change, usage(errors.New("--password-stdin and --current-password-stdin: want one of them"), "")
	}
	if flags.Changed("description") {
		change.Description = &f.description
	}
	if f.current.given(flags, "current-") > 0 {
		current, err := f.current.read(a, flags, "current-")
		if err != nil {
			return change, err
		}
		change.CurrentPassword = &current
	}
	if !f.ask && given == 0 {
		return change, nil
	}
	password, err := "", error(nil)
	if f.ask {
		password, err = a.askNewPassword(cmd.Context(), uid, howToGivePassword)
	} else {
		password, err = f.password.read(a, flags, "")
	}
	change.Password = &password
	return change, err
}

// deleteCommand deletes users or service accounts; example is one.
func (a *app) deleteCommand(kind, example string) *cobra.Command {
	group := strings.ReplaceAll(kind, " ", "-")
	cmd := a.verb("delete UID", "Delete a "+kind+", whose tokens end at once", "  gatehouse "+group+" delete --yes "+example,
		OneArg, func(cmd *cobra.Command, args []string) error {
			uid := args[0]
			if err := a.confirm(cmd.Context(), fmt.Sprintf("Delete the %s %s? This cannot be undone.", kind, safe(uid))); err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
				err := settle(c.DeleteUser(ctx, uid), "gatehouse "+group+" show "+quote(uid))
				return sentence(result{Result: "deleted", UID: uid}, "Deleted %s %s.", kind, uid), err
			})(cmd, nil)
		})
	a.addYes(cmd)
	cmd.ValidArgsFunction = a.completeUIDs
	return cmd
}

func (a *app) userRevokeCommand() *cobra.Command {
	cmd := a.verb("revoke-tokens UID", "End all tokens of a user or service account now", "  gatehouse user revoke-tokens bob",
		OneArg, a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			r, err := c.RevokeTokens(ctx, args[0])
			return sentence(r, "All tokens that %s was given before %s are refused now.", args[0], timestamp(r.NotBefore)),
				settle(err, "revoking again does no harm: gatehouse user revoke-tokens "+quote(args[0]))
		}))
	cmd.ValidArgsFunction = a.completeUIDs
	return cmd
}

func (a *app) userForgetCommand() *cobra.Command {
	cmd := a.verb("forget-subject UID...", "Forget what an identity provider calls the person of a user", "  gatehouse user forget-subject carol@example.com",
		someUIDs, a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			for i, uid := range args {
				if err := settle(c.ForgetSubject(ctx, uid), "forgetting again does no harm: gatehouse user forget-subject "+quote(uid)); err != nil {
					return view{}, a.halfway(err, args[:i])
				}
			}
			return sentence(subjectsForgotten{"forgotten", args}, "Forgot what the identity provider calls %s. The next login decides.", strings.Join(args, ", ")), nil
		}))
	cmd.Long = "Through an identity provider a user is one person: whoever logged in first. When the provider calls that\n" +
		"same person something else since, because it was set up anew for example, the person is refused until this is\n" +
		"said. It grants nothing by itself, but whoever logs in next, through the same provider under that uid, is the\n" +
		"user from then on, with its permissions: have the person log in at once. A user whose name is somebody else's\n" +
		"by now is to be deleted instead. Local users, service accounts and users of the directory stay as they are.\n" +
		"Needs a superuser."
	cmd.ValidArgsFunction = a.completeAnyUID
	return cmd
}

// subjectsForgotten is what programs are shown of users whose subjects were forgotten.
type subjectsForgotten struct {
	Result string   `json:"result"`
	UIDs   []string `json:"uids"`
}

func someUIDs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return nil
	}
	return usage(errors.New("the UID is missing"), "use: "+cmd.CommandPath()+" UID...; see "+cmd.CommandPath()+" --help")
}

func (a *app) revokeTokensCommand() *cobra.Command {
	var all bool
	cmd := a.verb("revoke-tokens", "End all tokens of everybody now", "  gatehouse revoke-tokens --all --yes", NoArgs,
		func(cmd *cobra.Command, _ []string) error { return a.revokeAll(cmd, all) })
	cmd.Long = "Ends all tokens of all users and services, your own included: everybody has to log in again. For one\n" +
		"user there is gatehouse user revoke-tokens."
	cmd.Flags().BoolVar(&all, "all", false, "of all users and service accounts; needed, so that nobody does it by mistake")
	a.addYes(cmd)
	return a.common(cmd)
}

func (a *app) revokeAll(cmd *cobra.Command, all bool) error {
	if !all {
		return usage(errors.New("whose tokens?"), "everybody's: gatehouse revoke-tokens --all\none user's: gatehouse user revoke-tokens UID")
	}
	if err := a.confirm(cmd.Context(), "End all tokens of everybody? All users and services have to log in again."); err != nil {
		return err
	}
	return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
		r, err := c.RevokeAllTokens(ctx)
		return sentence(r, "All tokens issued before %s are refused now. Log in again: gatehouse login", timestamp(r.NotBefore)),
			settle(err, "revoking again does no harm: gatehouse revoke-tokens --all")
	})(cmd, nil)
}
