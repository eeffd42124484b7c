// Command gatehouse is the whole product in one binary: a master of the cluster
// (agent), a cluster on loopback to try it with (dev), and the tools an operator
// needs around them.
//
// The package holds commands, flags, wiring and signals. What a user, a token or a
// write is, is decided elsewhere: the parts that know nothing of each other (the
// replicated state, the cluster, the keys) are put together here and nowhere else.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"gatehouse/cmd/gatehouse/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program; tests call it just as main does. It returns the exit
// status: 0, 1 when the work failed, 2 when the command line or configuration is wrong; docs/cli.md has them all.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	return (&program{env: environ(env), stdin: os.Stdin, stdout: stdout, stderr: stderr, exit: os.Exit}).run(ctx, args)
}

// program is what every command is given of its surroundings.
type program struct {
	env    map[string]string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	exit   func(int) // ends the process when a part hangs
}

func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !isLogged(err) && !cli.Said(err) {
		fmt.Fprintf(p.stderr, "gatehouse: %v\n", err)
	}
	if isUsage(err) {
		return cli.StatusUsage
	}
	return cli.Status(err)
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "gatehouse",
		Short:         "Identity and access management for the masters of a cluster",
		Long:          "Gatehouse runs on every master of a DC/OS-style cluster and serves its identity\nand access management: users, groups, permissions, logins, tokens. Any master\nanswers any request.",
		Example:       "  gatehouse dev\n  gatehouse agent --expect 3 --join 10.0.0.1:8103 --join 10.0.0.2:8103 --join 10.0.0.3:8103",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	cli.Group(root)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
	addGroup(root, "masters", "Run masters:", p.agentCommand(), p.devCommand(), p.keygenCommand(), p.hashPasswordCommand(), p.resetSuperuserCommand(), p.configCommand(), p.doctorCommand(), p.versionCommand())
	addGroup(root, "people", "Work with a cluster:", cli.Commands(p.people())...)
	root.SetHelpCommandGroupID("people")
	if _, onTerminal, width := p.terminal(); onTerminal {
		cli.Fit(root, width)
	}
	return root
}

// addGroup adds commands under a heading of their own.
func addGroup(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = id
	}
	root.AddCommand(commands...)
}

// environ turns the "NAME=value" strings of a process environment into a map.
func environ(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, kv := range env {
		for i := 1; i < len(kv); i++ {
			if kv[i] == '=' {
				m[kv[:i]] = kv[i+1:]
				break
			}
		}
	}
	return m
}
