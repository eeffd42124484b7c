package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) operatorCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "operator", Short: "The seal of a store: init, unseal, seal, status, rekey, rotate",
		Long: "A sealed store cannot be read, not even from the masters' disks. Several people hold shares of its root key; so many\n" +
			"of them together open it, once for all masters. Needs a superuser. docs/secrets.md has the procedures.",
		Example: "  gatehouse operator status\n  gatehouse operator unseal",
	})
	a.addStore(cmd)
	cmd.AddCommand(a.operatorInitCommand(), a.operatorUnsealCommand(), a.operatorSealCommand(), a.operatorStatusCommand(), a.operatorRekeyCommand(),
		a.operatorRotateCommand())
	return a.common(cmd)
}

func (a *app) operatorStatusCommand() *cobra.Command {
	cmd := a.verb("status", "Show which stores are open, and how far unsealing has come", "  gatehouse operator status\n  gatehouse operator status --store default --output json", NoArgs, nil)
	cmd.Long = "Shows every store, or the one that --store names. The exit status is 0 if all that are shown are open, and 7 if one is\n" +
		"sealed or not initialised."
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var shown []shownSeal
		err := a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
			var err error
			if shown, err = a.seals(ctx, c, cmd.Flags().Changed("store")); err != nil {
				return view{}, err
			}
			return sealsView(shown), nil
		})(cmd, nil)
		if err != nil {
			return err
		}
		return sealedOnes(shown)
	}
	return cmd
}

// shownSeal is whether a store can be used, and how it is opened.
type shownSeal struct {
	Store       string `json:"store"`
	Initialized bool   `json:"initialized"`
	client.SealStatus
	AutoUnseal string   `json:"auto_unseal,omitempty"`
	Terms      []uint32 `json:"terms"`
}

// seals asks for all stores, or for the one that is named.
func (a *app) seals(ctx context.Context, c *client.Client, one bool) ([]shownSeal, error) {
	names := []string{a.storeName}
	if !one {
		stores, err := c.Stores(ctx)
		if err != nil {
			return nil, err
		}
		sortBy(stores, func(s client.Store) string { return s.Name })
		names = nil
		for _, s := range stores {
			names = append(names, s.Name)
		}
	}
	var shown []shownSeal
	for _, name := range names {
		s, err := c.Store(ctx, name)
		status, errStatus := c.SealStatus(ctx, name)
		if err := errors.Join(err, errStatus); err != nil {
			return nil, err
		}
		shown = append(shown, shownSeal{s.Name, s.Initialized, status, s.AutoUnseal, s.Terms})
	}
	return shown, nil
}

func sealsView(shown []shownSeal) view {
	t := &table{columns: []column{{head: "STORE"}, {head: "STATE"}, {head: "UNSEALED BY"}, {head: "GIVEN"}, {head: "OPENS ITSELF"}, {head: "DATA KEY", soft: true}}}
	for _, s := range shown {
		given := ""
		if s.Progress > 0 {
			given = fmt.Sprintf("%d of %d", s.Progress, s.Threshold)
		}
		by := ""
		if s.Shares > 0 {
			by = fmt.Sprintf("%d of %s", s.Threshold, count(s.Shares, "share"))
		}
		t.add(s.Store, storeState(client.Store{Initialized: s.Initialized, Sealed: s.Sealed}), by, given, first(s.AutoUnseal, "no"), dataKeys(s.Terms))
	}
	return view{listOf(shown), t.render}
}

// sealedOnes is nil if every store is open. The table has said what there is to say.
func sealedOnes(shown []shownSeal) error {
	for _, s := range shown {
		if s.Sealed || !s.Initialized {
			return errSealedSaid
		}
	}
	return nil
}

func (a *app) operatorSealCommand() *cobra.Command {
	var local bool
	cmd := a.verb("seal", "Seal a store: no master can read it until it is unsealed", "  gatehouse operator seal --yes\n"+
		"  gatehouse operator seal --local --admin-socket /var/lib/gatehouse/admin.sock --yes", NoArgs, nil)
	cmd.Long = "Seals a store on all masters. It stays sealed over restarts, also where the masters unseal by themselves: gatehouse\n" +
		"operator unseal opens it, with shares or with --auto. --local seals it on the master of this machine alone, through\n" +
		"its admin socket: without a login, and without a majority of the masters."
	cmd.Flags().BoolVar(&local, "local", false, "on the master of this machine alone")
	socket := socketFlag(cmd)
	a.addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case local && *socket == "":
			return usage(errors.New("--local needs the admin socket of the master"), "add --admin-socket PATH, such as /var/lib/gatehouse/admin.sock")
		case !local && *socket != "":
			return usage(errors.New("--admin-socket is for --local"), "add --local, or leave it away to seal the store on all masters")
		}
		if err := a.confirm(cmd.Context(), fmt.Sprintf("Seal the store %s? Nobody can read or write its secrets until it is unsealed.", safe(a.storeName))); err != nil {
			return err
		}
		if local {
			return a.sealHere(cmd.Context(), *socket)
		}
		return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
			err := c.Seal(ctx, a.storeName)
			return sentence(storeDone{"sealed", a.storeName}, "The store %s is sealed.", a.storeName), err
		})(cmd, nil)
	}
	return cmd
}

// sealHere asks the master on this machine, whatever the others do.
func (a *app) sealHere(ctx context.Context, socket string) error {
	c, err := client.New(client.Options{Addresses: []string{"http://admin"}, HTTPClient: a.env.AdminSocket(socket), Patience: -1})
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.SealHere(ctx, a.storeName)
	var no *client.Error
	switch {
	case errors.As(err, &no):
		return refusal(no)
	case err != nil:
		return fail(StatusUnavailable, fmt.Errorf("seal the store through %s: %w", socket, err), "is it the admin socket of a master that runs?")
	}
	return a.show(sentence(storeDone{"sealed", a.storeName}, "The store %s is sealed on this master.", a.storeName))
}

func (a *app) operatorRotateCommand() *cobra.Command {
	var follow bool
	cmd := a.verb("rotate", "Encrypt with a new data key from now on", "  gatehouse operator rotate", NoArgs,
		func(cmd *cobra.Command, _ []string) error {
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
				term, err := c.RotateStore(ctx, a.storeName)
				if err != nil {
					return view{}, settle(err, a.atStore("gatehouse operator status"))
				}
				if follow {
					err = a.followRotation(ctx, c)
				}
				return rotated(a.storeName, term, follow), err
			})(cmd, nil)
		})
	cmd.Long = "Makes a new data key, which encrypts from now on. What older keys encrypted stays readable, and is encrypted anew in the\n" +
		"background, at a twentieth of the leader's time; a key that nothing needs any more is dropped a minute later. The\n" +
		"shares stay as they are: gatehouse operator rekey changes them."
	cmd.Flags().BoolVar(&follow, "follow", false, "wait until everything is encrypted with it and the older keys are gone: a minute at least")
	return cmd
}

// rotated is what a rotation has come to.
func rotated(store string, term uint32, done bool) view {
	data := struct {
		Result string `json:"result"`
		Store  string `json:"store"`
		Term   uint32 `json:"term"`
	}{"rotated", store, term}
	if done {
		return sentence(data, "Everything in the store %s is encrypted with data key number %d.", store, term)
	}
	return sentence(data, "The store %s encrypts with data key number %d; what is there is encrypted anew in the background.", store, term)
}

// lookEvery is how often something is asked for that others change.
const lookEvery = time.Second

// followRotation waits until one data key is left, and tells a terminal how many there are.
func (a *app) followRotation(ctx context.Context, c *client.Client) error {
	told := ""
	for {
		s, err := c.Store(ctx, a.storeName)
		if err != nil || len(s.Terms) <= 1 {
			return err
		}
		if now := dataKeys(s.Terms); now != told && a.terminalIn() {
			fmt.Fprintf(a.env.Stderr, "Data key: %s.\n", now)
			told = now
		}
		if !wait(ctx, lookEvery) {
			return context.Cause(ctx)
		}
	}
}
