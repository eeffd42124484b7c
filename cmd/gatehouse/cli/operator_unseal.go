package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// unsealFlags say how a store is opened.
type unsealFlags struct {
	shareFlags
	auto, reset bool
}

func (a *app) operatorUnsealCommand() *cobra.Command {
	var f unsealFlags
	cmd := a.verb("unseal", "Give shares, until the store is open on all masters", "  gatehouse operator unseal\n"+
		"  gatehouse operator unseal --share-file share.txt\n  gpg --decrypt share.gpg | gatehouse operator unseal\n"+
		"  gatehouse operator unseal --auto\n  gatehouse operator unseal --reset", NoArgs,
		func(cmd *cobra.Command, _ []string) error { return a.operatorUnseal(cmd, &f) })
	cmd.Long = "Gives shares to the cluster, through any master. They add up, whoever gives them at whichever master; the last one that\n" +
		"is needed opens the store everywhere. On a terminal it asks for one after the other and does not show them, and says\n" +
		"what other operators have given meanwhile. In a script each line of standard input is a share; fewer than are needed\n" +
		"are no failure: the exit status of gatehouse operator status says whether the store is open. Shares that were given\n" +
		"are forgotten after ten minutes without another."
	f.add(cmd)
	cmd.Flags().BoolVar(&f.auto, "auto", false, "let the masters open it with the root key that they keep sealed, after it was sealed by hand")
	cmd.Flags().BoolVar(&f.reset, "reset", false, "forget the shares that were given so far")
	return cmd
}

func (a *app) operatorUnseal(cmd *cobra.Command, f *unsealFlags) error {
	var script []string
	switch {
	case f.auto && f.reset || (f.auto || f.reset) && len(f.files) > 0:
		return usage(errors.New("--auto, --reset and --share-file: want one of them"), "")
	case !f.auto && !f.reset:
		var err error
		if script, err = a.shares(&f.shareFlags); err != nil {
			return err
		}
	}
	return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
		status, err := a.unseal(ctx, c, f, script)
		if err != nil {
			return view{}, err
		}
		return a.unsealed(status), nil
	})(cmd, nil)
}

func (a *app) unseal(ctx context.Context, c *client.Client, f *unsealFlags, script []string) (status client.SealStatus, err error) {
	switch {
	case f.auto:
		return c.AutoUnseal(ctx, a.storeName)
	case f.reset:
		return c.ResetUnseal(ctx, a.storeName)
	}
	noted := func(s client.SealStatus, err error) (gathered, error) {
		if err == nil {
			status = s
		}
		return gathered{s.Progress, s.Threshold, !s.Sealed}, err
	}
	_, err = a.gather(ctx, gathering{
		what: "share of the store " + safe(a.storeName),
		give: func(ctx context.Context, share string) (gathered, error) {
			return noted(c.Unseal(ctx, a.storeName, share))
		},
		look: func(ctx context.Context) (gathered, error) { return noted(a.initialized(ctx, c)) },
	}, script == nil, &script)
	return status, err
}

// initialized is the status of a store that has shares.
func (a *app) initialized(ctx context.Context, c *client.Client) (client.SealStatus, error) {
	s, err := c.SealStatus(ctx, a.storeName)
	if err == nil && s.Threshold == 0 {
		err = fail(StatusFailed, fmt.Errorf("the store %s is not initialised", safe(a.storeName)), a.atStore("gatehouse operator init")+" makes its shares")
	}
	return s, err
}

// unsealed says what has come of it.
func (a *app) unsealed(s client.SealStatus) view {
	data := struct {
		Store string `json:"store"`
		client.SealStatus
	}{a.storeName, s}
	switch {
	case s.Sealed:
		return sentence(data, "The store %s is sealed: %d of %s.", a.storeName, s.Progress, count(s.Threshold, "share"))
	case len(s.Unreached) > 0:
		return sentence(data, "The store %s is open. %s did not answer; what was down gets the keys from the others when it is back.", a.storeName, strings.Join(s.Unreached, ", "))
	}
	return sentence(data, "The store %s is open.", a.storeName)
}
