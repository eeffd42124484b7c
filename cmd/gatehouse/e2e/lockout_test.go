//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// lockout is a cluster whose superusers, service accounts all of them, remove each other.
type lockout struct {
	t      *testing.T
	c      *rig.Cluster
	key    *rig.ServiceKey
	random *rand.Rand
	tokens map[string]string // of the superusers, by uid
	made   int               // so that no name is used twice
	left   int               // superusers that rounds have left, together
}

// However superusers are removed, all at the same time and through different masters, one is left (hostile A3, contract 3.4).
func TestOneSuperuserIsLeftWhoeverRemovesThem(t *testing.T) {
	const rounds, superusers = 25, 3
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := start(t, rig.Options{})
	l := &lockout{t: t, c: c, key: must[*rig.ServiceKey](t)(rig.NewServiceKey()), random: rand.New(rand.NewPCG(seed, 0)),
		tokens: map[string]string{rig.Superuser: superuser(t, c)}}
	l.add(superusers)
	l.ask(l.anyToken(), http.StatusNoContent, "DELETE", memberURL("superusers", rig.Superuser), nil)
	delete(l.tokens, rig.Superuser)
	for round := range rounds {
		l.fight(round)
		l.survivors(round)
		if t.Failed() {
			return
		}
		l.add(superusers - len(l.tokens))
	}
	if l.left == rounds*superusers {
		t.Error("nobody was ever removed")
	}
	t.Logf("%d superusers were left by %d rounds", l.left, rounds)
}

func (l *lockout) anyToken() string { return oneOf(l.random, slices.Sorted(maps.Values(l.tokens))) }

// ask sends one request through a master chosen at random and wants a status.
func (l *lockout) ask(token string, status int, method, path string, body any) rig.Answer {
	l.t.Helper()
	return ask(l.t, l.c, status, rig.Request{Method: method, URL: oneOf(l.random, l.c.Masters).API + path, Token: token, Body: body})
}

// add makes further superusers and logs them in.
func (l *lockout) add(n int) {
	l.t.Helper()
	for range n {
		l.made++
		uid, by := fmt.Sprintf("superuser-%d", l.made), l.anyToken()
		l.ask(by, http.StatusCreated, "PUT", "/acs/api/v1/users/"+uid, map[string]string{"public_key": l.key.PublicPEM})
		l.ask(by, http.StatusNoContent, "PUT", memberURL("superusers", uid), nil)
		signed := must[string](l.t)(l.key.Sign(uid, time.Now().Add(time.Minute)))
		l.tokens[uid] = must[string](l.t)(l.c.Client.LoginService(l.t.Context(), oneOf(l.random, l.c.Masters).API, uid, signed))
	}
}

// attack is one request that would leave fewer superusers, or none.
type attack struct {
	method, path string
	body         any
}

// change is one change of a bulk request.
type change map[string]any

func bulk(changes ...change) attack {
	return attack{"POST", "/gatehouse/v1/iam/apply", map[string]any{"changes": changes}}
}

// attacks on one superuser, and on what makes them all.
func (l *lockout) attacks(uid string) []attack {
	member := func(uid string) change {
		return change{"remove": true, "member": map[string]string{"gid": "superusers", "uid": uid}}
	}
	swap := []change{{"user": map[string]string{"uid": "nobody"}}, {"member": map[string]string{"gid": "superusers", "uid": "nobody"}}}
	for _, each := range slices.Sorted(maps.Keys(l.tokens)) {
		swap = append(swap, member(each))
	}
	return []attack{
		{"DELETE", "/acs/api/v1/users/" + uid, nil},
		{"DELETE", memberURL("superusers", uid), nil},
		bulk(member(uid)),
		bulk(change{"remove": true, "user": map[string]string{"uid": uid}}),
		{"DELETE", "/acs/api/v1/groups/superusers", nil},
		{"DELETE", "/acs/api/v1/acls/dcos:superuser", nil},
		{"DELETE", "/acs/api/v1/acls/dcos:superuser/groups/superusers", nil},
		{"DELETE", "/acs/api/v1/acls/dcos:superuser/groups/superusers/full", nil},
		bulk(change{"remove": true, "group": map[string]string{"gid": "superusers"}}),
		bulk(change{"remove": true, "acl": map[string]string{"rid": "dcos:superuser"}}),
		bulk(change{"grant": map[string]any{"rid": "dcos:superuser", "gid": "superusers", "actions": []string{"read"}}}),
		bulk(swap...), // nobody can log in as the one who is left
	}
}

// mayAnswer are the codes of refusals: of what must not happen, and of what others were faster to do.
var mayAnswer = map[string]bool{"ERR_NO_MORE_SUPERUSERS": true, "ERR_IS_SUPERUSER_GROUP": true, "ERR_IS_SUPERUSER_ACL": true,
	"ERR_UNKNOWN_USER_ID": true, "ERR_USER_NOT_IN_GROUP": true, "ERR_FORBIDDEN": true, "ERR_UNAUTHENTICATED": true}

// fight lets every superuser attack: each of them is attacked twice in a way that could succeed, and once in any way.
func (l *lockout) fight(round int) {
	l.t.Helper()
	uids := slices.Sorted(maps.Keys(l.tokens))
	var fighting sync.WaitGroup
	for i := range 3 * len(uids) {
		possible := l.attacks(uids[i%len(uids)])
		if i < 2*len(uids) {
			possible = possible[:4]
		}
		a, m, token := oneOf(l.random, possible), oneOf(l.random, l.c.Masters), l.tokens[oneOf(l.random, uids)]
		fighting.Go(func() {
			answer, err := l.c.Client.Do(l.t.Context(), rig.Request{Method: a.method, URL: m.API + a.path, Token: token, Body: a.body})
			if err != nil || answer.Status != http.StatusNoContent && answer.Status != http.StatusServiceUnavailable && !mayAnswer[answer.Code] {
				l.t.Errorf("round %d: %s %s %v through %s: got %d %s, %v", round, a.method, a.path, a.body, m.Name, answer.Status, answer.Body, err)
			}
		})
	}
	fighting.Wait()
}

// survivors keeps those who are superusers still, about which all masters must agree.
func (l *lockout) survivors(round int) {
	l.t.Helper()
	for uid, token := range l.tokens {
		var statuses []int
		for _, m := range l.c.Masters {
			statuses = append(statuses, l.status(m, token))
		}
		if len(slices.Compact(slices.Clone(statuses))) > 1 {
			l.t.Errorf("round %d: the masters disagree about %s: %v", round, uid, statuses)
		}
		if statuses[0] != http.StatusOK {
			delete(l.tokens, uid)
		}
	}
	if l.left += len(l.tokens); len(l.tokens) == 0 {
		l.t.Errorf("round %d: no superuser is left", round)
	}
}

// status is what a superuser, and nobody else, gets with 200.
func (l *lockout) status(m *rig.Master, token string) (status int) {
	l.t.Helper()
	await(l.t, 30*time.Second, m.Name, func(ctx context.Context) error {
		answer, err := l.c.Client.Do(ctx, rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/keys", Token: token})
		if status = answer.Status; err == nil && status >= 500 {
			err = fmt.Errorf("%d %s", status, answer.Body)
		}
		return err
	})
	return status
}
