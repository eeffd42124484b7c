//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// stroll drives the Secrets API through one master after the other, chosen at random, beside a cupboard that says what it must answer.
type stroll struct {
	t       *testing.T
	c       *rig.Cluster
	token   string
	random  *rand.Rand
	model   *cupboard
	shares  []string
	changes int // that happened
}

// Every answer about secrets, their versions and the seal follows from the ones before it, whichever master is asked, while leaders
// die in between, one of an open and one of a sealed store.
func TestSecretsAreKeptThroughAnyMaster(t *testing.T) {
	const steps = 300
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := start(t, rig.Options{})
	s := &stroll{t: t, c: c, token: superuser(t, c), random: rand.New(rand.NewPCG(seed, 0)), model: newCupboard(), shares: initStore(t, c, modelStore, 3, 2)}
	s.model.sealed = true
	s.turn()
	for i := range steps {
		switch i {
		case steps / 3:
			s.killLeader()
		case steps / 2:
			if !s.model.sealed {
				s.turn()
			}
			s.step(i)
			s.killLeader()
		}
		if odds := map[bool]int{true: 5, false: 60}[s.model.sealed]; s.random.IntN(odds) == 0 {
			s.turn()
		}
		if s.step(i); t.Failed() {
			return
		}
	}
	if s.model.sealed {
		s.turn()
	}
	for _, m := range c.Masters {
		s.compare(m)
	}
	must[rig.Digest](t)(c.AwaitEqualDigests(t.Context(), 20*time.Second))
	t.Logf("%d changes", s.changes)
}

// killLeader kills the leader and brings it back once the others have another.
func (s *stroll) killLeader() {
	s.t.Helper()
	leader := leaderOf(s.t, s.c)
	if err := leader.Kill(); err != nil {
		s.t.Fatal(err)
	}
	s.turn()
	s.turn()
	if err := leader.Start(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.c.AwaitHealthy(s.t.Context(), 30*time.Second); err != nil {
		s.t.Fatal(err)
	}
}

// turn seals an open store and opens a sealed one. Both may be said twice.
func (s *stroll) turn() {
	s.t.Helper()
	if !s.model.sealed {
		s.send(rig.Request{Method: http.MethodPut, URL: secretsPath + "/seal/" + modelStore}, http.StatusOK)
		s.model.sealed = true
		return
	}
	await(s.t, 30*time.Second, "an unsealed store", func(ctx context.Context) error {
		var got sealStatus
		for _, i := range s.random.Perm(3)[:2] {
			answer := s.send(rig.Request{Method: http.MethodPut, URL: secretsPath + "/unseal/" + modelStore, Body: map[string]string{"key": s.shares[i]}}, http.StatusOK)
			decode(s.t, answer.Body, &got)
		}
		if got.Sealed { // the progress has gone with a leader
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})
	s.model.sealed = false
}

// send asks a master chosen at random, again and elsewhere as long as none gives an answer. It is for what may be said twice.
func (s *stroll) send(r rig.Request, status int) (answer rig.Answer) {
	s.t.Helper()
	path := r.URL
	r.Token = s.token
	await(s.t, 30*time.Second, r.Method+" "+path, func(ctx context.Context) (err error) {
		r.URL = oneOf(s.random, s.c.Running()).API + path
		if answer, err = s.c.Client.Do(ctx, r); err == nil && lost(answer) {
			err = fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return err
	})
	if answer.Status != status && status != 0 {
		s.t.Fatalf("%s %s: got %d %s, want %d", r.Method, path, answer.Status, answer.Body, status)
	}
	return answer
}

// lost says that an answer tells nothing: the leader has died over it.
func lost(a rig.Answer) bool {
	return a.Status == http.StatusBadGateway || a.Status == http.StatusServiceUnavailable && a.Code != "ERR_STORE_SEALED"
}

// step makes one change and looks at what it was about through another master.
func (s *stroll) step(i int) {
	s.t.Helper()
	op := s.model.choose(s.random)
	last := s.model.at(op.path).last
	status, code := op.apply(s.model)
	got := s.change(op, last, status)
	switch {
	case got.Status != status || got.Code != code:
		s.t.Errorf("step %d: %s %s %v: got %d %s, want %d %s", i, op.method, op.url, op.header, got.Status, got.Body, status, code)
	case status < 300:
		s.changes++
		s.note(op.path, got)
	}
	s.sameSecret(fmt.Sprintf("step %d: after %s %s", i, op.method, op.url), oneOf(s.random, modelPaths))
	if i%5 == 0 {
		s.sameLists(fmt.Sprintf("step %d: after %s %s", i, op.method, op.url))
	}
}

// change sends a change whose answer is to have a status. One without an answer is sent again unless it is seen to have happened: last
// is the number of the newest version before it.
func (s *stroll) change(op storeChange, last uint64, status int) (got rig.Answer) {
	s.t.Helper()
	again := map[string]int{http.MethodPut: http.StatusConflict, http.MethodDelete: http.StatusNotFound}
	repeated := false
	await(s.t, 30*time.Second, op.method+" "+op.url, func(ctx context.Context) (err error) {
		if repeated && op.method == http.MethodPatch && status < 300 && s.version(op.path) > last {
			got = rig.Answer{Status: status}
			return nil
		}
		got, err = s.c.Client.Do(ctx, rig.Request{Method: op.method, URL: oneOf(s.random, s.c.Running()).API + op.url, Token: s.token, Body: op.body, Header: op.header})
		if err == nil && lost(got) {
			err = fmt.Errorf("%d %s", got.Status, got.Body)
		}
		if err == nil && repeated && status < 300 && (got.Status == again[op.method] || op.method == http.MethodPost && (got.Status == 404 || got.Status == 409)) {
			got = rig.Answer{Status: status}
		}
		repeated = true
		return err
	})
	return got
}

// version is the number of the newest version of a secret that is there.
func (s *stroll) version(path string) uint64 {
	s.t.Helper()
	answer := s.send(rig.Request{Method: http.MethodGet, URL: secretsPath + "/secret/" + modelStore + "/" + path}, http.StatusOK)
	return must[uint64](s.t)(strconv.ParseUint(answer.Header.Get("X-Gatehouse-Version"), 10, 64))
}

// note keeps the tag of a version that was written.
func (s *stroll) note(path string, got rig.Answer) {
	k := s.model.secrets[path]
	if version := got.Header.Get("X-Gatehouse-Version"); version != "" {
		number, err := strconv.ParseUint(version, 10, 64)
		if err != nil || number != k.last {
			s.t.Errorf("%s: version %q was written, want %d", path, version, k.last)
		}
		k.tags[number] = got.Header.Get("ETag")
	}
}

// sameSecret compares one secret, and one of its versions.
func (s *stroll) sameSecret(when, path string) {
	s.t.Helper()
	k := s.model.live(path)
	got := s.send(rig.Request{Method: http.MethodGet, URL: secretsPath + "/secret/" + modelStore + "/" + path}, 0)
	s.holds(when, path, got, k, func() (uint64, string) { return k.last, k.value() })
	if k == nil || s.model.sealed {
		return
	}
	number := 1 + s.random.Uint64N(k.last)
	old := s.send(rig.Request{Method: http.MethodGet, URL: secretsPath + "/secret/" + modelStore + "/" + path + "?version=" + strconv.FormatUint(number, 10)}, 0)
	if value, there := k.versions[number]; there {
		s.holds(when, path, old, k, func() (uint64, string) { return number, value })
	} else if old.Status != http.StatusNotFound {
		s.t.Errorf("%s: version %d of %s: got %d %s, want it gone", when, number, path, old.Status, old.Body)
	}
}

// holds compares an answer with a version; k is nil if there is no such secret.
func (s *stroll) holds(when, path string, got rig.Answer, k *treasure, want func() (uint64, string)) {
	s.t.Helper()
	var body struct{ Value string }
	switch {
	case s.model.sealed:
		if got.Code != "ERR_STORE_SEALED" {
			s.t.Errorf("%s: %s of a sealed store: got %d %s", when, path, got.Status, got.Body)
		}
	case k == nil:
		if got.Code != "ERR_UNKNOWN_SECRET" {
			s.t.Errorf("%s: %s: got %d %s, want none", when, path, got.Status, got.Body)
		}
	case got.Status != http.StatusOK:
		s.t.Errorf("%s: %s: got %d %s, want it", when, path, got.Status, got.Body)
	default:
		number, value := want()
		if decode(s.t, got.Body, &body); body.Value != value || got.Header.Get("X-Gatehouse-Version") != strconv.FormatUint(number, 10) {
			s.t.Errorf("%s: %s: got %q, version %s, want %q, version %d", when, path, body.Value, got.Header.Get("X-Gatehouse-Version"), value, number)
		}
	}
}

// sameLists compares what is below each directory.
func (s *stroll) sameLists(when string) {
	s.t.Helper()
	for _, dir := range []string{"", "a/", "a/b/", "team/", "nowhere/"} {
		got := s.send(rig.Request{Method: http.MethodGet, URL: secretsPath + "/secret/" + modelStore + "/" + dir + "?list=true"}, 0)
		if s.model.sealed {
			if got.Code != "ERR_STORE_SEALED" {
				s.t.Errorf("%s: list of %q of a sealed store: got %d %s", when, dir, got.Status, got.Body)
			}
			continue
		}
		var list struct{ Array []string }
		decode(s.t, got.Body, &list)
		if diff := cmp.Diff(s.model.list(dir), list.Array); diff != "" {
			s.t.Errorf("%s: list of %q: %d (-want +got):\n%s", when, dir, got.Status, diff)
		}
	}
}

// compare reads everything from one master.
func (s *stroll) compare(m *rig.Master) {
	s.t.Helper()
	for _, path := range modelPaths {
		k := s.model.live(path)
		if k != nil {
			readable(s.t, s.c, m, modelStore, path, k.value())
			continue
		}
		ask(s.t, s.c, http.StatusNotFound, rig.Request{Method: http.MethodGet, URL: secretURL(m, modelStore, path), Token: s.token})
	}
}
