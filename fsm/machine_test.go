package fsm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

const (
	term = 2
	life = 5 * 24 * time.Hour
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func header() command.Header { return command.Header{Level: 1, Term: term, Time: epoch} }

func initCluster() command.InitCluster {
	return command.InitCluster{
		ClusterID: "c1", Level: 1, PrimaryKeyID: "k1", Superuser: regular("alice"),
		SigningKey: iam.SigningKey{KID: "kid-1", PublicKey: []byte{1}, Sealed: []byte{2}},
	}
}

func regular(uid string) *iam.User {
	return &iam.User{UID: uid, PasswordHash: "$6$x", ProviderType: iam.Internal}
}

func createUser(uid string) command.CreateUser { return command.CreateUser{User: *regular(uid)} }

func entry(t testing.TB, index uint64, c command.Command) *raft.Log {
	t.Helper()
	data, err := command.Encode(header(), c)
	if err != nil {
		t.Fatal(err)
	}
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: data}
}

// newMachine has applied BeginTerm and InitCluster, as entries 1 and 2.
func newMachine(t testing.TB, options ...func(*Options)) *Machine {
	t.Helper()
	o := Options{MaxLevel: 1}
	for _, set := range options {
		set(&o)
	}
	m := New(o)
	for i, response := range m.ApplyBatch([]*raft.Log{entry(t, 1, command.BeginTerm{LeaderID: "s1"}), entry(t, 2, initCluster())}) {
		if _, ok := response.(command.Outcome); !ok {
			t.Fatalf("entry %d: %v", i+1, response)
		}
	}
	return m
}

// applier appends to a machine directly: a cluster of one.
type applier struct {
	m       *Machine
	term    uint64
	entries int
	err     error
}

func (a *applier) Apply(_ context.Context, data []byte) (uint64, any, error) {
	a.entries++
	if a.err != nil {
		return 0, nil, a.err
	}
	index := a.m.AppliedIndex() + 1
	return index, a.m.Apply(&raft.Log{Index: index, Term: a.term, Type: raft.LogCommand, Data: data}), nil
}

func TestABatchIsAppliedEntryByEntry(t *testing.T) {
	m := newMachine(t)
	before := m.State()
	responses := m.ApplyBatch([]*raft.Log{
		entry(t, 3, createUser("bob")),
		entry(t, 4, createUser("bob")),
		{Index: 5, Term: term, Type: raft.LogConfiguration, Data: []byte("not a command")},
		entry(t, 7, command.DeleteUser{UID: "alice", TokenLife: life}),
		entry(t, 8, createUser("carol")),
	})
	want := []any{
		command.Outcome{Index: 3},
		fault.New(fault.UserExists, "User with id `bob` already exists."),
		nil,
		fault.New(fault.NoMoreSuperusers, "Last member from `superusers` group cannot be removed"),
		command.Outcome{Index: 8},
	}
	if diff := cmp.Diff(want, responses); diff != "" {
		t.Errorf("responses (-want +got):\n%s", diff)
	}
	if m.AppliedIndex() != 8 || m.State().UserCount() != 3 {
		t.Errorf("index %d, %d users, want 8 and 3", m.AppliedIndex(), m.State().UserCount())
	}
	if before.Index() != 2 || before.UserCount() != 1 {
		t.Error("a published state has changed")
	}
	if m.BegunTerm() != term || !m.Ready() {
		t.Errorf("term %d, ready %v", m.BegunTerm(), m.Ready())
	}
	if New(Options{MaxLevel: 1}).Ready() {
		t.Error("an empty machine is ready")
	}
	if got := m.ApplyBatch(nil); len(got) != 0 {
		t.Errorf("an empty batch: %v", got)
	}
}

func TestBatchesOfAnySizeGiveTheSameState(t *testing.T) {
	var digests [][32]byte
	for _, size := range []int{1, 2, 7, 100} {
		m := newMachine(t)
		var batch []*raft.Log
		for i := range 100 {
			uid := fmt.Sprint("u", i%40)
			l := entry(t, uint64(3+i), createUser(uid))
			if i%7 == 0 {
				l = entry(t, uint64(3+i), command.DeleteUser{UID: uid, TokenLife: life})
			}
			if batch = append(batch, l); len(batch) == size || i == 99 {
				m.ApplyBatch(batch)
				batch = nil
			}
		}
		digests = append(digests, m.State().Digest())
	}
	for _, d := range digests[1:] {
		if d != digests[0] {
			t.Fatal("the size of the batches changed the state")
		}
	}
}

func TestAnEntryOfAnotherTermDoesNothing(t *testing.T) {
	m := newMachine(t)
	before := m.State().Digest()
	l := entry(t, 3, createUser("bob"))
	l.Term = term + 1
	if response := m.Apply(l); !fault.Is(response.(error), fault.LeaderChanged) {
		t.Errorf("response = %v, want %s", response, fault.LeaderChanged)
	}
	if m.State().Digest() != before || m.AppliedIndex() != 3 {
		t.Errorf("index %d, and the state must be as before", m.AppliedIndex())
	}
}

// explosive is a command that passes the codec and panics when it is applied.
type explosive struct{ command.SetPrimaryKey }

func (explosive) Apply(*state.Txn, command.Header) error { panic("boom") }

func TestAMachineThatCannotFollowStops(t *testing.T) {
	future := header()
	future.Level = 2
	ahead, err := command.Encode(future, createUser("bob"))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]*raft.Log{
		"not an entry":          {Index: 4, Term: term, Type: raft.LogCommand, Data: []byte{1, 2, 3}},
		"unknown kind":          {Index: 4, Term: term, Type: raft.LogCommand, Data: append([]byte{1, 0xff, 0xff}, entry(t, 4, createUser("x")).Data[3:]...)},
		"level of the header":   {Index: 4, Term: term, Type: raft.LogCommand, Data: ahead},
		"level of the cluster":  entry(t, 4, command.SetLevel{Level: 2}),
		"an index already seen": entry(t, 3, createUser("x")),
	}
	for name, bad := range cases {
		var stopped []error
		m := newMachine(t, func(o *Options) { o.OnDivergence = func(err error) { stopped = append(stopped, err) } })
		responses := m.ApplyBatch([]*raft.Log{entry(t, 3, createUser("bob")), bad, entry(t, 5, createUser("carol"))})
		later := m.Apply(entry(t, 6, createUser("dave")))
		if len(stopped) != 1 {
			t.Errorf("%s: OnDivergence was called %d times: %v", name, len(stopped), stopped)
		}
		if _, ok := responses[0].(command.Outcome); !ok {
			t.Errorf("%s: the entry before: %v", name, responses[0])
		}
		for _, r := range []any{responses[1], responses[2], later} {
			if err, ok := r.(error); !ok || !fault.Is(err, fault.Internal) {
				t.Errorf("%s: after the stop: %v", name, r)
			}
		}
		if m.AppliedIndex() != 3 || m.State().UserCount() != 2 || m.State().Meta().Level != 1 {
			t.Errorf("%s: index %d, %d users, level %d", name, m.AppliedIndex(), m.State().UserCount(), m.State().Meta().Level)
		}
	}
}

func TestAPanicInACommandIsToldWithItsKind(t *testing.T) {
	m := newMachine(t)
	txn := m.State().Begin()
	txn.Next(3)
	_, err := m.applyCommand(txn, term, command.Header{Kind: command.KindSetPrimaryKey, Level: 1, Term: term, Time: epoch}, explosive{})
	if !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "set-primary-key: panic: boom") {
		t.Errorf("err = %v", err)
	}
	if txn.Commit(2).Digest() != m.State().Digest() {
		t.Error("the panic left changes")
	}
}

func TestDivergencePanicsByDefault(t *testing.T) {
	m := newMachine(t)
	defer func() {
		if p := recover(); p == nil {
			t.Error("the machine went on")
		}
	}()
	m.Apply(&raft.Log{Index: 3, Term: term, Type: raft.LogCommand})
}

func TestWaitIndexReturnsWhenTheIndexIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		if err := m.WaitIndex(t.Context(), 2); err != nil {
			t.Errorf("an index that is there: %v", err)
		}
		returned := map[uint64]int{}
		var mu sync.Mutex
		for i := range 3000 {
			index := uint64(3 + i%3)
			go func() {
				if err := m.WaitIndex(t.Context(), index); err != nil {
					t.Errorf("WaitIndex(%d): %v", index, err)
				}
				mu.Lock()
				defer mu.Unlock()
				returned[index]++
			}()
		}
		synctest.Wait()
		want := map[uint64]int{}
		for index := uint64(3); index < 6; index++ {
			if diff := cmp.Diff(want, returned); diff != "" {
				t.Fatalf("before entry %d (-want +got):\n%s", index, diff)
			}
			m.Apply(entry(t, index, createUser(fmt.Sprint("u", index))))
			want[index] = 1000
			synctest.Wait()
		}
		if diff := cmp.Diff(want, returned); diff != "" {
			t.Errorf("at the end (-want +got):\n%s", diff)
		}
		if n := len(m.waiting.groups); n != 0 {
			t.Errorf("%d groups are left", n)
		}
	})
}

// An index that was applied between a reader's look at the state and its joining must not be waited for.
func TestNobodyWaitsForWhatIsApplied(t *testing.T) {
	var w waitlist
	early := w.join(5)
	w.wake(5)
	<-early.done
	for index, want := range map[uint64]bool{1: false, 5: false, 6: true} {
		if g := w.join(index); (g != nil) != want {
			t.Errorf("join(%d) waits: %v, want %v", index, g != nil, want)
		}
	}
}

func TestWaitIndexGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		patient := make(chan error, 1)
		go func() { patient <- m.WaitIndex(t.Context(), 9) }()
		for range 10 {
			go func() {
				if err := m.WaitIndex(ctx, 9); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("err = %v, want %v", err, context.DeadlineExceeded)
				}
				if err := m.WaitIndex(ctx, 12); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("err = %v, want %v", err, context.DeadlineExceeded)
				}
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(m.waiting.groups); n != 1 {
			t.Errorf("%d groups wait, want the patient one alone", n)
		}
		m.ApplyBatch([]*raft.Log{entry(t, 9, createUser("bob"))})
		if err := <-patient; err != nil {
			t.Errorf("the patient one: %v", err)
		}
	})
}

// Run with -race: rehearsals, reads and waits go on while the log is applied.
func TestEverythingAtOnce(t *testing.T) {
	m := newMachine(t)
	const n = 200
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range n {
				if _, _, err := m.rehearse(m.State(), header(), createUser(fmt.Sprintf("x%d-%d", i, j))); err != nil {
					t.Error(err)
				}
				if err := m.WaitIndex(t.Context(), uint64(3+j)); err != nil {
					t.Error(err)
				}
				if !iam.Superuser(m.State(), "alice") {
					t.Error("alice is no superuser")
				}
			}
		})
	}
	for j := range n {
		m.Apply(entry(t, uint64(3+j), createUser(fmt.Sprint("u", j))))
	}
	wg.Wait()
	if got := m.State().UserCount(); got != n+1 {
		t.Errorf("%d users, want %d", got, n+1)
	}
}
