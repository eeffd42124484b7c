//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// asker asks a master one question without pause and remembers when the last one that was allowed was sent.
type asker struct {
	mu      sync.Mutex // guards the rest
	last    time.Time
	allowed int
}

func (a *asker) run(ctx context.Context, r rig.Request, yes string) {
	client := rig.NewClient(5 * time.Second)
	defer client.Close()
	for ctx.Err() == nil {
		sent := time.Now()
		answer, err := client.Do(context.Background(), r)
		if err == nil && answer.Status == http.StatusOK && strings.Contains(string(answer.Body), yes) {
			a.mu.Lock()
			a.last, a.allowed = sent, a.allowed+1
			a.mu.Unlock()
		}
	}
}

func (a *asker) used() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.allowed < 3 {
		return errors.New("hardly asked yet")
	}
	return nil
}

// An acknowledged revocation binds the next decision of every master (hostile A8): no question that was sent after the
// acknowledgement is answered with yes, wherever it is sent.
func TestARevokedPermissionBindsEveryMasterAtOnce(t *testing.T) {
	c := start(t, rig.Options{})
	uid, rid, gid := named(t, "u"), "dcos:"+named(t, "thing")+":/a", "revocation"
	token := superuser(t, c)
	do := func(status int, method, path string, body any) {
		t.Helper()
		ask(t, c, status, rig.Request{Method: method, URL: c.Masters[0].API + path, Token: token, Body: body})
	}
	putUser(t, c, c.Masters[0], uid, map[string]string{"password": "a passphrase"})
	own := must[string](t)(c.Client.Login(t.Context(), c.Masters[1].API, uid, "a passphrase"))
	do(201, "PUT", aclURL(rid), map[string]string{"description": ""})
	do(201, "PUT", "/acs/api/v1/groups/"+gid, map[string]string{"description": ""})
	do(204, "PUT", memberURL(gid, uid), nil)
	user, group := holder{"users", uid}, holder{"groups", gid}
	// Each step takes away what allowed it, after the one before has given it.
	for what, step := range map[string]struct{ give, take string }{
		"action of a user":    {grantURL(rid, user) + "/read", grantURL(rid, user) + "/read"},
		"entry of a user":     {grantURL(rid, user) + "/full", grantURL(rid, user)},
		"action of a group":   {grantURL(rid, group) + "/read", grantURL(rid, group) + "/read"},
		"member of a group":   {grantURL(rid, group) + "/read", memberURL(gid, uid)},
		"group":               {grantURL(rid, group) + "/full", "/acs/api/v1/groups/" + gid},
		"protected resource":  {grantURL(rid, user) + "/read", aclURL(rid)},
		"right to manage IAM": {grantURL("dcos:adminrouter:acs", user) + "/full", grantURL("dcos:adminrouter:acs", user) + "/full"},
	} {
		t.Run(what, func(t *testing.T) {
			restore(t, c, token, rid, gid, uid)
			question := rig.Request{Method: http.MethodGet, URL: "/acs/api/v1/internal/policyquery?action=read&uid=" + uid + "&rid=" + rid, Token: own}
			yes := `"allowed": true`
			if what == "right to manage IAM" {
				question, yes = rig.Request{Method: http.MethodGet, URL: "/acs/api/v1/groups", Token: own}, `"array"`
			}
			do(204, "PUT", step.give, nil)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var asking sync.WaitGroup
			var askers []*asker
			for _, m := range c.Masters {
				a, r := &asker{}, question
				r.URL = m.API + r.URL
				askers = append(askers, a)
				asking.Go(func() { a.run(ctx, r, yes) })
			}
			for _, a := range askers {
				await(t, 10*time.Second, "questions", func(context.Context) error { return a.used() })
			}
			ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: c.Masters[2].API + step.take, Token: token})
			acknowledged := time.Now()
			for _, m := range c.Masters {
				r := question
				r.URL = m.API + r.URL
				if answer := must[rig.Answer](t)(c.Client.Do(t.Context(), r)); strings.Contains(string(answer.Body), yes) {
					t.Errorf("%s still says yes", m.Name)
				}
			}
			stop()
			asking.Wait()
			for i, a := range askers {
				if a.last.After(acknowledged) {
					t.Errorf("%s: a question sent %v after the acknowledgement was answered with yes", c.Masters[i].Name, a.last.Sub(acknowledged))
				}
			}
		})
	}
}

// restore makes the resource, the group and its member again, whatever a step has taken away, and drops all grants.
func restore(t *testing.T, c *rig.Cluster, token, rid, gid, uid string) {
	t.Helper()
	for _, r := range []rig.Request{
		{Method: "DELETE", URL: aclURL(rid)}, {Method: "DELETE", URL: "/acs/api/v1/groups/" + gid},
		{Method: "PUT", URL: aclURL(rid), Body: map[string]string{"description": ""}},
		{Method: "PUT", URL: aclURL("dcos:adminrouter:acs"), Body: map[string]string{"description": ""}},
		{Method: "PUT", URL: "/acs/api/v1/groups/" + gid, Body: map[string]string{"description": ""}},
		{Method: "PUT", URL: memberURL(gid, uid)},
	} {
		r.URL, r.Token = c.Masters[0].API+r.URL, token
		if answer := must[rig.Answer](t)(c.Client.Do(t.Context(), r)); answer.Status/100 == 5 {
			t.Fatalf("%s %s: got %d %s", r.Method, r.URL, answer.Status, answer.Body)
		}
	}
}
