package main

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"gatehouse/cmd/gatehouse/cli"
)

func (p *program) agentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run one master",
		Long: "Runs one master. Every setting can be given as a flag, as a variable GATEHOUSE_NAME, or\n" +
			"under the flag's name in a YAML file (--config); the first of these that mentions it\n" +
			"counts. Start all masters of a cluster with the same settings but for their addresses.",
		Example: "  gatehouse agent --config /etc/gatehouse/gatehouse.yaml\n" +
			"  gatehouse agent --expect 3 --join master.mesos:8103 --advertise 10.0.0.1",
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, wrong := readConfig(cmd.Flags(), p.env)
			return p.runAgent(cmd.Context(), cfg, wrong)
		},
	}
	cmd.Flags().SortFlags = false
	addSettings(cmd.Flags())
	return cmd
}

// stopLimit bounds the time between the signal to stop and the end of the process.
const stopLimit = 9500 * time.Millisecond

// loggedError is an error that the log has already.
type loggedError struct{ error }

func (e loggedError) Unwrap() error { return e.error }

// runAgent runs one master until ctx ends or it cannot go on. With wrong, what is wrong with its settings, it only looks
// what else is.
func (p *program) runAgent(ctx context.Context, cfg *config, wrong problems) error {
	var found problems
	parts := preflight(ctx, cfg, &wrong, &found)
	defer parts.listeners.close()
	if len(wrong) > 0 {
		return append(wrong, found...).err()
	}
	defer runtime.KeepAlive(paceGarbage())
	defer p.tellOnAbort()()
	logger := newLogger(p.stderr, cfg)
	if len(found) > 0 {
		return fail(logger, errors.New(strings.Join(found, "; ")))
	}
	if err := keepMemoryPrivate(); err != nil {
		return fail(logger, err)
	}
	if err := parts.settle(ctx, cfg); err != nil {
		return fail(logger, err)
	}
	m := &master{cfg: cfg, log: logger, means: parts, exit: p.exit}
	m.serveClients()
	if err := m.wire(ctx, p.stderr); err != nil {
		m.stopClients(context.Background())
		return fail(logger, err)
	}
	if err := m.run(ctx); err != nil {
		return fail(logger, err)
	}
	logger.Info("master stopped")
	return nil
}

// fail logs what ends the master, once.
func fail(logger *slog.Logger, err error) error {
	logger.Error("master failed", "error", err)
	return loggedError{err}
}

// run serves until ctx ends, then stops in an order in which every part finds the ones it
// needs: leadership goes first, so that changes still under way are forwarded; then clients,
// then the node. Parts that hang do not keep the process.
func (m *master) run(ctx context.Context) error {
	nodeCtx, stopNode := context.WithCancel(context.WithoutCancel(ctx))
	defer stopNode()
	group, groupCtx := errgroup.WithContext(nodeCtx)
	group.Go(func() error { return m.node.Run(nodeCtx, m.peerHandler(), m.duties()...) })
	group.Go(func() error { return m.openForClients(groupCtx) })
	group.Go(func() error { return m.keys.Run(groupCtx) })
	group.Go(func() error { return m.watch.run(groupCtx) })
	group.Go(func() error { return m.server.KeepFresh(groupCtx) })
	group.Go(func() error { return m.teller.run(ctx) })
	if m.tls != nil {
		group.Go(func() error { return m.tls.keepFresh(groupCtx, m.log) })
	}
	group.Go(func() error { return m.rules.keepFresh(groupCtx, m.log) })
	group.Go(func() error { return m.names.run(groupCtx, ctx, m.node) })
	group.Go(func() error {
		select {
		case err := <-m.serving:
			return err
		case <-groupCtx.Done():
			return nil
		}
	})

	select {
	case <-groupCtx.Done(): // something failed
	case <-ctx.Done():
	}
	m.log.Info("master stopping")
	last := time.AfterFunc(stopLimit, func() { m.fatal(errors.New("stopping took too long")) })
	defer last.Stop()
	m.drain(nodeCtx)
	stopNode()
	return group.Wait()
}

// drain sends clients elsewhere and waits for the requests that are under way.
func (m *master) drain(ctx context.Context) {
	m.status.Load().draining.Store(true)
	m.hub.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, self, _ := m.node.Leader(); self {
		if err := m.node.TransferLeadership(ctx); err != nil {
			m.log.Warn("leadership not handed over", "error", err)
		}
	}
	m.stopClients(ctx)
	m.teller.end(ctx)
}

// fatal ends the process at once, for when its parts can no longer be relied on.
func (m *master) fatal(err error) {
	m.log.Error("master failed", "error", err)
	m.exit(1)
}
