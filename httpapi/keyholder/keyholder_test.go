package keyholder

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/keyring/barrier"
)

// town is a number of masters that share one state; each learns of it when it confirms a read.
type town struct {
	t       *testing.T
	mu      sync.Mutex // guards state
	state   *state.State
	masters []*resident
	fresh   *barrier.Fresh
}

// resident is one master of the town.
type resident struct {
	*Holder
	town   *town
	id     string
	dir    string
	known  atomic.Pointer[state.State]
	alone  atomic.Bool // cut off
	asked  atomic.Int64
	answer atomic.Pointer[func()] // called before it answers a question
}

// newTown has masters and one store, s, which is open in the first epoch and nowhere here.
func newTown(t *testing.T, masters int) *town {
	t.Helper()
	fresh, err := barrier.NewSeal("c", "s")
	if err != nil {
		t.Fatal(err)
	}
	town := &town{t: t, state: state.New(), fresh: fresh}
	for i := range masters {
		r := &resident{town: town, id: fmt.Sprintf("id%d", i), dir: t.TempDir()}
		town.masters = append(town.masters, r)
		r.start()
	}
	town.put(1, false)
	return town
}

func (r *resident) start() {
	r.known.Store(state.New())
	var err error
	r.Holder, err = New(Options{Cluster: r, Machine: r, Barrier: barrier.New(), DataDir: r.dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.town.t.Fatal(err)
	}
}

// put changes the store.
func (t *town) put(epoch uint64, sealed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tx := t.state.Begin()
	tx.Next(t.state.Index() + 1)
	meta := tx.Meta()
	meta.ClusterID = "c"
	tx.SetMeta(meta)
	tx.PutStore(&secret.Store{Name: "s", Driver: secret.Vault, Epoch: epoch, Sealed: sealed, Seal: &secret.Seal{RootID: t.fresh.RootID, Shares: 1, Threshold: 1,
		Check: t.fresh.Check, Keys: []secret.DataKey{{Term: t.fresh.Key.Term, Wrapped: t.fresh.Key.Wrapped}}}})
	t.state = tx.Commit(t.state.Index() + 1)
}

func (r *resident) ID() string          { return r.id }
func (r *resident) State() *state.State { return r.known.Load() }

func (r *resident) ReadIndex(context.Context) (uint64, error) {
	if r.alone.Load() {
		return 0, errors.New("no quorum")
	}
	r.town.mu.Lock()
	defer r.town.mu.Unlock()
	return r.town.state.Index(), nil
}

// WaitIndex catches up.
func (r *resident) WaitIndex(context.Context, uint64) error {
	r.town.mu.Lock()
	defer r.town.mu.Unlock()
	if r.known.Load().Index() != r.town.state.Index() {
		r.known.Store(r.town.state)
		r.Follow(r.town.state)
	}
	return nil
}

func (r *resident) Peers() (peers []Peer) {
	for _, other := range r.town.masters {
		if other != r {
			peers = append(peers, Peer{ID: other.id, Name: other.id, Voter: true})
		}
	}
	return peers
}

func (r *resident) RoundTrip(id string, q *http.Request) (*http.Response, error) {
	for _, other := range r.town.masters {
		if other.id != id {
			continue
		}
		if r.alone.Load() {
			return nil, errors.New("cut off")
		}
		other.asked.Add(1)
		w := httptest.NewRecorder()
		q.Header.Set("From", r.id)
		other.Peer().ServeHTTP(w, q)
		if before := other.answer.Load(); before != nil {
			(*before)()
		}
		return w.Result(), nil
	}
	return nil, errors.New("no such master")
}

func (r *resident) PeerOf(q *http.Request) string { return q.Header.Get("From") }

// open installs the key at one master, as the leader does.
func (t *town) open(i int) {
	t.t.Helper()
	r := t.masters[i]
	_ = r.WaitIndex(context.Background(), 0)
	epoch, _ := r.Barrier.Open("s")
	if err := r.Barrier.Install("s", epoch, t.fresh.Root); err != nil {
		t.t.Fatal(err)
	}
}

func (r *resident) isOpen() bool {
	_, open := r.Barrier.Open("s")
	return open
}

func TestAMasterGetsTheKeysFromWhoHasThem(t *testing.T) {
	town := newTown(t, 3)
	if town.masters[0].Ensure(t.Context(), "s") == nil {
		t.Fatal("the store opens although nobody has its keys")
	}
	town.open(2)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := town.masters[0].Ensure(t.Context(), "s"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if !town.masters[0].isOpen() || town.masters[1].isOpen() {
		t.Error("the store is not open where it was asked for, or elsewhere")
	}
	if unreached := town.masters[0].Distribute(t.Context(), "s", 1); unreached != nil || !town.masters[1].isOpen() {
		t.Errorf("unreached %v", unreached)
	}
}

// Several peers may answer at once.
func TestOnlyTheAnswerThatOpensAStoreIsLogged(t *testing.T) {
	town := newTown(t, 1)
	m := town.masters[0]
	_ = m.WaitIndex(t.Context(), 0)
	var logs bytes.Buffer
	m.Logger = slog.New(slog.NewTextHandler(&logs, nil))
	s, _ := m.State().Store("s")
	for _, from := range []string{"id1", "id2"} {
		if err := m.install(s, town.fresh.Root, from); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(logs.String(), "store opened"); got != 1 || !strings.Contains(logs.String(), "from=id1") {
		t.Errorf("%d lines: %s", got, &logs)
	}
}

// Run gets keys as soon as somebody has them, and again after every unseal.
func TestRunPursuesKeys(t *testing.T) {
	town := newTown(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var done sync.WaitGroup
	defer done.Wait()
	defer cancel()
	done.Go(func() { _ = town.masters[0].Run(ctx) })
	for epoch := uint64(1); epoch <= 5; epoch += 2 {
		town.put(epoch, false)
		town.open(1)
		_ = town.masters[0].WaitIndex(ctx, 0)
		for began := time.Now(); !town.masters[0].isOpen(); time.Sleep(time.Millisecond) {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("not open in epoch %d", epoch)
			}
		}
		town.put(epoch+1, true)
		for _, m := range town.masters {
			_ = m.WaitIndex(ctx, 0)
			if m.isOpen() {
				t.Fatalf("open after the seal of epoch %d", epoch+1)
			}
		}
	}
}

// A store that is sealed while the answer travels stays sealed.
func TestALateAnswerOpensNothing(t *testing.T) {
	town := newTown(t, 2)
	town.open(1)
	late := func() {
		town.put(2, true)
		_ = town.masters[0].WaitIndex(context.Background(), 0)
	}
	town.masters[1].answer.Store(&late)
	if town.masters[0].Ensure(t.Context(), "s") == nil || town.masters[0].isOpen() {
		t.Error("an answer from before a seal opened the store")
	}
}

// Who is cut off from the cluster may have missed a seal: it tells nobody its keys, and asks nobody.
func TestWhoIsCutOffNeitherTellsNorAsks(t *testing.T) {
	town := newTown(t, 2)
	town.open(1)
	town.masters[1].alone.Store(true)
	if town.masters[0].Ensure(t.Context(), "s") == nil {
		t.Error("a master without a quorum gave its keys away")
	}
	town.masters[1].alone.Store(false)
	town.masters[0].alone.Store(true)
	before := town.masters[1].asked.Load()
	if town.masters[0].Ensure(t.Context(), "s") == nil || town.masters[1].asked.Load() != before {
		t.Error("a master without a quorum asked for keys")
	}
}

func TestStrangersAndNonsenseAreRefused(t *testing.T) {
	town := newTown(t, 2)
	town.open(1)
	post := func(from, path, body string) int {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("From", from)
		w := httptest.NewRecorder()
		town.masters[1].Peer().ServeHTTP(w, r)
		if bytes.Contains(w.Body.Bytes(), town.fresh.Root) {
			t.Error("an answer holds the root key")
		}
		return w.Code
	}
	_, key, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	public := base64.StdEncoding.EncodeToString(key)
	body := fmt.Sprintf(`{"store":"s","epoch":1,"root_id":%q,"public":%q}`, town.fresh.RootID, public)
	for name, c := range map[string]struct {
		from, path, body string
		want             int
	}{
		"a member":          {"id0", rootPath, body, 200},
		"a stranger":        {"id9", rootPath, body, 400},
		"itself":            {"id1", rootPath, body, 400},
		"no certificate":    {"", rootPath, body, 400},
		"no JSON":           {"id0", rootPath, `{`, 400},
		"no public key":     {"id0", rootPath, strings.Replace(body, public, "AAAA", 1), 400},
		"another epoch":     {"id0", rootPath, strings.Replace(body, `"epoch":1`, `"epoch":2`, 1), 409},
		"another root key":  {"id0", rootPath, strings.Replace(body, town.fresh.RootID, "x", 1), 409},
		"another store":     {"id0", rootPath, strings.Replace(body, `"s"`, `"x"`, 1), 409},
		"no offer":          {"id0", offerPath, body, 409},
		"an unknown matter": {"id0", PathPrefix + "x", body, 400},
	} {
		if got := post(c.from, c.path, c.body); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestAnAnswerOpensForItsQuestionOnly(t *testing.T) {
	q := question{Cluster: "c", Asker: "a", Answerer: "b", Store: "s", RootID: "r", Epoch: 7}
	root := bytes.Repeat([]byte{9}, barrier.KeySize)
	one, public, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := envelop(q, public, root)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := one.open(q, sealed); err != nil || !bytes.Equal(got.Bytes(), root) {
		t.Fatalf("it does not open: %v", err)
	}
	for name, change := range map[string]func(*question){
		"cluster": func(q *question) { q.Cluster = "x" }, "asker": func(q *question) { q.Asker = "x" }, "answerer": func(q *question) { q.Answerer = "x" },
		"store": func(q *question) { q.Store = "x" }, "root": func(q *question) { q.RootID = "x" }, "epoch": func(q *question) { q.Epoch++ },
		"boundary": func(q *question) { q.Asker, q.Answerer = "ab", "" },
	} {
		wrong := q
		change(&wrong)
		if _, err := one.open(wrong, sealed); err == nil {
			t.Errorf("%s: it opens for another question", name)
		}
	}
	another, _, _ := ask()
	if _, err := another.open(q, sealed); err == nil {
		t.Error("it opens with another key")
	}
	if _, err := one.open(q, sealed[:len(sealed)-1]); err == nil {
		t.Error("it opens when it is cut")
	}
}

func TestALocalSealIsKeptInAFile(t *testing.T) {
	town := newTown(t, 2)
	town.open(0)
	r := town.masters[0]
	if epoch, err := r.SealHere("s"); err != nil || epoch != 1 || r.isOpen() {
		t.Fatalf("epoch %d, open %v: %v", epoch, r.isOpen(), err)
	}
	path := filepath.Join(r.dir, hereName)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file: %v %v", info, err)
	}
	r.start()
	if _ = r.WaitIndex(t.Context(), 0); r.Ensure(t.Context(), "s") == nil {
		t.Error("a restart undoes a local seal")
	}
	town.put(2, true)
	r.forgetHere(t.Context())
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a seal ends a local seal: %v", err)
	}
	town.put(3, false)
	r.forgetHere(t.Context())
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a later unseal leaves the file: %v", err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Cluster: r, Machine: r, Barrier: barrier.New(), DataDir: r.dir, Logger: slog.New(slog.DiscardHandler)}); err == nil ||
		!strings.Contains(err.Error(), hereName) {
		t.Errorf("a damaged file: got %v, want an error that names it", err)
	}
}
