package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gatehouse/cluster"
	"gatehouse/fsm"
	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/iamapi"
	"gatehouse/keyring/token"
)

// clusterSeam gives the API the part of the node that it asks for.
type clusterSeam struct{ *cluster.Node }

func (c clusterSeam) ReadIndex(ctx context.Context) (httpapi.Read, error) {
	if plantStaleRead {
		return c.staleRead(ctx)
	}
	r, err := c.Node.ReadIndex(ctx)
	return httpapi.Read{Index: r.Index, Term: r.Term, Leader: r.Leader, Time: r.Time}, err
}

// KeyHolders asks every server of the cluster which cluster keys it has.
func (c clusterSeam) KeyHolders(ctx context.Context) []iamapi.KeyHolder {
	var holders []iamapi.KeyHolder
	for _, m := range c.AskMasters(ctx) {
		holders = append(holders, iamapi.KeyHolder{ID: m.ID, Name: m.Name, Answered: m.State != cluster.StateUnreachable, KeyIDs: m.KeyIDs})
	}
	return holders
}

// submitSeam brings commands into the log through this node.
type submitSeam struct {
	machine *fsm.Machine
	node    *cluster.Node
}

func (s submitSeam) Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error) {
	if err := httpapi.Recorded(ctx); err != nil {
		if s.node.Status().DiskLow { // the records are on the same disk: say what is to be done
			err = fault.New(fault.DiskLow, "The leader's disk is nearly full. Nothing was changed.").After(10 * time.Second)
		}
		return command.Outcome{}, err
	}
	if plantLostWrite && loses(c) {
		return command.Outcome{Index: s.machine.AppliedIndex() + 1}, nil
	}
	return s.machine.Submit(ctx, s.node, h, c)
}

// verifierSeam checks tokens against a state.
type verifierSeam struct{ *token.Verifier }

func (v verifierSeam) Verify(s *state.State, raw string, now time.Time) (httpapi.Identity, error) {
	claims, err := v.Verifier.Verify(s, raw, now)
	if errors.Is(err, token.ErrUnknownKey) {
		err = fmt.Errorf("%w: %w", httpapi.ErrUnknownKey, err)
	}
	return httpapi.Identity{UID: claims.UID, IssuedAt: claims.IssuedAt, Expires: claims.Expires}, err
}

// status tells the API how this master and the others are.
type status struct {
	node     *cluster.Node
	machine  *fsm.Machine
	open     atomic.Bool // clients are let in
	draining atomic.Bool
}

func (s *status) Health() httpapi.Health {
	now := s.node.Status()
	return httpapi.Health{
		Starting:        !s.open.Load(),
		Restoring:       s.machine.Restoring(),
		Draining:        s.draining.Load(),
		Removed:         now.Removed,
		DiskLow:         now.DiskLow,
		LeaderlessSince: now.LeaderlessSince,
		State:           now.State,
		Leader:          now.Leader,
		Term:            now.Term,
	}
}

// unhealthy says why clients should go to another master just now.
func (s *status) unhealthy() []string {
	if s == nil {
		return []string{"starting"}
	}
	h := s.Health()
	return h.Reasons(time.Now())
}

func (s *status) Masters(ctx context.Context) []httpapi.Master {
	var rows []httpapi.Master
	for _, m := range s.node.Masters(ctx) {
		rows = append(rows, httpapi.Master{ID: m.ID, Name: m.Name, API: m.API, Peer: m.Peer, State: m.State, Leader: m.Leader,
			Version: m.Version, Level: m.Level, AppliedIndex: m.AppliedIndex})
	}
	return rows
}
