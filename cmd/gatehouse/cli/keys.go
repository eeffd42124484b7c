package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) keysCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use:   "keys",
		Short: "Rotate the keys that sign tokens",
		Long: "Rotates the keys that sign tokens: prepare publishes a new key, activate signs with it, retire drops the\n" +
			"old one after its last token has expired. Verifiers that go by the key id see no failure. Needs a\n" +
			"superuser. The beginning of a key id is enough.",
		Example: "  gatehouse keys list",
	})
	cmd.AddCommand(
		a.verb("list", "List the keys, the one that signs first", "  gatehouse keys list\n  gatehouse keys list --url https://cluster.example --output yaml", NoArgs, a.asking(loggedIn, a.keysList)),
		a.verb("prepare", "Make a key and publish it, without signing with it yet", "  gatehouse keys prepare", NoArgs, a.asking(loggedIn, a.keysPrepare)),
		a.keysActivateCommand(), a.keysRetireCommand())
	return a.common(cmd)
}

func (a *app) keysList(ctx context.Context, c *client.Client, _ []string) (view, error) {
	keys, err := c.Keys(ctx)
	t := &table{columns: []column{{head: "STATUS"}, {head: "CREATED"}, {head: "ACTIVATED"}, {head: "TOKENS EXPIRE"}, {head: "KID"}}}
	for _, k := range keys {
		t.add(k.Status, a.moment(k.CreatedAt), a.moment(k.ActivatedAt), a.moment(k.TokensExpireAt), k.KID)
	}
	return view{listOf(keys), t.render}, err
}

// moment is a time in a table: relative for people, RFC 3339 for whoever reads a pipe.
func (a *app) moment(t time.Time) string {
	if _, out, _ := a.env.Terminal(); out {
		return relative(t, a.env.Now())
	}
	return timestamp(t)
}

func (a *app) keysPrepare(ctx context.Context, c *client.Client, _ []string) (view, error) {
	k, err := c.PrepareKey(ctx)
	return sentence(k, "Published the key %s. Sign with it when all verifiers have read it: gatehouse keys activate %.12s", k.KID, k.KID),
		settle(err, "gatehouse keys list")
}

func kidOf(k client.SigningKey) string { return k.KID }

// pickKey finds the key that is meant, so that nobody has to type 64 digits. One that is typed as a whole is taken as it is.
func pickKey(ctx context.Context, c *client.Client, typed string) (string, error) {
	if len(typed) == 64 {
		return typed, nil
	}
	keys, err := c.Keys(ctx)
	if err != nil {
		return "", err
	}
	k, err := pick(keys, typed, "key", kidOf)
	return k.KID, err
}

func (a *app) keysActivateCommand() *cobra.Command {
	cmd := a.verb("activate KID", "Sign with a prepared key from now on", "  gatehouse keys activate 3f0a5c71", OneArg,
		a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			kid, err := pickKey(ctx, c, args[0])
			if err != nil {
				return view{}, err
			}
			done, err := c.ActivateKey(ctx, kid)
			return sentence(activation{KID: kid, Description: done.Description}, "Activated the key %s. %s", kid, done.Description),
				settle(err, "gatehouse keys list")
		}))
	cmd.Long = "Signs with a prepared key from now on. Verifiers that read the keys only when they start, as the Admin\n" +
		"Router of DC/OS does, must be restarted: they know the key of their start."
	return cmd
}

// activation is what programs are shown of an activation.
type activation struct {
	KID         string `json:"kid,omitempty"`
	ID          string `json:"id,omitempty"`
	Description string `json:"description"`
}

func (a *app) keysRetireCommand() *cobra.Command {
	var force bool
	cmd := a.verb("retire KID", "Drop a key whose last token has expired", "  gatehouse keys retire 3f0a5c71\n  gatehouse keys retire --force --yes 9bd4e802", OneArg,
		func(cmd *cobra.Command, args []string) error {
			if force && a.terminalIn() {
				if err := a.confirm(cmd.Context(), "Drop the key "+safe(args[0])+"? Tokens that it signed are refused from now on."); err != nil {
					return err
				}
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				kid, err := pickKey(ctx, c, args[0])
				if err != nil {
					return view{}, err
				}
				err = settle(c.RetireKey(ctx, kid, force), "gatehouse keys list")
				return sentence(result{Result: "retired", KID: kid}, "Retired the key %s.", kid), err
			})(cmd, args)
		})
	cmd.Flags().BoolVar(&force, "force", false, "though tokens that it signed may be alive: they are refused from then on. Scripts need no --yes beside it")
	a.addYes(cmd)
	return cmd
}

func (a *app) clusterKeysCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use:   "cluster-keys",
		Short: "Change the key that all masters share",
		Long: "Changes the cluster key: list says which master has which keys of the key file, activate makes one of\n" +
			"them the key that seals. It is refused until every master has confirmed that it has the key. Needs a\n" +
			"superuser. Keys are put into the file and taken out of it by gatehouse keygen.",
		Example: "  gatehouse cluster-keys list",
	})
	cmd.AddCommand(
		a.verb("list", "List the keys, the one that seals first, and who has them", "  gatehouse cluster-keys list", NoArgs, a.asking(loggedIn, a.clusterKeysList)),
		a.verb("activate ID", "Seal with a key that every master has", "  gatehouse cluster-keys activate 3f0a5c71d2e94b68", OneArg, a.asking(loggedIn, a.clusterKeysActivate)))
	return a.common(cmd)
}

func (a *app) clusterKeysList(ctx context.Context, c *client.Client, _ []string) (view, error) {
	keys, err := c.ClusterKeys(ctx)
	t := &table{columns: []column{{head: "ID"}, {head: "SEALS"}, {head: "SIGNING KEYS", right: true}, {head: "MASTERS"}, {head: "NOT CONFIRMED BY", soft: true}}}
	for _, k := range keys {
		t.add(k.ID, yesNo(k.Primary), strconv.Itoa(k.SigningKeys), fmt.Sprintf("%d of %d", len(k.Masters), len(k.Masters)+len(k.Unconfirmed)), strings.Join(k.Unconfirmed, " "))
	}
	return view{listOf(keys), t.render}, err
}

func (a *app) clusterKeysActivate(ctx context.Context, c *client.Client, args []string) (view, error) {
	done, err := c.ActivateClusterKey(ctx, args[0])
	return sentence(activation{ID: args[0], Description: done.Description}, "Activated the cluster key %s. %s", args[0], done.Description),
		settle(err, "gatehouse cluster-keys list")
}
