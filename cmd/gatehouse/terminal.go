package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"gatehouse/cmd/gatehouse/cli"
)

// people is what the verbs for people are given of the program's surroundings.
func (p *program) people() cli.Env {
	return cli.Env{
		Getenv: p.env, Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr,
		Terminal: p.terminal, ReadPassword: p.readPassword, Now: time.Now, AdminSocket: adminClient, Version: version,
	}
}

// terminal reports which of input and output are terminals, and how many cells wide the latter is.
func (p *program) terminal() (in, out bool, width int) {
	_, in = asTerminal(p.stdin)
	fd, out := asTerminal(p.stdout)
	if out {
		width, _, _ = term.GetSize(fd)
	}
	return in, out, width
}

func asTerminal(stream any) (fd int, ok bool) {
	file, ok := stream.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(file.Fd())
	return fd, term.IsTerminal(fd)
}

// readPassword asks on the terminal and reads a line without showing it. It asks once nothing is shown any more: a terminal
// multiplexer types faster than a person. Afterwards, also when ctx ends first, which Ctrl-C does, the terminal is as it was.
func (p *program) readPassword(ctx context.Context, question string) (string, error) {
	fd, ok := asTerminal(p.stdin)
	if !ok {
		return "", io.ErrUnexpectedEOF
	}
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(fd, before) }()
	if err := hideTyping(fd); err != nil {
		return "", err
	}
	fmt.Fprint(p.stderr, question)
	defer fmt.Fprintln(p.stderr)
	type line struct {
		text []byte
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		typed <- line{text, err}
	}()
	select {
	case got := <-typed:
		return string(got.text), got.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func hideTyping(fd int) error {
	state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	state.Lflag &^= unix.ECHO
	return unix.IoctlSetTermios(fd, unix.TCSETS, state)
}
