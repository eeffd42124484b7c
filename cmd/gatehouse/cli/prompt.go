package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxLine bounds what is read as one line of input.
const maxLine = 16 << 10

// passwordFlags are the ways in which a password comes in other than by a prompt.
type passwordFlags struct {
	file     string
	stdin    bool
	insecure string
}

// add defines the flags. They are told apart by a prefix when a verb takes two passwords.
func (p *passwordFlags) add(flags *pflag.FlagSet, prefix, what string) {
	flags.StringVar(&p.file, prefix+"password-file", "", "read "+what+" from the first line of `FILE`")
	flags.BoolVar(&p.stdin, prefix+"password-stdin", false, "read "+what+" from the first line of standard input")
	flags.StringVar(&p.insecure, "insecure-"+prefix+"password", "", what+" as `VALUE`; every user of this machine can see it")
}

func (p *passwordFlags) given(flags *pflag.FlagSet, prefix string) int {
	n := 0
	for _, name := range []string{prefix + "password-file", prefix + "password-stdin", "insecure-" + prefix + "password"} {
		if flags.Changed(name) {
			n++
		}
	}
	return n
}

// read is the password that the flags name.
func (p *passwordFlags) read(a *app, flags *pflag.FlagSet, prefix string) (string, error) {
	switch {
	case p.given(flags, prefix) > 1:
		return "", usage(fmt.Errorf("--%[1]spassword-file, --%[1]spassword-stdin and --insecure-%[1]spassword: want one of them", prefix), "")
	case p.stdin:
		return a.firstLine(a.env.Stdin, "standard input")
	case p.file != "":
		a.warnIfOpen(p.file)
		f, err := os.OpenFile(p.file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return "", usage(fmt.Errorf("--%spassword-file: %w", prefix, err), "")
		}
		defer f.Close()
		return a.firstLine(f, p.file)
	}
	fmt.Fprintf(a.env.Stderr, "Warning: a password on the command line can be seen by every user of this machine and stays in the shell's history.\n")
	if p.insecure == "" {
		return "", usage(errors.New("the password must not be empty"), "")
	}
	return p.insecure, nil
}

func (a *app) firstLine(r io.Reader, name string) (string, error) {
	return a.firstLineOf(r, "a password", name)
}

// firstLineOf reads one line without its end.
func (a *app) firstLineOf(r io.Reader, what, name string) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", usage(fmt.Errorf("read %s from %s: %w", what, name, err), "")
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", usage(fmt.Errorf("the first line of %s is empty; %s is expected there", name, what), "")
	}
	return line, nil
}

// warnIfOpen tells about a secret in a file that others can read.
func (a *app) warnIfOpen(path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(a.env.Stderr, "Warning: %s can be read by others; run chmod 600 %s\n", path, path)
	}
}

// terminalIn reports whether somebody is there to be asked.
func (a *app) terminalIn() bool {
	in, _, _ := a.env.Terminal()
	return in
}

// ask asks for a line. instead says how a script says it.
func (a *app) ask(ctx context.Context, question, instead string) (string, error) {
	if !a.terminalIn() {
		return "", usage(errors.New("there is no terminal to ask on"), instead)
	}
	fmt.Fprint(a.env.Stderr, question)
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReaderSize(io.LimitReader(a.env.Stdin, maxLine), 16).ReadString('\n')
		typed <- answer{strings.TrimSpace(line), err}
	}()
	select {
	case got := <-typed:
		if got.err != nil && (got.line == "" || !errors.Is(got.err, io.EOF)) {
			return "", usage(errors.New("nothing was typed"), instead)
		}
		return got.line, nil
	case <-ctx.Done():
		fmt.Fprintln(a.env.Stderr)
		return "", interrupted()
	}
}

func interrupted() error { return fail(StatusInterrupted, errors.New("interrupted"), "") }

// askPassword asks for a password that exists.
func (a *app) askPassword(ctx context.Context, question, instead string) (string, error) {
	return a.askHidden(ctx, "password", question, instead)
}

// askHidden asks for something that nobody is to see.
func (a *app) askHidden(ctx context.Context, what, question, instead string) (string, error) {
	if !a.terminalIn() {
		return "", usage(fmt.Errorf("there is no terminal to ask for the %s on", what), instead)
	}
	typed, err := a.env.ReadPassword(ctx, question)
	switch {
	case ctx.Err() != nil:
		return "", interrupted()
	case err != nil:
		return "", usage(fmt.Errorf("read the %s: %w", what, err), instead)
	case typed == "":
		return "", usage(fmt.Errorf("the %s must not be empty", what), "")
	}
	return typed, nil
}

// askNewPassword asks twice, because nobody sees what is typed.
func (a *app) askNewPassword(ctx context.Context, whose, instead string) (string, error) {
	first, err := a.askPassword(ctx, "New password for "+safe(whose)+": ", instead)
	if err != nil {
		return "", err
	}
	second, err := a.askPassword(ctx, "The same again: ", instead)
	switch {
	case err != nil:
		return "", err
	case first != second:
		return "", usage(errors.New("the passwords differ; nothing was changed"), "")
	}
	return first, nil
}

// addYes defines --yes of a verb that cannot be undone.
func (a *app) addYes(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask whether it is meant")
}

// confirm asks whether it is meant. Scripts say --yes.
func (a *app) confirm(ctx context.Context, question string) error {
	if a.yes {
		return nil
	}
	answer, err := a.ask(ctx, question+" [y/N] ", "say --yes when it is meant")
	if err != nil {
		return err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return nil
	}
	return fail(StatusFailed, errors.New("nothing was changed"), "")
}
