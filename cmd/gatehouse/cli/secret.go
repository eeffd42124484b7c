package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) secretCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "secret", Short: "Secrets: create, get, list, update, delete, history, undelete, purge, watch, space",
		Long: "Secrets are named by a path such as prod/db/password, and are either text or files. Values come from a prompt,\n" +
			"a pipe or a file, and are never typed on the command line. Paths can be read by whoever can read the\n" +
			"masters' disks: put nothing secret into them.",
		Example: "  gatehouse secret create prod/db/password\n  gatehouse secret get prod/db/password\n  gatehouse secret list prod",
	})
	a.addStore(cmd)
	cmd.AddCommand(a.secretCreateCommand(), a.secretGetCommand(), a.secretListCommand(), a.secretUpdateCommand(), a.secretDeleteCommand(),
		a.secretHistoryCommand(), a.secretUndeleteCommand(), a.secretPurgeCommand(), a.secretWatchCommand(), a.secretSpaceCommand())
	return a.common(cmd)
}

// addStore defines --store of a group of verbs.
func (a *app) addStore(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&a.storeName, "store", client.DefaultStore, "the `STORE` of secrets")
	_ = cmd.RegisterFlagCompletionFunc("store", a.completeAnyStore)
}

// secretDone is what programs are shown of a secret that was changed.
type secretDone struct {
	Result  string `json:"result"`
	Store   string `json:"store"`
	Path    string `json:"path"`
	Version uint64 `json:"version,omitempty"`
	ETag    string `json:"etag,omitempty"`
}

func (a *app) secretDone(result, path string, v client.SecretVersion) secretDone {
	return secretDone{result, a.storeName, path, v.Version, v.ETag}
}

// lookAt says how to find out what became of a secret.
func (a *app) lookAt(path string) string { return a.atStore("gatehouse secret history " + quote(path)) }

// aboutFlags are what is known of a secret beside its value.
type aboutFlags struct {
	description string
	labels      []string
	ttl         time.Duration
}

func (f *aboutFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.description, "description", "", "a `TEXT` for people; it is encrypted with the value")
	cmd.Flags().StringArrayVar(&f.labels, "label", nil, "a `LABEL`; may be given several times")
	cmd.Flags().DurationVar(&f.ttl, "ttl", 0, "the secret ends by itself after this `DURATION`, such as 24h; 0 is never")
}

// check refuses what does not go with a file, and a life that is over before it begins.
func (f *aboutFlags) check(cmd *cobra.Command, binary bool) error {
	switch {
	case binary && (cmd.Flags().Changed("description") || cmd.Flags().Changed("label")):
		return usage(errors.New("a file has neither description nor labels"), "leave them away, or store it as text: --text")
	case f.ttl < 0:
		return usage(errors.New("--ttl: want a duration such as 24h, or 0 for ever"), "")
	}
	return nil
}

func (a *app) secretCreateCommand() *cobra.Command {
	var input valueFlags
	var about aboutFlags
	cmd := a.verb("create PATH", "Create a secret", "  gatehouse secret create prod/db/password\n"+
		"  printf %s \"$PASSWORD\" | gatehouse secret create prod/db/replica --description 'Read only' --label db\n"+
		"  gatehouse secret create prod/tls/server.p12 --file server.p12\n"+
		"  gatehouse secret create prod/tls/ca.pem --file ca.pem --text --ttl 720h", OneArg,
		func(cmd *cobra.Command, args []string) error {
			v, err := input.read(cmd, a, args[0])
			if err := all(err, about.check(cmd, v.binary)); err != nil {
				return err
			}
			s := client.NewSecret{Value: v.bytes, Binary: v.binary, Description: about.description, Labels: about.labels, TTL: about.ttl}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				version, err := c.CreateSecret(ctx, a.storeName, args[0], s)
				return sentence(a.secretDone("created", args[0], version), "Created the secret %s, version %d.", args[0], version.Version),
					settle(err, a.lookAt(args[0]))
			})(cmd, args)
		})
	cmd.Long = "Creates a secret; one that exists is not changed. On a terminal the value is asked for twice and not shown; the end\n" +
		"of the line is not part of it. What is piped in is stored byte for byte as text, which must be UTF-8: a newline\n" +
		"at its end is part of it, unless --trim is given. With --file the bytes are stored as a file, whatever they are."
	input.add(cmd.Flags())
	about.add(cmd)
	cmd.ValidArgsFunction = a.completeSecrets
	return cmd
}

func (a *app) secretUpdateCommand() *cobra.Command {
	var input valueFlags
	var about aboutFlags
	var keep bool
	var version uint64
	cmd := a.verb("update PATH", "Change a secret", "  gatehouse secret update prod/db/password\n"+
		"  gatehouse secret update prod/tls/server.p12 --file server.p12 --if-version 1\n"+
		"  gatehouse secret update prod/db/password --keep-value --description 'The main database' --ttl 24h", OneArg,
		func(cmd *cobra.Command, args []string) error {
			u, err := a.secretChange(cmd, &input, &about, keep, args[0])
			if err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				if u.IfMatch, err = a.etagOf(ctx, c, cmd, args[0], version); err != nil {
					return view{}, err
				}
				v, err := c.UpdateSecret(ctx, a.storeName, args[0], u)
				return sentence(a.secretDone("updated", args[0], v), "Updated the secret %s, version %d.", args[0], v.Version), settle(err, a.lookAt(args[0]))
			})(cmd, args)
		})
	cmd.Long = "Makes a new version of a secret. The value comes in as with gatehouse secret create. What no flag names stays: the\n" +
		"description, the labels, the end of its life; with --keep-value also the value."
	input.add(cmd.Flags())
	about.add(cmd)
	cmd.Flags().BoolVar(&keep, "keep-value", false, "change the description, the labels or --ttl alone")
	addIfVersion(cmd, &version)
	cmd.ValidArgsFunction = a.completeSecrets
	return cmd
}

// secretChange is what the flags of an update say.
func (a *app) secretChange(cmd *cobra.Command, input *valueFlags, about *aboutFlags, keep bool, path string) (u client.SecretUpdate, err error) {
	changed := cmd.Flags().Changed
	switch {
	case keep && (input.file != "" || changed("insecure-value")):
		return u, usage(errors.New("--keep-value and a value: want one of them"), "")
	case keep && !changed("description") && !changed("label") && !changed("ttl"):
		return u, usage(errors.New("nothing to change"), "use --description, --label or --ttl, or leave --keep-value away")
	case !keep:
		v, err := input.read(cmd, a, path)
		if err != nil {
			return u, err
		}
		if u.Value, u.Binary = v.bytes, v.binary; u.Value == nil {
			u.Value = []byte{}
		}
	}
	if changed("description") {
		u.Description = &about.description
	}
	if changed("label") {
		u.Labels = &about.labels
	}
	if changed("ttl") {
		u.TTL = &about.ttl
	}
	return u, about.check(cmd, u.Binary)
}

func addIfVersion(cmd *cobra.Command, version *uint64) {
	cmd.Flags().Uint64Var(version, "if-version", 0, "only if `N` is the newest version")
}

// etagOf is what --if-version asks for: nobody else must have changed the secret, at that moment and no other.
func (a *app) etagOf(ctx context.Context, c *client.Client, cmd *cobra.Command, path string, version uint64) (string, error) {
	if !cmd.Flags().Changed("if-version") {
		return "", nil
	}
	s, err := c.StatSecret(ctx, a.storeName, path)
	switch {
	case err != nil:
		return "", err
	case s.Version != version:
		return "", fail(StatusFailed, fmt.Errorf("the newest version of %s is %d, not %d; nothing was changed", safe(path), s.Version, version), "who changed it: "+a.lookAt(path))
	}
	return s.ETag, nil
}

func (a *app) secretDeleteCommand() *cobra.Command {
	var version uint64
	cmd := a.verb("delete PATH", "Delete a secret; undelete brings it back for a week", "  gatehouse secret delete --yes prod/db/replica", OneArg,
		func(cmd *cobra.Command, args []string) error {
			if err := a.confirm(cmd.Context(), fmt.Sprintf("Delete the secret %s? Whoever needs it fails from now on.", safe(args[0]))); err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				etag, err := a.etagOf(ctx, c, cmd, args[0], version)
				if err != nil {
					return view{}, err
				}
				err = settle(c.DeleteSecret(ctx, a.storeName, args[0], etag), a.lookAt(args[0]))
				return sentence(a.secretDone("deleted", args[0], client.SecretVersion{}), "Deleted the secret %s.", args[0]), err
			})(cmd, args)
		})
	cmd.Long = "Deletes a secret. Its versions are kept for as long as the store says, a week unless an operator has changed\n" +
		"that (gatehouse store update); until then gatehouse secret undelete brings it back."
	addIfVersion(cmd, &version)
	a.addYes(cmd)
	cmd.ValidArgsFunction = a.completeSecrets
	return cmd
}

func (a *app) secretUndeleteCommand() *cobra.Command {
	cmd := a.verb("undelete PATH", "Bring a deleted secret back", "  gatehouse secret undelete prod/db/replica", OneArg,
		a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			err := settle(c.UndeleteSecret(ctx, a.storeName, args[0]), a.lookAt(args[0]))
			return sentence(a.secretDone("undeleted", args[0], client.SecretVersion{}), "The secret %s is back.", args[0]), err
		}))
	cmd.Long = "Brings the newest version of a deleted secret back, and the older ones with it. Those that can be brought back:\ngatehouse secret list --deleted."
	cmd.ValidArgsFunction = a.completeDeleted
	return cmd
}

func (a *app) secretPurgeCommand() *cobra.Command {
	cmd := a.verb("purge PATH", "Destroy all versions of a secret, deleted or not", "  gatehouse secret purge --yes prod/db/replica", OneArg,
		func(cmd *cobra.Command, args []string) error {
			if err := a.confirm(cmd.Context(), fmt.Sprintf("Destroy all versions of the secret %s? This cannot be undone.", safe(args[0]))); err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				err := settle(c.PurgeSecret(ctx, a.storeName, args[0]), a.lookAt(args[0]))
				return sentence(a.secretDone("purged", args[0], client.SecretVersion{}), "Destroyed the secret %s.", args[0]), err
			})(cmd, args)
		})
	a.addYes(cmd)
	cmd.ValidArgsFunction = a.completeSecrets
	return cmd
}
