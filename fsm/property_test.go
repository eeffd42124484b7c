package fsm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// drawCommand draws a command of the level or below. The directory was configured last at the index.
func drawCommand(t *rapid.T, now time.Time, level int, configured uint64) command.Command {
	if level >= command.LevelDirectory && rapid.Bool().Draw(t, "about the directory") {
		return drawDirectory(t, configured)
	}
	if level >= command.LevelSecrets && rapid.IntRange(0, 3).Draw(t, "about secrets") > 0 {
		return drawSecret(t, now)
	}
	if level >= command.LevelPermissions && rapid.IntRange(0, 3).Draw(t, "about permissions") > 0 {
		return drawPermission(t, now)
	}
	return drawBasic(t, now)
}

// drawBasic draws from few names, so that commands meet each other's effects.
func drawBasic(t *rapid.T, now time.Time) command.Command {
	uid := rapid.SampledFrom([]string{"alice", "bob", "carol", "robot", "a b", ""}).Draw(t, "uid")
	kid := rapid.SampledFrom([]string{"kid-1", "kid-2", "kid-3", ""}).Draw(t, "kid")
	text := rapid.SampledFrom([]string{"", "x", "<&>\u2028ä", "\x00"}).Draw(t, "text")
	key := iam.SigningKey{KID: kid, PublicKey: []byte(text), Sealed: []byte{0xff}}
	user := iam.User{UID: uid, Description: text, ProviderType: iam.Internal, PasswordHash: rapid.SampledFrom([]string{"", "h1", "h2"}).Draw(t, "hash")}
	if user.PasswordHash == "" {
		user.PublicKey = text
	}
	at := command.NextSecond(now).Add(time.Duration(rapid.IntRange(-3, 1).Draw(t, "second")) * time.Second)
	until := at.Add(time.Duration(rapid.IntRange(-1, 5).Draw(t, "life")) * time.Hour)
	return rapid.SampledFrom([]command.Command{
		command.BeginTerm{LeaderID: text},
		command.InitCluster{ClusterID: "c1", Level: 1, PrimaryKeyID: "k1", SigningKey: key, Superuser: &user},
		command.SetLevel{Level: 2}, command.SetLevel{Level: 3}, command.SetLevel{Level: command.LevelDirectory},
		command.SetPrimaryKey{KeyID: text},
		command.RemoveServer{ID: text},
		command.CreateUser{User: user}, command.CreateUser{User: user}, command.CreateUser{User: user},
		command.UpdateUser{UID: uid, Description: &text, PasswordHash: &user.PasswordHash},
		command.UpdateUser{UID: uid, Description: &text},
		command.DeleteUser{UID: uid, TokenLife: time.Hour}, command.DeleteUser{UID: uid},
		command.RehashPassword{UID: uid, OldHash: "h1", NewHash: "h2"},
		command.ResetSuperuser{UID: uid, PasswordHash: "h1"},
		command.PrepareKey{SigningKey: key}, command.ActivateKey{KID: kid}, command.ResealKey{KID: kid, Sealed: []byte("sealed " + text)},
		command.RetireKey{KID: kid, Force: text == "x", TokenLife: time.Hour},
		command.RevokeTokens{UID: uid, NotBefore: at, Expires: until},
	}).Draw(t, "command")
}

// drawPermission draws a command about who may do what, from so few names that superusers are met often.
func drawPermission(t *rapid.T, now time.Time) command.Command {
	uid := rapid.SampledFrom([]string{"alice", "bob", "carol", "robot"}).Draw(t, "uid")
	gid := rapid.SampledFrom([]string{iam.SuperuserGroup, "devs", "ops", "a.b"}).Draw(t, "gid")
	rid := rapid.SampledFrom([]string{iam.SuperuserRID, iam.AdminRouterACS, "dcos:x", ""}).Draw(t, "rid")
	text := rapid.SampledFrom([]string{"", "x", "<&>\u2028ä"}).Draw(t, "text")
	action := iam.Actions(1 << rapid.IntRange(0, 4).Draw(t, "action"))
	ofGroup := rapid.Bool().Draw(t, "of a group")
	principal := uid
	if ofGroup {
		principal = gid
	}
	return rapid.SampledFrom([]command.Command{
		command.CreateGroup{Group: iam.Group{GID: gid, Description: text, ProviderType: iam.Internal}},
		command.UpdateGroup{GID: gid, Description: &text}, command.DeleteGroup{GID: gid},
		command.AddMember{GID: gid, UID: uid}, command.AddMember{GID: gid, UID: uid}, command.RemoveMember{GID: gid, UID: uid},
		command.CreateACL{ACL: iam.ACL{RID: rid, Description: text}},
		command.UpdateACL{RID: rid, Description: &text}, command.DeleteACL{RID: rid},
		command.GrantAction{RID: rid, Principal: principal, Group: ofGroup, Action: action},
		command.GrantAction{RID: rid, Principal: principal, Group: ofGroup, Action: action},
		command.RevokeAction{RID: rid, Principal: principal, Group: ofGroup, Action: action},
		command.RevokeAllActions{RID: rid, Principal: principal, Group: ofGroup},
		command.RecordAuditHeads{Heads: []state.AuditHead{{
			Master: uid, Sequence: uint64(rapid.IntRange(0, 3).Draw(t, "sequence")), Hash: state.Hash{byte(action)}, Time: now, Rotated: ofGroup,
		}}},
		command.CreateUser{User: iam.User{UID: "remote", ProviderType: iam.SAML, ProviderID: "idp"}},
		command.AddMember{GID: gid, UID: "remote"},
		command.CreateProvider{Provider: provider(text)}, command.DeleteProvider{Type: iam.SAML, ID: "idp"},
		drawChanges(t), drawChanges(t),
	}).Draw(t, "permission")
}

func provider(description string) iam.Provider {
	return iam.Provider{ID: "idp", Description: description, SAML: &iam.SAMLProvider{Metadata: "<xml/>", BaseURL: "https://dcos.example"}}
}

func drawChanges(t *rapid.T) command.ApplyChanges {
	c := command.ApplyChanges{TokenLife: time.Hour, Bootstrap: rapid.SampledFrom([]string{"", "", "", "hash"}).Draw(t, "bootstrap")}
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		c.Changes = append(c.Changes, drawChange(t))
	}
	return c
}

func drawChange(t *rapid.T) command.Change {
	uid := rapid.SampledFrom([]string{"alice", "bob", "carol", "robot"}).Draw(t, "uid")
	gid := rapid.SampledFrom([]string{iam.SuperuserGroup, "devs"}).Draw(t, "gid")
	rid := rapid.SampledFrom([]string{iam.SuperuserRID, "dcos:x"}).Draw(t, "rid")
	user := iam.User{UID: uid, PasswordHash: iam.LockedPassword, ProviderType: iam.Internal}
	if uid == "robot" {
		user.PasswordHash, user.PublicKey = "", rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "key")
	}
	grant := state.Grant{RID: rid, Principal: uid, Actions: iam.Actions(rapid.IntRange(0, 31).Draw(t, "actions"))}
	idp := provider(user.PublicKey)
	if rapid.Bool().Draw(t, "of a group") {
		grant.Principal, grant.Group = gid, true
	}
	c := rapid.SampledFrom([]command.Change{
		{User: &user}, {Group: &iam.Group{GID: gid, ProviderType: iam.Internal}}, {ACL: &iam.ACL{RID: rid}},
		{Member: &state.Membership{GID: gid, UID: uid}}, {Grant: &grant}, {Provider: &idp},
	}).Draw(t, "change")
	c.Remove = rapid.Bool().Draw(t, "remove")
	return c
}

func drawHeader(t *rapid.T, now time.Time, level int) command.Header {
	h := command.Header{Level: level, Term: uint64(rapid.IntRange(term, term+1).Draw(t, "term")), Time: now}
	if rapid.Bool().Draw(t, "by an actor") {
		h.Actor = command.Actor{UID: rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "actor"), IssuedAt: now.Add(-time.Minute)}
		if level >= command.LevelPermissions {
			h.Actor.Right = rapid.SampledFrom([]iam.Right{
				{}, {RID: iam.AdminRouterACS, Action: iam.Full}, {RID: iam.SuperuserRID, Action: iam.Full},
			}).Draw(t, "right")
		}
	}
	if rapid.Bool().Draw(t, "with a key") {
		h.Idempotency = &command.Idempotency{
			UID: rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "owner"), Key: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"),
			Hash: state.Hash{byte(rapid.IntRange(0, 1).Draw(t, "hash"))}, Status: 204,
		}
	}
	return h
}

// drawLog draws a committed log: commands by clocks that jump, and entries that are none.
func drawLog(t *rapid.T) []*raft.Log {
	now, level, configured := epoch, 1, uint64(0)
	logs := []*raft.Log{
		encodeEntry(t, 1, command.Header{Time: now}, command.BeginTerm{LeaderID: "s1"}),
		encodeEntry(t, 2, command.Header{Level: 1, Time: now}, initCluster()),
	}
	for range rapid.IntRange(0, command.LevelDirectory-1).Draw(t, "levels above the first") {
		level++
		logs = append(logs, encodeEntry(t, uint64(level+1), command.Header{Level: level - 1, Term: term, Time: now}, command.SetLevel{Level: level}))
	}
	for i := range rapid.IntRange(0, 80).Draw(t, "entries") {
		now = now.Add(time.Duration(rapid.IntRange(-10, 10_000).Draw(t, "seconds")) * time.Second)
		index := uint64(3 + command.LevelDirectory + 2*i) // the indexes between are no-ops, which never come
		if rapid.IntRange(0, 9).Draw(t, "type") == 0 {
			logs = append(logs, &raft.Log{Index: index, Term: term, Type: raft.LogConfiguration})
			continue
		}
		c := drawCommand(t, now, level, configured)
		logs = append(logs, encodeEntry(t, index, drawHeader(t, now, level), c))
		switch c := c.(type) {
		case command.SetLevel:
			level = max(level, c.Level) // which is ahead of the state when it is refused
		case command.PutDirectory:
			configured = index // the same
		}
	}
	return logs
}

func encodeEntry(t *rapid.T, index uint64, h command.Header, c command.Command) *raft.Log {
	data, err := command.Encode(h, c)
	if err != nil {
		t.Fatal(err)
	}
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: data}
}

// toDirectory has all levels.
var toDirectory = Options{MaxLevel: command.LevelDirectory}

// Three masters: one gets the log entry by entry, one in batches, one is replaced by its own snapshot on the way. All of
// them must answer alike and end alike.
func TestMastersAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs := drawLog(t)
		cut := rapid.IntRange(0, len(logs)).Draw(t, "snapshot after")
		single, batched, restored := New(toDirectory), New(toDirectory), New(toDirectory)

		var want, got []any
		for _, l := range logs {
			want = append(want, single.Apply(l))
			if lost := locksOut(single.State()); single.Ready() && lost != "" {
				t.Fatalf("entry %d: %s", l.Index, lost)
			}
		}
		if stray := miscounted(single.State()); stray != "" {
			t.Fatal(stray)
		}
		if stray := dangling(single.State()); stray != "" {
			t.Fatal(stray)
		}
		for batch := range slices.Chunk(logs, rapid.IntRange(1, 20).Draw(t, "batch")) {
			got = append(got, batched.ApplyBatch(batch)...)
		}
		agree(t, "in batches", want, got)

		got = restored.ApplyBatch(logs[:cut])
		restored = throughSnapshot(t, restored)
		got = append(got, restored.ApplyBatch(logs[cut:])...)
		agree(t, "through a snapshot", want, got)

		for name, m := range map[string]*Machine{"in batches": batched, "through a snapshot": restored} {
			if m.State().Digest() != single.State().Digest() || m.AppliedIndex() != single.AppliedIndex() {
				t.Fatalf("%s: index %d and %+v, want %d and %+v", name,
					m.AppliedIndex(), m.State().Sizes(), single.AppliedIndex(), single.State().Sizes())
			}
		}
	})
}

// locksOut says how a state keeps everybody out for good, or "" (contract 3.4).
func locksOut(s *state.State) string {
	if !s.GroupActions(iam.SuperuserGroup, iam.SuperuserRID).Has(iam.Full) {
		return "the superusers group is not what it was"
	}
	for range s.Members(iam.SuperuserGroup) {
		for u := range s.Users() {
			_, vouched := s.Provider(u.ProviderID)
			vouched = vouched || u.ProviderType == iam.LDAP && s.Directory() != nil
			if iam.Superuser(s, u.UID) && !u.Locked() && (!u.Remote() || vouched) {
				return ""
			}
		}
		return "no superuser can log in"
	}
	return "the superusers group is empty"
}

// dangling looks at all relations from all their ends, and says what is there from one end only, or "".
func dangling(s *state.State) string {
	groups, members, grants := 0, 0, 0
	for u := range s.Users() {
		for gid := range s.GroupsOf(u.UID) {
			groups++
			if !s.Member(gid, u.UID) {
				return u.UID + " is in " + gid + " from one side only"
			}
		}
		for g := range s.GrantsOf(u.UID, false) {
			grants++
			if s.UserActions(u.UID, g.RID) != g.Actions {
				return u.UID + " holds " + g.RID + " from one side only"
			}
		}
	}
	for g := range s.Groups() {
		for range s.Members(g.GID) {
			members++
		}
		for grant := range s.GrantsOf(g.GID, true) {
			grants++
			if s.GroupActions(g.GID, grant.RID) != grant.Actions {
				return g.GID + " holds " + grant.RID + " from one side only"
			}
		}
	}
	onResources := 0
	for a := range s.ACLs() {
		for range s.Grants(a.RID) {
			onResources++
		}
	}
	if n := s.MembershipCount(); groups != n || members != n {
		return fmt.Sprintf("%d memberships, %d of users and %d of groups", n, groups, members)
	}
	if n := s.GrantCount(); grants != n || onResources != n {
		return fmt.Sprintf("%d grants, %d of principals and %d on resources", n, grants, onResources)
	}
	return ""
}

func throughSnapshot(t *rapid.T, m *Machine) *Machine {
	snap, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var out sink
	if err := snap.Persist(&out); err != nil {
		t.Fatal(err)
	}
	fresh := New(m.options)
	if err := restore(fresh, out.Bytes()); err != nil {
		t.Fatal(err)
	}
	return fresh
}

func agree(t *rapid.T, name string, want, got []any) {
	if a, b := describe(want), describe(got); !slices.Equal(a, b) {
		t.Fatalf("%s the responses are\n%v, want\n%v", name, b, a)
	}
}

func describe(responses []any) (words []string) {
	for _, r := range responses {
		if o, ok := r.(command.Outcome); ok && o.Steps != nil {
			r = fmt.Sprint(o.Index, *o.Steps)
		}
		words = append(words, fmt.Sprintf("%+v", r))
	}
	return words
}
