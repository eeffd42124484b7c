package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// shareFlags say where shares come from. Without files they are typed at a prompt, or are the lines of standard input.
type shareFlags struct{ files []string }

func (f *shareFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.files, "share-file", nil, "read a share from each line of `FILE`; may be given several times")
}

// maxShares is how many lines a file of shares may have.
const maxShares = 255

// shares are what a script gives; nil when a person is to be asked.
func (a *app) shares(f *shareFlags) ([]string, error) {
	if len(f.files) == 0 {
		if a.terminalIn() {
			return nil, nil
		}
		return shareLines(a.env.Stdin, "standard input")
	}
	var all []string
	for _, name := range f.files {
		file, err := os.Open(name)
		if err != nil {
			return nil, usage(fmt.Errorf("--share-file: %w", err), "")
		}
		a.warnIfOpen(name)
		lines, err := shareLines(file, name)
		file.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	return all, nil
}

// shareLines are the lines that are not empty.
func shareLines(r io.Reader, name string) (shares []string, err error) {
	scanner := bufio.NewScanner(io.LimitReader(r, maxShares*maxLine))
	for scanner.Scan() {
		if line := strings.TrimSpace(scanner.Text()); line != "" {
			shares = append(shares, line)
		}
	}
	switch {
	case scanner.Err() != nil || len(shares) > maxShares:
		return nil, usage(fmt.Errorf("%s holds no shares: want one on each line", name), "")
	case len(shares) == 0:
		return nil, usage(fmt.Errorf("%s is empty; a share is expected on each line", name), "use --share-file FILE, or a terminal")
	}
	return shares, nil
}

// gathered is how far the gathering of shares has come.
type gathered struct {
	given, needed int
	over          bool // so many are there, or it has ended for another reason
}

// gathering is a stage in which shares are gathered, by this verb and others at the same time.
type gathering struct {
	what string // the shares, for people: "share of the store default"
	give func(ctx context.Context, share string) (gathered, error)
	look func(ctx context.Context) (gathered, error)
}

// gather gives shares until there are enough: those of a script, of which *script is what is left, or those that somebody types. When a
// script has no more it is not over.
func (a *app) gather(ctx context.Context, g gathering, typed bool, script *[]string) (now gathered, err error) {
	if now, err = g.look(ctx); err != nil {
		return now, err
	}
	for !now.over {
		var share string
		if typed {
			if share, now, err = a.askShare(ctx, g, now); err != nil || now.over {
				return now, err
			}
		} else if len(*script) > 0 {
			share, *script = (*script)[0], (*script)[1:]
		} else {
			return now, nil
		}
		if now, err = a.give(ctx, g, now, share, typed); err != nil {
			return now, err
		}
	}
	return now, nil
}

// give gives one share and says what came of it. A person who has mistyped one may try again.
func (a *app) give(ctx context.Context, g gathering, before gathered, share string, typed bool) (gathered, error) {
	now, err := g.give(ctx, share)
	if err != nil {
		if !typed || !client.IsCode(err, "ERR_INVALID_SHARE") {
			return now, err
		}
		fmt.Fprintf(a.env.Stderr, "%v\n", refusal(asError(err)))
		return g.look(ctx)
	}
	switch {
	case now.over:
	case now.given == before.given:
		fmt.Fprintf(a.env.Stderr, "That share was there already; %s.\n", now)
	default:
		fmt.Fprintf(a.env.Stderr, "%s.\n", now)
	}
	return now, nil
}

func (g gathered) String() string { return fmt.Sprintf("%d of %s", g.given, count(g.needed, "share")) }

func asError(err error) *client.Error {
	var e *client.Error
	errors.As(err, &e)
	return e
}

// askShare asks for a share, without showing it. While somebody thinks, it tells what other operators do; when they have given the last
// share it asks no longer.
func (a *app) askShare(ctx context.Context, g gathering, before gathered) (string, gathered, error) {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	others := make(chan gathered, 1)
	question := fmt.Sprintf("A %s (%s given): ", g.what, before)
	go func() {
		defer stop()
		others <- a.others(asking, g, before, question)
	}()
	typed, err := a.env.ReadPassword(asking, question)
	stop()
	now := <-others
	typed = strings.TrimSpace(typed)
	switch {
	case ctx.Err() != nil:
		return "", now, interrupted()
	case now.over:
		return "", now, nil
	case err != nil:
		return "", now, usage(fmt.Errorf("read the share: %w", err), "use --share-file FILE, or pipe it in")
	case typed == "":
		return a.askShare(ctx, g, now)
	}
	return typed, now, nil
}

// others looks for what other operators do until ctx ends, or the gathering. What it does not learn now it learns later.
func (a *app) others(ctx context.Context, g gathering, last gathered, question string) gathered {
	for wait(ctx, lookEvery) {
		now, err := g.look(ctx)
		switch {
		case err != nil:
		case now.over:
			return now
		case now != last:
			fmt.Fprintf(a.env.Stderr, "\n%s now: another operator was here.\n%s", now, question)
			last = now
		}
	}
	return last
}
