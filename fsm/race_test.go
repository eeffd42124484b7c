package fsm

import (
	"context"
	"testing"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
)

// newHouse is a cluster of level 2 with the superusers alice and bob, and carol, who administers without being one.
func newHouse(t *testing.T) *Machine {
	m := newMachine(t, func(o *Options) { o.MaxLevel = 2 })
	a := &applier{m: m, term: term}
	for _, c := range []command.Command{
		command.SetLevel{Level: 2}, createUser("bob"), createUser("carol"), command.AddMember{GID: iam.SuperuserGroup, UID: "bob"},
		command.CreateACL{ACL: iam.ACL{RID: iam.AdminRouterACS}},
		command.GrantAction{RID: iam.AdminRouterACS, Principal: "carol", Action: iam.Full},
	} {
		if _, err := m.Submit(t.Context(), a, command.Header{Term: term, Time: epoch}, c); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// queue takes entries the way a leader's log does before they are committed.
type queue struct{ entries [][]byte }

func (q *queue) Apply(_ context.Context, data []byte) (uint64, any, error) {
	q.entries = append(q.entries, data)
	return 0, command.Outcome{}, nil
}

// race has commands rehearsed against the same state, as if they came to different masters at the same time, and then
// applied one after the other.
func race(t *testing.T, m *Machine, actor command.Actor, commands ...command.Command) []any {
	t.Helper()
	q := &queue{}
	for _, c := range commands {
		if _, err := m.Submit(t.Context(), q, command.Header{Term: term, Time: epoch, Actor: actor}, c); err != nil {
			t.Fatalf("%s: refused before the race: %v", c.Kind(), err)
		}
	}
	var logs []*raft.Log
	for i, data := range q.entries {
		logs = append(logs, &raft.Log{Index: m.AppliedIndex() + 1 + uint64(i), Term: term, Type: raft.LogCommand, Data: data})
	}
	return m.ApplyBatch(logs)
}

func code(response any) fault.Code {
	err, _ := response.(error)
	return fault.CodeOf(err)
}

// Two changes that are fine by themselves, and together would lock everybody out (hostile A3).
func TestRacingChangesLeaveASuperuser(t *testing.T) {
	leave := func(uid string) command.Command { return command.RemoveMember{GID: iam.SuperuserGroup, UID: uid} }
	remove := func(uid string) command.Command { return command.DeleteUser{UID: uid, TokenLife: life} }
	lock := func(uid string) command.Command {
		hash := iam.LockedPassword
		return command.UpdateUser{UID: uid, PasswordHash: &hash}
	}
	for _, make := range []func(string) command.Command{leave, remove, lock} {
		for _, other := range []func(string) command.Command{leave, remove, lock} {
			m := newHouse(t)
			got := race(t, m, command.Actor{}, make("alice"), other("bob"))
			if code(got[0]) != "" || code(got[1]) != fault.NoMoreSuperusers {
				t.Errorf("%s and %s: %v, want only the second refused, with %s", make("").Kind(), other("").Kind(), got, fault.NoMoreSuperusers)
			}
			if lost := locksOut(m.State()); lost != "" {
				t.Error(lost)
			}
		}
	}
}

// The right goes between the decision and the entry (hostile A15).
func TestARevocationThatIsAheadInTheLogWins(t *testing.T) {
	m := newHouse(t)
	carol := command.Actor{UID: "carol", IssuedAt: epoch, Right: iam.Right{RID: iam.AdminRouterACS, Action: iam.Full}}
	got := race(t, m, carol,
		command.RevokeAction{RID: iam.AdminRouterACS, Principal: "carol", Action: iam.Full}, // by herself: it is hers to give up
		command.CreateUser{User: *regular("dave")})
	if code(got[0]) != "" || code(got[1]) != fault.Forbidden {
		t.Errorf("%v, want only the second refused, with %s", got, fault.Forbidden)
	}
	if _, ok := m.State().User("dave"); ok {
		t.Error("dave was created without a right")
	}
}
