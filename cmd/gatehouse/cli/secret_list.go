package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) secretListCommand() *cobra.Command {
	var deleted bool
	cmd := a.verb("list [DIR]", "List the secrets, or those below a directory", "  gatehouse secret list\n  gatehouse secret list prod/db --output json\n"+
		"  gatehouse secret list --deleted", upToOneArg, a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
		dir := strings.Trim(strings.Join(args, ""), "/")
		if deleted {
			return a.deletedList(ctx, c, dir)
		}
		return a.secretList(ctx, c, dir)
	}))
	cmd.Long = "Lists the paths of all secrets below a directory, however deep. You see those that you may list; who may list what is\n" +
		"granted on dcos:secrets:list:STORE:/DIR."
	cmd.Flags().BoolVar(&deleted, "deleted", false, "those that are deleted, and that gatehouse secret undelete brings back")
	cmd.ValidArgsFunction = a.completeSecrets
	return cmd
}

// upToOneArg is for verbs that can do without their argument.
func upToOneArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return OneArg(cmd, args)
	}
	return nil
}

// secretList shows whole paths, which are what the other verbs take; the API answers them relative to the directory.
func (a *app) secretList(ctx context.Context, c *client.Client, dir string) (view, error) {
	names, err := c.ListSecrets(ctx, a.storeName, dir)
	t := &table{columns: []column{{head: "PATH"}}}
	for i, name := range names {
		names[i] = path.Join(dir, name)
		t.add(names[i])
	}
	return view{listOf(names), t.render}, err
}

func (a *app) deletedList(ctx context.Context, c *client.Client, dir string) (view, error) {
	secrets, err := c.DeletedSecrets(ctx, a.storeName, dir)
	t := &table{columns: []column{{head: "PATH"}, {head: "VERSION", right: true}, {head: "GONE FOR GOOD"}}}
	for _, s := range secrets {
		t.add(s.Path, strconv.FormatUint(s.Version, 10), a.moment(s.Until))
	}
	return view{listOf(secrets), t.render}, err
}

func (a *app) secretHistoryCommand() *cobra.Command {
	cmd := a.verb("history PATH", "List the versions of a secret, without their values", "  gatehouse secret history prod/db/password", OneArg, a.asking(loggedIn, a.secretHistory))
	cmd.Long = "Lists the versions of a secret that the store keeps, also of a deleted one. gatehouse secret get --version reads one.\n" +
		"BYTES is what a version takes on the masters' disks."
	cmd.ValidArgsFunction = a.completeSecrets
	return cmd
}

func (a *app) secretHistory(ctx context.Context, c *client.Client, args []string) (view, error) {
	h, err := c.History(ctx, a.storeName, args[0])
	t := &table{columns: []column{{head: "VERSION", right: true}, {head: "WRITTEN"}, {head: "BYTES", right: true}}}
	for _, v := range h.Versions {
		t.add(strconv.FormatUint(v.Version, 10), a.moment(v.Created), strconv.Itoa(v.Bytes))
	}
	pairs := []pair{{"path", h.Path}, {"ends", a.moment(h.Ends)}}
	if h.Deleted {
		pairs = []pair{{"path", h.Path}, {"deleted", "yes; gatehouse secret undelete brings it back"}, {"until", a.moment(h.Ends)}}
	}
	h.Versions = listOf(h.Versions).Array
	return stacked(details(h, pairs...), t), err
}

func (a *app) secretSpaceCommand() *cobra.Command {
	cmd := a.verb("space PATH SERVICE", "Find out whether a service may have a secret, by its place", "  gatehouse secret space prod/db/password /prod/db/main", nil, nil)
	cmd.Long = "Says whether a service may have a secret by the rule of spaces: it may have the secrets in the directories that its id\n" +
		"lies in or below, and those in no directory. The exit status is 0 for yes and 1 for no. What users may do is\n" +
		"another matter: gatehouse can-i."
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usage(errors.New("a PATH and a SERVICE are needed"), "use: "+cmd.CommandPath()+" PATH SERVICE; see "+cmd.CommandPath()+" --help")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		readable := false
		err := a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (v view, err error) {
			readable, err = c.Readable(ctx, a.storeName, args[0], args[1])
			return spaceView(args[0], args[1], readable), err
		})(cmd, args)
		if err == nil && !readable {
			err = errSaid
		}
		return err
	}
	cmd.ValidArgsFunction = a.completeSecrets
	return cmd
}

func spaceView(secret, service string, readable bool) view {
	data := struct {
		Path     string `json:"path"`
		Service  string `json:"service"`
		Readable bool   `json:"readable"`
	}{secret, service, readable}
	if readable {
		return sentence(data, "yes: %s may have %s", service, secret)
	}
	return sentence(data, "no: %s is for services in %s", secret, "/"+path.Dir(strings.TrimPrefix(secret, "/")))
}

func (a *app) secretWatchCommand() *cobra.Command {
	var index uint64
	cmd := a.verb("watch [DIR]", "Tell which secrets change, until Ctrl-C", "  gatehouse secret watch\n  gatehouse secret watch prod --output json", upToOneArg, nil)
	cmd.Long = "Tells one line for each secret that is written or goes, without its value. Of changes that follow each other fast it\n" +
		"tells the newest. With --output json each line is an object, whose index goes on where the verb was ended (--index)."
	cmd.Flags().Uint64Var(&index, "index", 0, "begin with what changed after `INDEX` (default: now)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.output == "yaml" {
			return usage(errors.New("--output yaml: a watch prints lines"), "use --output json")
		}
		t, err := a.find(false)
		if err != nil {
			return err
		}
		return a.with(cmd.Context(), t, loggedIn, func(c *client.Client) error {
			return a.watch(cmd.Context(), c, strings.Trim(strings.Join(args, ""), "/"), index)
		})
	}
	cmd.ValidArgsFunction = a.completeSecrets
	return cmd
}

// watch ends with Ctrl-C, which is no failure.
func (a *app) watch(ctx context.Context, c *client.Client, dir string, index uint64) error {
	for {
		changes, err := c.WatchSecrets(ctx, a.storeName, dir, index, client.MaxWatch/2)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case changes.Reset:
			fmt.Fprintf(a.env.Stderr, "Note: what changed first after index %d is forgotten; gatehouse secret list says what there is.\n", index)
		}
		for _, change := range changes.Changes {
			if err := a.printChange(change); err != nil {
				return err
			}
		}
		index = changes.Index
	}
}

func (a *app) printChange(change client.SecretChange) error {
	line := fmt.Sprintf("%-6s  %s  version %d\n", safe(change.Event), safe(change.Path), change.Version)
	if a.output == "json" {
		text, err := json.Marshal(change)
		if err != nil {
			return fmt.Errorf("encode the output: %w", err)
		}
		line = string(safeJSON(text)) + "\n"
	}
	return write(a.env.Stdout, []byte(line))
}
