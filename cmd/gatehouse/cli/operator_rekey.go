package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// rekeyFlags say what the new shares are, and where the old and the new ones come from.
type rekeyFlags struct {
	splitFlags
	shareFlags
	nonce                string
	auto, cancel, status bool
}

func (a *app) operatorRekeyCommand() *cobra.Command {
	var f rekeyFlags
	cmd := a.verb("rekey", "Change the root key of a store and its shares", "  gatehouse operator rekey --shares 5 --threshold 3\n"+
		"  gatehouse operator rekey --auto --shares 3 --threshold 2 --out-dir shares\n"+
		"  gatehouse operator rekey --share-file share.txt --nonce 6e6f6e6365\n"+
		"  gatehouse operator rekey --status\n  gatehouse operator rekey --cancel", NoArgs, nil)
	cmd.Long = "Replaces the root key and the shares of an open store, in three steps: as many present shares are given as unseal it; the\n" +
		"new shares are shown to whoever gave the last; as many new shares are given back as the new threshold. Only\n" +
		"then the new shares count and the old ones end; until then nothing has changed. Several operators can give\n" +
		"shares at once, each by this verb: it joins the rekey that is under way. --nonce makes sure that it is the one that\n" +
		"is meant. A rekey is forgotten after ten minutes without a share, and when another master becomes the leader."
	f.splitFlags.add(cmd)
	f.shareFlags.add(cmd)
	cmd.Flags().StringVar(&f.nonce, "nonce", "", "join the rekey with this `NONCE`, and begin none")
	cmd.Flags().BoolVar(&f.auto, "auto", false, "in place of present shares: the root key that the masters keep sealed")
	cmd.Flags().BoolVar(&f.cancel, "cancel", false, "give the rekey up; the present shares stay")
	cmd.Flags().BoolVar(&f.status, "status", false, "only show how far the rekey has come")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case f.cancel && f.status || (f.cancel || f.status) && (f.auto || len(f.files) > 0):
			return usage(errors.New("--cancel, --status and shares: want one of them"), "")
		case f.cancel:
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
				return sentence(storeDone{"cancelled", a.storeName}, "Nothing was changed: the present shares of the store %s stay.", a.storeName), c.CancelRekey(ctx, a.storeName)
			})(cmd, nil)
		case f.status:
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
				r, err := c.RekeyStatus(ctx, a.storeName)
				return a.rekeyView(r), err
			})(cmd, nil)
		}
		return a.operatorRekey(cmd, &f)
	}
	return cmd
}

// shownRekey is what programs are shown of a rekey.
type shownRekey struct {
	Store string `json:"store"`
	client.Rekey
}

// rekeyView says how far a rekey has come, and how it goes on.
func (a *app) rekeyView(r client.Rekey) view {
	data := shownRekey{a.storeName, r}
	goOn := a.atStore("gatehouse operator rekey --nonce " + quote(r.Nonce))
	switch r.Stage {
	case client.RekeyShares:
		return sentence(data, "A rekey of the store %s gathers present shares: %s. Go on with: %s", a.storeName, gathered{r.Progress, r.Required, false}, goOn)
	case client.RekeyVerify:
		return sentence(data, "A rekey of the store %s gathers new shares: %s. Go on with: %s", a.storeName, gathered{r.Progress, r.Required, false}, goOn)
	case client.RekeyDone:
		return sentence(data, "The store %s has new shares: any %d of %d unseal it. The old ones open nothing any more.", a.storeName, r.Threshold, r.Shares)
	}
	return sentence(data, "No rekey of the store %s is under way.", a.storeName)
}

// rekeying is one run of the verb.
type rekeying struct {
	*app
	c      *client.Client
	flags  *rekeyFlags
	script []string // the shares that are left of a script's
	typed  bool     // somebody types them
	begun  bool     // by this run
	now    client.Rekey
}

func (a *app) operatorRekey(cmd *cobra.Command, f *rekeyFlags) error {
	split, errSplit := f.split()
	if errSplit != nil {
		return errSplit
	}
	r := &rekeying{app: a, flags: f, typed: a.terminalIn() && len(f.files) == 0}
	if !r.typed && (!f.auto || len(f.files) > 0) {
		var err error
		if r.script, err = a.shares(&f.shareFlags); err != nil {
			return err
		}
	}
	t, err := a.find(false)
	if err != nil {
		return err
	}
	return a.with(cmd.Context(), t, loggedIn, func(c *client.Client) error {
		r.c = c
		return r.run(cmd.Context(), split)
	})
}

// run takes the rekey as far as the shares last.
func (r *rekeying) run(ctx context.Context, split client.NewShares) error {
	if err := r.begin(ctx, split); err != nil {
		return err
	}
	if r.now.Stage == client.RekeyShares {
		shown, err := r.authorize(ctx)
		if err != nil || shown && (!r.typed || r.output != "table") {
			return err // the shares are all that a program is to read
		}
	}
	if r.now.Stage == client.RekeyVerify {
		if err := r.stage(ctx, client.RekeyVerify, "new share", r.c.VerifyRekey); err != nil {
			return err
		}
	}
	return r.show(r.rekeyView(r.now))
}

// begin joins the rekey that is under way, or begins one.
func (r *rekeying) begin(ctx context.Context, split client.NewShares) (err error) {
	if r.now, err = r.c.RekeyStatus(ctx, r.storeName); err != nil {
		return err
	}
	if r.now.Stage != client.RekeyVerify { // there will be shares to show
		if err := r.checkPlace(&r.flags.splitFlags); err != nil {
			return err
		}
	}
	underWay := r.now.Stage == client.RekeyShares || r.now.Stage == client.RekeyVerify
	switch {
	case underWay && r.flags.nonce != "" && r.flags.nonce != r.now.Nonce:
		return fail(StatusFailed, fmt.Errorf("the rekey that is under way is another one: its nonce is %s", safe(r.now.Nonce)), "")
	case underWay:
		fmt.Fprintf(r.env.Stderr, "A rekey is under way, nonce %s: %d new shares, any %d of which will unseal.\n", safe(r.now.Nonce), r.now.Shares, r.now.Threshold)
		return nil
	case r.flags.nonce != "":
		return fail(StatusFailed, errors.New("no rekey is under way: it is done, was given up, or was forgotten"), r.atStore("gatehouse operator rekey")+" begins another")
	}
	r.begun = true
	if r.now, err = r.c.StartRekey(ctx, r.storeName, split); err == nil {
		fmt.Fprintf(r.env.Stderr, "A rekey begins, nonce %s. Others join it with: %s\n", safe(r.now.Nonce), r.atStore("gatehouse operator rekey --nonce "+quote(r.now.Nonce)))
	}
	return settle(err, r.atStore("gatehouse operator rekey --status"))
}

// stage gathers the shares of one stage.
func (r *rekeying) stage(ctx context.Context, name, what string, give func(ctx context.Context, store, nonce, share string) (client.Rekey, error)) error {
	nonce := r.now.Nonce
	noted := func(now client.Rekey, err error) (gathered, error) {
		if err != nil {
			return gathered{}, settle(err, r.atStore("gatehouse operator rekey --status"))
		}
		r.now = now
		return gathered{now.Progress, now.Required, now.Stage != name || now.Nonce != nonce}, nil
	}
	_, err := r.gather(ctx, gathering{
		what: what + " of the store " + safe(r.storeName),
		give: func(ctx context.Context, share string) (gathered, error) {
			return noted(give(ctx, r.storeName, nonce, share))
		},
		look: func(ctx context.Context) (gathered, error) { return noted(r.c.RekeyStatus(ctx, r.storeName)) },
	}, r.typed, &r.script)
	if err == nil && r.now.Nonce != nonce {
		err = fail(StatusFailed, errors.New("the rekey has ended here: others have finished it or given it up, or it was forgotten"), "")
	}
	return err
}

// authorize gives present shares, and reports whether it has shown the new ones: whoever gives the last present share sees them.
func (r *rekeying) authorize(ctx context.Context) (bool, error) {
	holders := r.now.Fingerprints // of a rekey that somebody else has begun
	if r.begun {
		holders = r.flags.holders()
	}
	set, err := r.flags.place(r.storeName, r.now.Shares, holders)
	if err != nil {
		return false, err
	}
	if r.flags.auto {
		r.now, err = r.c.RekeyAuto(ctx, r.storeName, r.now.Nonce)
		err = settle(err, r.atStore("gatehouse operator rekey --status"))
	} else {
		err = r.stage(ctx, client.RekeyShares, "present share", r.c.RekeyShare)
	}
	if err != nil || len(r.now.Keys) == 0 {
		set.discard() // there are none yet, or they went to somebody else
		return false, err
	}
	head := fmt.Sprintf("The store %s gets a new root key, in %s, once %d of them were given back.\nNonce: %s\n\n",
		safe(r.storeName), count(r.now.Shares, "share"), r.now.Threshold, safe(r.now.Nonce))
	return true, r.deliver(set, head, shownShares{Result: client.RekeyVerify, Store: r.storeName, Shares: r.now.Shares, Threshold: r.now.Threshold,
		Keys: r.now.Keys, Fingerprints: r.now.Fingerprints, Nonce: r.now.Nonce})
}
