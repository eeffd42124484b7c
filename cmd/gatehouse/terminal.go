package main

import (
	"context"
	"io"
	"os"
	"time"

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

// readPassword reads a line from the terminal without showing it. When ctx ends first, which Ctrl-C does, the terminal shows
// again what is typed.
func (p *program) readPassword(ctx context.Context) (string, error) {
	fd, ok := asTerminal(p.stdin)
	if !ok {
		return "", io.ErrUnexpectedEOF
	}
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
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
		_ = term.Restore(fd, before)
		return "", ctx.Err()
	}
}
