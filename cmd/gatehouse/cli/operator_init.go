package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) operatorInitCommand() *cobra.Command {
	var f splitFlags
	cmd := a.verb("init", "Make the root key of a store, and split it among holders", "  gatehouse operator init --shares 5 --threshold 3\n"+
		"  gatehouse operator init --shares 2 --threshold 2 --pgp-key alice.asc --pgp-key bob.gpg --out-dir shares --yes\n"+
		"  gatehouse operator init --shares 1 --threshold 1 --auto-unseal --yes --output json", NoArgs, nil)
	cmd.Long = "Makes a new root key for a store that holds no secrets, splits it into shares and shows them once. It is how the default\n" +
		"store, which unseals by itself, gets shares that people hold; the shares of before end. Deleted secrets\n" +
		"and old versions end with it. The store is sealed afterwards, unless --auto-unseal is given. Shares that are not\n" +
		"encrypted to PGP keys are printed on a terminal alone: elsewhere give --out-dir, or --output json."
	f.add(cmd)
	a.addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := f.split()
		if err := all(err, a.checkPlace(&f)); err != nil {
			return err
		}
		t, err := a.find(false)
		if err != nil {
			return err
		}
		return a.with(cmd.Context(), t, loggedIn, func(c *client.Client) error { return a.initStore(cmd.Context(), c, &f, s) })
	}
	return cmd
}

func (a *app) initStore(ctx context.Context, c *client.Client, f *splitFlags, s client.NewShares) error {
	before, err := c.InitStatus(ctx, a.storeName)
	if err != nil {
		return err
	}
	if before.Initialized {
		if err := a.confirm(ctx, fmt.Sprintf("The store %s is initialised. Make a new root key? The shares that there are open nothing then.", safe(a.storeName))); err != nil {
			return err
		}
	}
	set, err := f.place(a.storeName, f.shares, f.holders())
	if err != nil {
		return err
	}
	made, err := c.InitStore(ctx, a.storeName, s)
	if err != nil {
		set.discard()
		if client.OutcomeUnknown(err) {
			return doubtful(err, "do it again: while the store holds no secrets it can be initialised as often as you like")
		}
		return err
	}
	head := fmt.Sprintf("The store %s has a new root key, in %s.\n", safe(a.storeName), count(len(made.Keys), "share"))
	return a.deliver(set, head+next(s, a.atStore("gatehouse operator unseal")), shownShares{Result: "initialized", Store: a.storeName,
		Shares: s.Shares, Threshold: s.Threshold, Keys: made.Keys, Fingerprints: made.Fingerprints})
}

// next says what is to be done before the store can be used.
func next(s client.NewShares, unseal string) string {
	if s.AutoUnseal {
		return "It is open, and the masters unseal it by themselves.\n\n"
	}
	return "It is sealed: " + unseal + " opens it.\n\n"
}
