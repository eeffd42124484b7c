//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// walk drives the API through one master after the other, chosen at random, beside a directory that says what it must answer.
type walk struct {
	t       *testing.T
	c       *rig.Cluster
	token   string
	random  *rand.Rand
	model   *directory
	changes int // that happened
}

// Every group, permission and policy answer follows from the ones before it, whichever master is asked, while the leader dies in between.
func TestAccessIsManagedThroughAnyMaster(t *testing.T) {
	const steps = 400
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := start(t, rig.Options{})
	w := &walk{t: t, c: c, token: superuser(t, c), random: rand.New(rand.NewPCG(seed, 0)), model: newDirectory()}
	for i := range steps {
		if i == steps/2 {
			leader := leaderOf(t, c)
			if err := leader.Kill(); err != nil {
				t.Fatal(err)
			}
			defer func() { w.finish(leader) }()
		}
		w.step(i)
		if t.Failed() {
			return
		}
	}
}

// finish brings the killed master back and compares every master with the directory.
func (w *walk) finish(killed *rig.Master) {
	if w.t.Failed() {
		return
	}
	if err := killed.Start(); err != nil {
		w.t.Error(err)
		return
	}
	if err := w.c.AwaitHealthy(w.t.Context(), 30*time.Second); err != nil {
		w.t.Error(err)
		return
	}
	for _, m := range w.c.Masters {
		w.compare(m)
	}
	w.t.Logf("%d changes", w.changes)
}

// step sends one operation and reads what it was about through another master.
func (w *walk) step(i int) {
	w.t.Helper()
	op := w.model.choose(w.random)
	status, code := op.apply(w.model)
	got := w.send(rig.Request{Method: op.method, URL: op.path, Body: op.body, Header: map[string]string{"Idempotency-Key": fmt.Sprintf("step-%d", i)}})
	if got.Status != status || got.Code != code {
		w.t.Errorf("step %d: %s %s: got %d %s, want %d %s", i, op.method, op.path, got.Status, got.Body, status, code)
	}
	if status < 300 {
		w.changes++
	}
	uid, rid, action := oneOf(w.random, modelUsers), oneOf(w.random, modelACLs), oneOf(w.random, modelActions)
	if verdict, want := w.verdict(uid, rid, action), w.model.allowed(uid, rid, action); verdict != want {
		w.t.Errorf("step %d: after %s %s: %s %s on %s: got %v, want %v", i, op.method, op.path, uid, action, rid, verdict, want)
	}
	h := anyHolder(w.random)
	w.sameActions(fmt.Sprintf("step %d", i), w.send, rid, h)
}

// send asks a master chosen at random, again and elsewhere as long as none gives an answer: changes carry a key, so none happens twice.
func (w *walk) send(r rig.Request) (answer rig.Answer) {
	w.t.Helper()
	path := r.URL
	r.Token = w.token
	await(w.t, 30*time.Second, r.Method+" "+path, func(ctx context.Context) (err error) {
		r.URL = oneOf(w.random, w.c.Running()).API + path
		answer, err = w.c.Client.Do(ctx, r)
		if err == nil && (answer.Status == http.StatusServiceUnavailable || answer.Status == http.StatusBadGateway) {
			err = fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return err
	})
	return answer
}

// verdict asks for a decision as Admin Router does, with the superuser's token.
func (w *walk) verdict(uid, rid, action string) bool {
	w.t.Helper()
	query := url.Values{"uid": {uid}, "rid": {rid}, "action": {action}}.Encode()
	got := w.send(rig.Request{Method: http.MethodGet, URL: "/acs/api/v1/internal/policyquery?" + query})
	var verdict struct{ Allowed *bool }
	decode(w.t, got.Body, &verdict)
	if verdict.Allowed == nil {
		w.t.Fatalf("policy query %s: got %d %s", query, got.Status, got.Body)
	}
	return *verdict.Allowed
}

// sameActions compares what a principal holds on a resource.
func (w *walk) sameActions(when string, send func(rig.Request) rig.Answer, rid string, h holder) {
	w.t.Helper()
	got := send(rig.Request{Method: http.MethodGet, URL: grantURL(rid, h)})
	want := w.model.actions(rid, h)
	if _, code := w.model.entry(rid, h, ""); code != "" || want == nil {
		if got.Status != http.StatusBadRequest || code != "" && got.Code != code {
			w.t.Errorf("%s: %s: got %d %s, want 400 %s", when, grantURL(rid, h), got.Status, got.Body, code)
		}
		return
	}
	var list struct{ Array []struct{ Name string } }
	decode(w.t, got.Body, &list)
	var names []string
	for _, a := range list.Array {
		names = append(names, a.Name)
	}
	slices.SortFunc(names, func(a, b string) int { return slices.Index(modelActions, a) - slices.Index(modelActions, b) })
	if diff := cmp.Diff(want, names); diff != "" {
		w.t.Errorf("%s: %s (-want +got):\n%s", when, grantURL(rid, h), diff)
	}
}

// compare reads everything from one master.
func (w *walk) compare(m *rig.Master) {
	w.t.Helper()
	read := func(r rig.Request) rig.Answer {
		r.URL, r.Token = m.API+r.URL, w.token
		return must[rig.Answer](w.t)(w.c.Client.Do(w.t.Context(), r))
	}
	for _, gid := range modelGroups {
		answer := read(rig.Request{Method: http.MethodGet, URL: "/acs/api/v1/groups/" + gid + "/users"})
		if w.model.groups[gid] == nil {
			if answer.Code != "ERR_UNKNOWN_GROUP_ID" {
				w.t.Errorf("%s: group %s: got %d %s, want it gone", m.Name, gid, answer.Status, answer.Body)
			}
			continue
		}
		var list struct {
			Array []struct{ User struct{ UID string } }
		}
		decode(w.t, answer.Body, &list)
		var members []string
		for _, row := range list.Array {
			members = append(members, row.User.UID)
		}
		slices.Sort(members)
		if diff := cmp.Diff(w.model.members(gid), members); diff != "" {
			w.t.Errorf("%s: members of %s (-want +got):\n%s", m.Name, gid, diff)
		}
	}
	for _, rid := range modelACLs {
		for _, h := range []string{"users", "groups"} {
			for _, id := range map[string][]string{"users": modelUsers, "groups": modelGroups}[h] {
				w.sameActions(m.Name, read, rid, holder{h, id})
			}
		}
	}
	for _, uid := range modelUsers {
		if answer := read(rig.Request{Method: http.MethodGet, URL: "/acs/api/v1/users/" + uid}); (answer.Status == http.StatusOK) != w.model.knows(holder{"users", uid}) {
			w.t.Errorf("%s: user %s: got %d %s", m.Name, uid, answer.Status, answer.Body)
		}
	}
}
