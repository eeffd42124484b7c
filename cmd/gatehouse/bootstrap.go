package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/cutoff"
	"gatehouse/httpapi/declare"
	"gatehouse/httpapi/declareapi"
)

// bootstrap is what a new cluster begins with beside its superusers: the service accounts, groups and grants of a file.
type bootstrap struct {
	hash    string // of the file
	changes []declare.Change
}

// maxBootstrap bounds the command in bytes: it is one entry of the log.
const maxBootstrap = 1 << 20

// readBootstrap reads the file of --bootstrap-file. All that is wrong with it is reported at once; nil is no file.
func readBootstrap(cfg *config, wrong *problems) *bootstrap {
	if cfg.BootstrapFile == "" {
		return nil
	}
	text, err := os.ReadFile(cfg.BootstrapFile)
	if err != nil {
		wrong.add("--bootstrap-file: " + err.Error())
		return nil
	}
	var want declare.Document
	bad := want.Parse(cfg.BootstrapFile, text)
	bad = append(bad, want.CheckKeys(cfg.MinServiceKeyBits)...)
	plan := declare.Difference(cfg.beginning(), &want, declare.Options{})
	bad = append(bad, plan.Wrong...)
	changes, err := declareapi.Commands(declare.ChangesOf(plan.Steps), declare.Unsealed{}, nil)
	if size, _ := json.Marshal(changes); err != nil || len(size) > maxBootstrap {
		bad = append(bad, declare.Problem{At: declare.Position{File: cfg.BootstrapFile},
			Text: fmt.Sprintf("%d changes are too many for a start: at most %d, of %d bytes together; leave the rest to gatehouse iam apply",
				len(plan.Steps), command.MaxChanges, maxBootstrap)})
	}
	for _, line := range bad.Lines() {
		wrong.add("--bootstrap-file: " + line)
	}
	sum := sha256.Sum256(text)
	return &bootstrap{hash: hex.EncodeToString(sum[:]), changes: declare.ChangesOf(plan.Steps)}
}

// beginning is what InitCluster makes of the settings.
func (c *config) beginning() *declare.Document {
	group := declare.Group{GID: iam.SuperuserGroup, Description: new(iam.SuperuserGroupDescription)}
	d := &declare.Document{Version: declare.Version}
	for _, u := range []*iam.User{c.superuser(), c.superuserServiceAccount()} {
		if u == nil {
			continue
		}
		group.Members = append(group.Members, declare.Member{UID: u.UID})
		d.Users = append(d.Users, declare.User{UID: u.UID, Description: &u.Description, PublicKey: u.PublicKey})
	}
	d.Groups = []declare.Group{group}
	d.ACLs = []declare.ACL{{RID: iam.SuperuserRID, Description: new(iam.SuperuserACLDescription),
		Groups: declare.Grants{{ID: iam.SuperuserGroup, Actions: iam.Full}}}}
	return d
}

// applyBootstrap makes the changes of the file once in the life of a cluster, while nobody has changed anything yet. A leader that ended
// between InitCluster and this leaves it to the next.
func (m *master) applyBootstrap(ctx context.Context, term uint64) error {
	if !m.awaitsBootstrap() {
		return nil
	}
	b := m.bootstrap
	changes, err := declareapi.Commands(b.changes, m.ring, nil)
	if err != nil {
		return fmt.Errorf("apply the bootstrap file: %w", err)
	}
	change := command.ApplyChanges{Changes: changes, TokenLife: cutoff.LongestTokenLife, Bootstrap: b.hash}
	if _, err := m.machine.Submit(ctx, m.node, m.header(term), change); err != nil {
		return fmt.Errorf("apply the bootstrap file: %w", err)
	}
	m.log.Info("bootstrap file applied", "file", m.cfg.BootstrapFile, "sha256", b.hash, "changes", declare.Summary(b.changes))
	return nil
}

// awaitsBootstrap reports whether the file is to be applied before clients are let in.
func (m *master) awaitsBootstrap() bool {
	return m.bootstrap != nil && untouched(m.machine.State())
}

// untouched reports whether the cluster is as InitCluster made it.
func untouched(s *state.State) bool {
	n := s.Sizes()
	return s.Meta().Bootstrap == "" && n.Users == n.Memberships && n.Users <= 2 && n.Groups == 1 && n.ACLs == 1 && n.Grants == 1 &&
		n.SigningKeys == 1 && n.Providers == 0 && n.Cutoffs == 0 && n.Replays == 0
}
