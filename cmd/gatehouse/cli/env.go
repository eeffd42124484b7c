package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Env is all that the verbs know of the process and its user.
type Env struct {
	Getenv map[string]string
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Terminal reports whether standard input and output are terminals, and how many cells wide the latter is.
	Terminal func() (in, out bool, width int)
	// ReadPassword asks on the terminal and reads a line without showing it. It gives the terminal back as it was, also when
	// ctx ends before the line does.
	ReadPassword func(ctx context.Context, question string) (string, error)
	Now          func() time.Time
	// AdminSocket speaks HTTP over the admin socket of a master on this host.
	AdminSocket func(path string) *http.Client
	Version     string
}

// Variables are the environment variables that the verbs read.
var Variables = []string{"GATEHOUSE_TOKEN", "GATEHOUSE_URL", "GATEHOUSE_CLUSTER", "GATEHOUSE_CA_CERT", "GATEHOUSE_CLIENT_CERT", "GATEHOUSE_CLIENT_KEY"}

// app is one run of the program.
type app struct {
	env    Env
	target targetFlags
	output choice
	yes    bool
	// storeName is the store of secrets that is meant.
	storeName string
}

// Commands are the verbs.
func Commands(env Env) []*cobra.Command {
	a := &app{env: env, output: "table"}
	return []*cobra.Command{
		a.loginCommand(), a.logoutCommand(), a.clusterCommand(),
		a.whoamiCommand(), a.canICommand(),
		a.userCommand(), a.serviceAccountCommand(), a.groupCommand(), a.aclCommand(), a.permissionCommand(),
		a.providerCommand(), a.ldapCommand(),
		a.secretCommand(), a.storeCommand(), a.operatorCommand(),
		a.tokenCommand(), a.revokeTokensCommand(),
		a.mastersCommand(), a.healthCommand(), a.keysCommand(), a.clusterKeysCommand(), a.iamCommand(), a.auditCommand(),
		a.completionCommand(),
	}
}

// Group makes a command that only holds others: alone it prints its help, and it knows what a misspelt verb may have meant.
func Group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = knownVerb
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// knownVerb refuses what is no verb of a group.
func knownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	advice := "see " + cmd.CommandPath() + " --help"
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		advice = "did you mean: " + cmd.CommandPath() + " " + strings.Join(slices.Compact(like), ", ") + "?"
	}
	return usage(fmt.Errorf("unknown command %q for %q", safe(args[0]), cmd.CommandPath()), advice)
}

// synonyms are what people call verbs elsewhere. They are suggested the right word.
var synonyms = map[string][]string{
	"create": {"add", "new", "make"}, "delete": {"rm", "del", "remove"}, "remove": {"rm", "del", "delete"}, "list": {"ls"},
	"show": {"get", "view", "describe", "info", "print"}, "update": {"edit", "set", "change", "modify", "passwd", "password"},
	"prepare": {"rotate", "create", "new", "generate", "add"}, "retire": {"rm", "del", "remove", "delete", "revoke"},
	"activate": {"use", "switch"}, "use": {"switch", "select", "set"}, "verify": {"check", "validate"}, "revoke-tokens": {"revoke"},
	"forget-subject": {"forget", "unpin", "unbind", "relink"}, "health": {"status"}, "grant": {"add", "allow", "give", "create", "set"}, "revoke": {"remove", "deny", "delete", "rm", "take", "ungrant"},
	"add": {"join", "member", "create", "new"}, "can-i": {"can", "may", "check", "explain", "why", "cani"}, "whoami": {"me", "who", "who-am-i"},
	"secret": {"secrets"}, "store": {"stores"}, "get": {"read", "cat", "show", "view", "print"}, "history": {"versions", "log"},
	"undelete": {"restore", "recover"}, "purge": {"destroy", "shred"}, "unseal": {"open", "unlock"}, "seal": {"lock", "close"},
	"space": {"spaces", "can-read"}, "status": {"seal-status", "show", "list"},
	"provider": {"providers", "idp", "sso"}, "ldap": {"directory", "ad"}, "test": {"check", "verify", "probe"}, "sync": {"synchronise", "synchronize", "refresh"},
	"import-user": {"import"}, "import-group": {"import"}, "permission": {"permissions", "grant", "grants"}, "acl": {"acls", "resource", "resources", "rid"}, "group": {"groups"},
}

// NoArgs is for verbs that take none. It does not show the argument: it may be a secret that should be nowhere near a screen.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(fmt.Errorf("%s takes no argument", cmd.CommandPath()), "see "+cmd.CommandPath()+" --help")
}

// OneArg is for verbs that take one, whose name is the second word of the usage.
func OneArg(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	_, name, _ := strings.Cut(cmd.Use, " ")
	err := fmt.Errorf("the %s is missing", name)
	if len(args) > 1 {
		err = fmt.Errorf("want one %s, got %d arguments", name, len(args))
	}
	return usage(err, "use: "+cmd.CommandPath()+" "+name+"; see "+cmd.CommandPath()+" --help")
}

// verb makes a command that does something.
func (a *app) verb(use, short, example string, args cobra.PositionalArgs, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	name, _, _ := strings.Cut(use, " ")
	return &cobra.Command{Use: use, Short: short, Example: example, Args: args, RunE: run, SuggestFor: synonyms[name]}
}

// common adds the flags that a verb, or a group of verbs, shares with all others that ask a cluster.
func (a *app) common(cmd *cobra.Command) *cobra.Command {
	a.target.add(cmd.PersistentFlags())
	return a.shown(cmd)
}

// shown adds --output.
func (a *app) shown(cmd *cobra.Command) *cobra.Command {
	cmd.PersistentFlags().VarP(&a.output, "output", "o", "how to print: `FORMAT` is table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// choice is the value of --output.
type choice string

var _ pflag.Value = (*choice)(nil)

func (c *choice) String() string { return string(*c) }
func (c *choice) Type() string   { return "FORMAT" }

func (c *choice) Set(s string) error {
	if !slices.Contains(formats, s) {
		return fmt.Errorf("want one of %s", strings.Join(formats, ", "))
	}
	*c = choice(s)
	return nil
}
