package main

import (
	"context"
	"fmt"
	"time"

	"gatehouse/cluster"
	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/keyring/token"
)

// duties are what only the leader does by itself.
func (m *master) duties() []cluster.Duty {
	return []cluster.Duty{
		{Name: "initialise", Run: m.initialise},
		{Name: "raise-level", Run: m.raiseLevel},
		{Name: "reseal-keys", Run: m.resealKeys},
		{Name: "reseal-auto", Run: m.resealAuto},
		{Name: "default-store", Run: m.keepDefaultStore},
		{Name: "wipe-shares", Run: m.stores.WipeRested},
		{Name: "end-secrets", Run: m.endSecrets},
		{Name: "re-encrypt", Run: m.reencrypt},
		{Name: "ldap-sync", Run: m.syncDirectory},
	}
}

// lowestLevel is the level of a new cluster of which some master does not answer while it is initialised.
const lowestLevel = 1

// levelPatience bounds how long the leader waits for that answer. The masters have just formed the cluster together, so
// that one which is silent now may be so for long.
const levelPatience = 5 * time.Second

// initialise makes the empty state of a new cluster one that people can log in to.
func (m *master) initialise(ctx context.Context, term uint64) error {
	if m.machine.State().Meta().ClusterID != "" {
		return m.applyBootstrap(ctx, term)
	}
	key, err := token.GenerateSigningKey(m.ring, m.now())
	if err != nil {
		return fmt.Errorf("generate the first signing key: %w", err)
	}
	init := command.InitCluster{
		ClusterID:               m.node.ClusterID(),
		Level:                   m.firstLevel(ctx),
		PrimaryKeyID:            m.ring.PrimaryID(),
		SigningKey:              *key,
		Superuser:               m.cfg.superuser(),
		SuperuserServiceAccount: m.cfg.superuserServiceAccount(),
	}
	if _, err := m.machine.Submit(ctx, m.node, m.header(term), init); err != nil {
		return fmt.Errorf("initialise the cluster: %w", err)
	}
	m.log.Info("cluster initialised", "cluster_id", init.ClusterID, "cluster_level", init.Level, "signing_key", key.KID,
		"superuser", m.cfg.SuperuserUsername, "superuser_service_account", m.cfg.SuperuserServiceAccount)
	return m.applyBootstrap(ctx, term)
}

// firstLevel is the level of a new cluster: the highest that all its masters understand. A cluster that began lower and
// was raised afterwards would refuse its first clients what needs the higher level.
func (m *master) firstLevel(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, levelPatience)
	defer cancel()
	for ctx.Err() == nil {
		if common, all := m.node.ConfiguredMaxLevel(ctx); all {
			return max(lowestLevel, min(common, maxLevel))
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return lowestLevel
}

// superuser is the first superuser as the configuration names it (contract 3.3), or nil.
func (c *config) superuser() *iam.User {
	if c.SuperuserUsername == "" {
		return nil
	}
	return &iam.User{UID: c.SuperuserUsername, Description: "Bootstrap superuser",
		PasswordHash: c.SuperuserPasswordHash, ProviderType: iam.Internal}
}

func (c *config) superuserServiceAccount() *iam.User {
	if c.SuperuserServiceAccount == "" {
		return nil
	}
	return &iam.User{UID: c.SuperuserServiceAccount, Description: "Superuser service account defined via DC/OS config",
		PublicKey: c.SuperuserServicePublicKey, ProviderType: iam.Internal}
}

// levelPoll is how often the leader asks whether every master can go one level up.
const levelPoll = 2 * time.Second

// raiseLevel goes up one level at a time, when every configured server, reachable now, has
// a binary that knows the next one: from then on an older binary cannot follow.
func (m *master) raiseLevel(ctx context.Context, term uint64) error {
	return repeatedly(ctx, levelPoll, func() error { return m.raiseOnce(ctx, term) })
}

// repeatedly does something now and again until ctx ends or it fails.
func repeatedly(ctx context.Context, pause time.Duration, do func() error) error {
	poll := time.NewTicker(pause)
	defer poll.Stop()
	for {
		if err := do(); err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *master) raiseOnce(ctx context.Context, term uint64) error {
	level := m.machine.State().Meta().Level
	if level == 0 || level >= maxLevel {
		return nil
	}
	if common, all := m.node.ConfiguredMaxLevel(ctx); !all || common <= level {
		return nil
	}
	if _, err := m.machine.Submit(ctx, m.node, m.header(term), command.SetLevel{Level: level + 1}); err != nil {
		return fmt.Errorf("raise the cluster level to %d: %w", level+1, err)
	}
	m.log.Info("cluster level raised", "cluster_level", level+1)
	return nil
}

// header is that of a command which the cluster gives itself.
func (m *master) header(term uint64) command.Header {
	return command.Header{Level: m.machine.State().Meta().Level, Term: term, Time: m.now()}
}
