package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gatehouse/cmd/gatehouse/cli"
	"gatehouse/keyring/password"
)

// The superuser of every dev cluster.
const (
	devUID      = "bootstrapuser"
	devPassword = "deleteme"
)

// devOwns are the settings that dev decides for each master; all others pass through.
var devOwns = []string{"data-dir", "name", "listen", "peer-listen", "gossip-listen", "advertise", "api-advertise",
	"peer-advertise", "gossip-advertise", "cluster-key-file", "expect", "join", "superuser-username",
	"superuser-password-hash", "admin-socket", "dns-listen", "allow-insecure-providers"}

// devOptions are the flags of dev itself.
type devOptions struct {
	masters int
	dataDir string
	apiPort int
}

func (p *program) devCommand() *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole cluster on loopback, to try it or to test against it",
		Long: "Starts masters as child processes on loopback, the first with its API on --api-port,\n" +
			"each further one ten ports higher, and writes DIR/dev.json, from which a script can\n" +
			"kill one master and start it again. The superuser is " + devUID + ", password " + devPassword + ".\n" +
			"Flags of the agent are passed on to every master. SIGTERM or Ctrl-C stops them all.",
		Example: "  gatehouse dev\n  gatehouse dev --masters 5 --data-dir /var/tmp/gatehouse-dev --api-port 9000 --log-level debug",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.runDev(cmd, o) },
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().IntVar(&o.masters, "masters", 3, "how many masters, 1 to 9")
	cmd.Flags().StringVar(&o.dataDir, "data-dir", "dev-data", "where their data, logs, the cluster key and dev.json are")
	cmd.Flags().IntVar(&o.apiPort, "api-port", 8101, "API port of the first master")
	cmd.Flags().AddFlagSet(passedOnFlags())
	return cmd
}

func passedOnFlags() *pflag.FlagSet {
	all := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	addSettings(all)
	some := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	all.SortFlags = false
	all.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(devOwns, f.Name) {
			some.AddFlag(f)
		}
	})
	return some
}

func (p *program) runDev(cmd *cobra.Command, o devOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	var err error
	if o.dataDir, err = filepath.Abs(o.dataDir); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	if err := os.MkdirAll(o.dataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	release, err := claim(o.dataDir)
	if err != nil {
		return err
	}
	defer release()
	cluster, err := p.planDev(cmd, o)
	if err != nil {
		return err
	}
	if err := o.checkPorts(); err != nil {
		return err
	}
	return cluster.run(cmd.Context())
}

func (o devOptions) check() error {
	var wrong problems
	if o.masters < 1 || o.masters > 9 {
		wrong.add(fmt.Sprintf("--masters: %d: want 1 to 9", o.masters))
	}
	if last := o.apiPort + 10*(o.masters-1) + 2; o.apiPort < 1 || last > 65535 {
		wrong.add(fmt.Sprintf("--api-port: %d: the ports of %d masters do not fit", o.apiPort, o.masters))
	}
	if o.dataDir == "" {
		wrong.add("--data-dir: must not be empty")
	}
	return wrong.err()
}

// planDev decides every master's command line and prepares what they share. The first
// command line is checked here, so that a mistake is reported once and not by each child.
func (p *program) planDev(cmd *cobra.Command, o devOptions) (*devCluster, error) {
	passed, err := p.passedOn(cmd.Flags())
	if err != nil {
		return nil, err
	}
	key := filepath.Join(o.dataDir, "cluster.key")
	if err := devKey(key); err != nil {
		return nil, err
	}
	hash, err := password.New(password.Options{}).Hash(cmd.Context(), devPassword)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cluster := &devCluster{program: p, dir: o.dataDir, keyFile: key}
	// Who waits for the file waits for this cluster, not for the last one.
	if err := os.Remove(cluster.description()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old dev.json: %w", err)
	}
	for i := range o.masters {
		m := newDevMaster(o, i)
		m.Command = append([]string{binary, "agent"}, m.flags(o, key, hash)...)
		m.Command = append(m.Command, passed...)
		cluster.masters = append(cluster.masters, m)
	}
	return cluster, cluster.take(p.checkAgentFlags(cluster.masters[0].Command[2:]))
}

// take reads from the settings of the first master how clients reach them all.
func (c *devCluster) take(cfg *config, parts *means, err error) error {
	if err != nil {
		return err
	}
	for _, m := range c.masters {
		m.API = cfg.Listeners[0].Scheme + "://" + m.address
	}
	if !cfg.TLSAuto {
		return nil
	}
	c.caFile = filepath.Join(c.dir, "ca.crt")
	if err := os.WriteFile(c.caFile, parts.authority(), 0o600); err != nil {
		return fmt.Errorf("write the certificate authority: %w", err)
	}
	return nil
}

// passedOn renders what was set for the masters, wherever it was set, as flags: a
// master's command line then says everything and works from any directory.
func (p *program) passedOn(flags *pflag.FlagSet) ([]string, error) {
	var wrong problems
	file := readConfigFile(flags, p.env, &wrong)
	var args []string
	for _, s := range settings {
		if slices.Contains(devOwns, s.name) {
			continue
		}
		values, from := s.choose(flags, p.env, file)
		if from == byDefault {
			continue
		}
		for _, v := range values {
			args = append(args, "--"+s.name+"="+absolute(s.kind, v))
		}
	}
	return args, wrong.err()
}

// absolute makes a path independent of the working directory.
func absolute(kind, value string) string {
	isPath := kind == "file" || kind == "path" || kind == "pem" && !strings.Contains(value, "-----BEGIN")
	if !isPath || value == "" || value == "-" {
		return value
	}
	path, err := filepath.Abs(value)
	if err != nil {
		return value
	}
	return path
}

// checkAgentFlags checks the settings of a master, and the files that they name.
func (p *program) checkAgentFlags(args []string) (*config, *means, error) {
	flags := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	addSettings(flags)
	if err := flags.Parse(args); err != nil {
		return nil, nil, usageError{err}
	}
	cfg, wrong := readConfig(flags, p.env)
	parts := &means{}
	parts.readFiles(cfg, &wrong, &wrong)
	return cfg, parts, wrong.err()
}

// devKey makes the cluster key of a new dev cluster and keeps the one of an old one.
func devKey(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err := makeKeyFile(path)
	return err
}

// run starts the masters, says when they are ready, and stops them when ctx ends. There is
// a dev.json as long as there is a cluster that it describes.
func (c *devCluster) run(ctx context.Context) error {
	defer os.Remove(c.description())
	defer c.stop()
	ended, err := c.start()
	if err != nil {
		return err
	}
	if err := c.awaitReady(ctx, ended); err != nil || ctx.Err() != nil {
		return err
	}
	if err := c.writeDescription(); err != nil {
		return err
	}
	c.printWelcome()
	c.watch(ctx, ended)
	return nil
}
