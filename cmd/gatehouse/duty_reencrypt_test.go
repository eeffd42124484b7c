package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/fsm"
	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/keyring/barrier"
)

// keptStore is a store on a state machine without a cluster, open in a barrier, and what a leader has submitted about it.
type keptStore struct {
	t       *testing.T
	machine *fsm.Machine
	barrier *barrier.Barrier
	root    []byte
	index   uint64
	clock   time.Time

	submitted int
	rests     int
	rested    time.Duration
	onSubmit  func() // called before every command
}

func newKeptStore(t *testing.T) *keptStore {
	t.Helper()
	k := &keptStore{t: t, barrier: barrier.New(), clock: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}
	k.machine = fsm.New(fsm.Options{MaxLevel: maxLevel, Logger: slog.New(slog.DiscardHandler), OnPublish: k.follow})
	k.must(command.BeginTerm{LeaderID: "here"})
	k.must(command.InitCluster{ClusterID: "cluster", Level: maxLevel, PrimaryKeyID: "key",
		SigningKey: iam.SigningKey{KID: "kid", PublicKey: []byte("public"), Sealed: []byte("sealed")}})
	fresh, err := barrier.NewSeal("cluster", secret.Default)
	if err != nil {
		t.Fatal(err)
	}
	k.root = fresh.Root
	k.must(command.CreateStore{Store: secret.Store{Name: secret.Default, Driver: secret.Vault, MaxVersions: 3, Undelete: 3600, Seal: &secret.Seal{
		RootID: fresh.RootID, Shares: 1, Threshold: 1, Check: fresh.Check, Keys: []secret.DataKey{{Term: fresh.Key.Term, Wrapped: fresh.Key.Wrapped}}}}})
	k.open()
	return k
}

// follow is what the keyholder does.
func (k *keptStore) follow(now *state.State) {
	var specs []barrier.Spec
	for s := range now.Stores() {
		spec := barrier.Spec{Cluster: "cluster", Store: s.Name, RootID: s.RootID(), Epoch: s.Epoch, Sealed: !s.Open(), Check: s.Seal.Check}
		for _, key := range s.Seal.Keys {
			spec.Keys = append(spec.Keys, barrier.WrappedKey{Term: key.Term, Wrapped: key.Wrapped})
		}
		specs = append(specs, spec)
	}
	k.barrier.Follow(specs)
}

func (k *keptStore) open() {
	k.t.Helper()
	if err := k.barrier.Install(secret.Default, k.store().Epoch, k.root); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keptStore) store() *secret.Store {
	s, ok := k.machine.State().Store(secret.Default)
	if !ok {
		k.t.Fatal("there is no store")
	}
	return s
}

// Apply appends an entry to the log, which is its only master's.
func (k *keptStore) Apply(_ context.Context, entry []byte) (uint64, any, error) {
	k.index++
	return k.index, k.machine.Apply(&raft.Log{Index: k.index, Term: 1, Type: raft.LogCommand, Data: entry}), nil
}

func (k *keptStore) submit(ctx context.Context, c command.Command) error {
	_, err := k.machine.Submit(ctx, k, command.Header{Term: 1, Level: k.machine.State().Meta().Level, Time: k.clock}, c)
	return err
}

func (k *keptStore) must(c command.Command) {
	k.t.Helper()
	if err := k.submit(k.t.Context(), c); err != nil {
		k.t.Fatalf("%T: %v", c, err)
	}
}

// duty is that of a leader that just began.
func (k *keptStore) duty() *reencrypter {
	return &reencrypter{
		state: k.machine.State, keys: k.barrier, now: func() time.Time { return k.clock }, log: slog.New(slog.DiscardHandler),
		meter: newReencryptMeter(k.machine.State), rest: func(_ context.Context, d time.Duration) { k.rests, k.rested = k.rests+1, k.rested+d },
		submit: func(ctx context.Context, c command.Command) error {
			k.submitted++
			if k.onSubmit != nil {
				k.onSubmit()
			}
			return k.submit(ctx, c)
		},
		unused: map[dataKey]time.Time{}, resting: map[string]time.Time{},
	}
}

func (k *keptStore) run(r *reencrypter) {
	k.t.Helper()
	if err := r.run(k.t.Context()); err != nil {
		k.t.Fatalf("run: %v", err)
	}
}

// write makes the next version of a path.
func (k *keptStore) write(path, value string) {
	k.t.Helper()
	old, exists := k.machine.State().Secret(secret.Default, path)
	name := barrier.Name{Path: path, Version: 1, Born: k.clock}
	if exists {
		name.Version, name.Born = old.Last+1, old.Born
	}
	epoch := k.store().Epoch
	term, sealed, err := k.barrier.Seal(secret.Default, epoch, name, []byte(value))
	if err != nil {
		k.t.Fatalf("seal %s: %v", path, err)
	}
	v := command.VersionData{Number: name.Version, Term: term, Sealed: sealed}
	if exists {
		k.must(command.UpdateSecret{Store: secret.Default, Path: path, Epoch: epoch, Version: v, IfVersion: old.Last})
		return
	}
	k.must(command.CreateSecret{Store: secret.Default, Path: path, Epoch: epoch, Version: v, Born: name.Born})
}

// read is the newest version of a path.
func (k *keptStore) read(path string) string {
	k.t.Helper()
	s, _ := k.machine.State().Secret(secret.Default, path)
	v, ok := s.Newest()
	if !ok {
		k.t.Fatalf("%s is not there", path)
	}
	value, err := k.barrier.Decrypt(secret.Default, k.store().Epoch, v.Term, barrier.Name{Path: path, Version: v.Number, Born: s.Born}, v.Sealed)
	if err != nil {
		k.t.Fatalf("read %s: %v", path, err)
	}
	return string(value)
}

func (k *keptStore) rotate() {
	k.t.Helper()
	s := k.store()
	key, err := k.barrier.NewKey(s.Name, s.Epoch, s.Term()+1)
	if err != nil {
		k.t.Fatal(err)
	}
	k.must(command.RotateStore{Name: s.Name, RootID: s.RootID(), Key: secret.DataKey{Term: key.Term, Wrapped: key.Wrapped}})
}

// pending is how many versions older keys have sealed.
func (k *keptStore) pending() int {
	now := k.machine.State()
	return now.StoreCounts(secret.Default).Versions - now.TermUse(secret.Default, k.store().Term())
}

func TestNothingDueWritesNothing(t *testing.T) {
	k := newKeptStore(t)
	r := k.duty()
	k.write("a", "1")
	for range 5 {
		k.run(r)
		k.clock = k.clock.Add(unusedFor)
	}
	if k.submitted != 0 || k.rested != 0 {
		t.Errorf("submitted %d commands and rested %s, want nothing", k.submitted, k.rested)
	}
}

func TestEveryVersionIsSealedAnewAndTheOldKeyDropped(t *testing.T) {
	k := newKeptStore(t)
	for _, path := range []string{"a", "b/c", "b/d", "e"} {
		for version := range 3 {
			k.write(path, fmt.Sprint(path, version))
		}
	}
	k.must(command.DeleteSecret{Store: secret.Default, Path: "e"})
	k.rotate()
	k.write("a", "a3")
	r := k.duty()
	k.run(r)
	if left := k.pending(); left != 0 {
		t.Errorf("%d versions are still sealed by the old key", left)
	}
	k.must(command.UndeleteSecret{Store: secret.Default, Path: "e"})
	for path, want := range map[string]string{"a": "a3", "b/c": "b/c2", "b/d": "b/d2", "e": "e2"} {
		if got := k.read(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if n := len(k.store().Seal.Keys); n != 2 {
		t.Errorf("%d data keys right after, want 2: requests may still work with the state before", n)
	}
	k.clock = k.clock.Add(unusedFor)
	k.run(r)
	if n := len(k.store().Seal.Keys); n != 1 {
		t.Errorf("%d data keys a while later, want 1", n)
	}
	if done := measured(t, r.meter)["gatehouse_secrets_reencrypted_total"]; done != 11 {
		t.Errorf("%v versions are counted, want 11", done)
	}
	wrote := k.submitted
	k.run(r)
	if k.submitted != wrote {
		t.Error("wrote although nothing is due any more")
	}
}

func TestSealingAnewTakesATwentiethOfTheTime(t *testing.T) {
	k := newKeptStore(t)
	for i := range 500 {
		k.write(fmt.Sprint(i), "value")
	}
	k.rotate()
	start := time.Now()
	k.run(k.duty())
	if busy := time.Since(start); k.rests != k.submitted || k.submitted < 5 || k.rested > dutyShare*busy || k.rested%dutyShare != 0 {
		t.Errorf("%d rests of %s after %d entries in %s, want one of %d times as long after each", k.rests, k.rested, k.submitted, busy, dutyShare)
	}
}

// A rotation with ten thousand secrets completes while the old ones stay readable, also when the leader changes in the middle,
// and people write meanwhile.
func TestARotationSurvivesAChangeOfTheLeader(t *testing.T) {
	const secrets = 10_000
	k := newKeptStore(t)
	for i := range secrets {
		k.write(fmt.Sprintf("d%d/s%d", i%100, i), fmt.Sprint(i))
	}
	k.rotate()
	first, lost := context.WithCancel(t.Context())
	defer lost()
	k.onSubmit = func() {
		if k.submitted == 50 {
			lost()
		}
		i := k.submitted * 61 % secrets
		if path := fmt.Sprintf("d%d/s%d", i%100, i); k.submitted%10 == 0 {
			if got := k.read(path); got != fmt.Sprint(i) {
				t.Errorf("%s is %q in the middle, want %d", path, got, i)
			}
			k.write(path, fmt.Sprint(i))
		}
	}
	if err := k.duty().run(first); err != nil {
		t.Fatal(err)
	}
	if left := k.pending(); left == 0 || left > secrets-40*command.MaxReencrypted {
		t.Errorf("%d versions are left after half the work of the first leader", left)
	}
	k.run(k.duty())
	if left := k.pending(); left != 0 {
		t.Errorf("%d versions are left after the second leader", left)
	}
	for i := range secrets {
		if got := k.read(fmt.Sprintf("d%d/s%d", i%100, i)); got != fmt.Sprint(i) {
			t.Fatalf("secret %d is %q", i, got)
		}
	}
	if most := secrets/command.MaxReencrypted + 50; k.submitted > most {
		t.Errorf("%d entries for %d secrets, want at most %d", k.submitted, secrets, most)
	}
}

// Entries stay small however large values are: a large one goes alone.
func TestLargeVersionsGoAlone(t *testing.T) {
	k := newKeptStore(t)
	large := strings.Repeat("x", 1<<20)
	for range 3 {
		k.write("large", large)
	}
	k.write("small", "value")
	k.rotate()
	k.run(k.duty())
	if left := k.pending(); left != 0 || k.submitted != 4 {
		t.Errorf("%d are left after %d entries, want 0 after 4", left, k.submitted)
	}
	if k.read("large") != large {
		t.Error("the large value is another one")
	}
}

// S20: what does not open is left as it is and named; the others go on, and the store is not searched again every second.
func TestADamagedVersionKeepsItsKeyAndHoldsUpNothing(t *testing.T) {
	k := newKeptStore(t)
	k.write("a", "1")
	k.must(command.CreateSecret{Store: secret.Default, Path: "b", Epoch: k.store().Epoch, Born: k.clock,
		Version: command.VersionData{Number: 1, Term: 1, Sealed: []byte(strings.Repeat("damaged", 10))}})
	k.write("c", "3")
	k.rotate()
	var log strings.Builder
	r := k.duty()
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	for range 3 {
		k.run(r)
	}
	if left := k.pending(); left != 1 {
		t.Errorf("%d versions are left, want the damaged one", left)
	}
	if n := strings.Count(log.String(), "path=b"); n != 1 {
		t.Errorf("the damaged one is named %d times, want once a minute:\n%s", n, log.String())
	}
	k.clock = k.clock.Add(unusedFor)
	k.run(r)
	if n := len(k.store().Seal.Keys); n != 2 {
		t.Errorf("%d data keys, want both: one is in use", n)
	}
}

func TestAWornKeyIsReplaced(t *testing.T) {
	for sealings, want := range map[uint64]uint32{wornAfter - 1: 1, wornAfter: 2, wornAfter + 5: 2} {
		k := newKeptStore(t)
		k.write("a", "1")
		r := k.duty()
		worn := k.machine.State().Begin()
		worn.CountSealings(secret.Default, 1, int(sealings)-1)
		r.state = func() *state.State { return worn.Commit(k.index) }
		if k.store().Term() != 1 {
			t.Fatal("a fresh store begins with another term")
		}
		if err := r.replaceWorn(t.Context(), k.store()); err != nil {
			t.Fatal(err)
		}
		if got := k.store().Term(); got != want {
			t.Errorf("after %d sealings the term is %d, want %d", sealings, got, want)
		}
	}
}

func TestAStoreThatIsSealedWaits(t *testing.T) {
	k := newKeptStore(t)
	for i := range 200 {
		k.write(fmt.Sprint(i), "value")
	}
	k.rotate()
	k.onSubmit = func() {
		if k.submitted == 2 {
			k.must(command.SealStore{Name: secret.Default})
		}
	}
	r := k.duty()
	k.run(r)
	left := k.pending()
	k.clock = k.clock.Add(unusedFor)
	k.run(r)
	if k.submitted != 2 || k.pending() != left || left == 0 {
		t.Errorf("submitted %d commands, %d left, then %d", k.submitted, left, k.pending())
	}
	k.must(command.UnsealStore{Name: secret.Default, RootID: k.store().RootID(), Epoch: k.store().Epoch})
	k.run(r) // the state says open, and this master has no keys yet
	if k.submitted != 2 {
		t.Errorf("submitted %d commands without keys", k.submitted)
	}
	k.open()
	k.run(r)
	if k.pending() != 0 {
		t.Errorf("%d are left", k.pending())
	}
}

func TestALostLeadershipIsAnError(t *testing.T) {
	k := newKeptStore(t)
	k.write("a", "1")
	k.rotate()
	r := k.duty()
	lost := errors.New("not the leader any more")
	r.submit = func(context.Context, command.Command) error { return lost }
	if err := r.run(t.Context()); !errors.Is(err, lost) {
		t.Errorf("run: %v, want %v", err, lost)
	}
}

func TestTheMeterTellsWhatIsPending(t *testing.T) {
	k := newKeptStore(t)
	k.write("a", "1")
	k.write("a", "2")
	k.rotate()
	k.write("b", "3")
	meter := newReencryptMeter(k.machine.State)
	meter.add(secret.Default, 7)
	want := map[string]float64{"gatehouse_secrets_reencrypted_total": 7, "gatehouse_store_data_key_sealings": 1,
		"gatehouse_store_data_keys": 2, "gatehouse_store_reencryption_pending": 2}
	if diff := cmp.Diff(want, measured(t, meter)); diff != "" {
		t.Error(diff)
	}
}

// measured is what the metrics say of the only store.
func measured(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			values[f.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}
