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

// drawCommand draws from few names, so that commands meet each other's effects.
func drawCommand(t *rapid.T, now time.Time) command.Command {
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
		command.SetLevel{Level: 2}, command.SetLevel{Level: 3},
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

func drawHeader(t *rapid.T, now time.Time) command.Header {
	h := command.Header{Level: 1, Term: uint64(rapid.IntRange(term, term+1).Draw(t, "term")), Time: now}
	if rapid.Bool().Draw(t, "by an actor") {
		h.Actor = command.Actor{UID: rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "actor"), IssuedAt: now.Add(-time.Minute)}
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
	now := epoch
	logs := []*raft.Log{
		encodeEntry(t, 1, command.Header{Time: now}, command.BeginTerm{LeaderID: "s1"}),
		encodeEntry(t, 2, command.Header{Level: 1, Time: now}, initCluster()),
	}
	for i := range rapid.IntRange(0, 60).Draw(t, "entries") {
		now = now.Add(time.Duration(rapid.IntRange(-10, 10_000).Draw(t, "seconds")) * time.Second)
		index := uint64(3 + 2*i) // the indexes between are no-ops, which never come
		if rapid.IntRange(0, 9).Draw(t, "type") == 0 {
			logs = append(logs, &raft.Log{Index: index, Term: term, Type: raft.LogConfiguration})
			continue
		}
		logs = append(logs, encodeEntry(t, index, drawHeader(t, now), drawCommand(t, now)))
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

// Three masters: one gets the log entry by entry, one in batches, one is replaced by its own snapshot on the way. All of
// them must answer alike and end alike.
func TestMastersAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs := drawLog(t)
		cut := rapid.IntRange(0, len(logs)).Draw(t, "snapshot after")
		single, batched, restored := New(Options{MaxLevel: 3}), New(Options{MaxLevel: 3}), New(Options{MaxLevel: 3})

		var want, got []any
		for _, l := range logs {
			want = append(want, single.Apply(l))
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
		if s := single.State(); !s.AnotherSuperuser("") {
			t.Fatal("no superuser is left")
		}
	})
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
