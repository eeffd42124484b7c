package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// requestLimit is how long a client waits for an answer; the outcome is unknown after that.
const requestLimit = 2 * time.Second

// client sends one operation after the other on its slot's user, secret or store, each through any master.
type client struct {
	number  int
	slot    *slot
	history *history
	http    *rig.Client
	masters []*rig.Master
	token   string
	random  *rand.Rand
	avoid   map[*rig.Master]time.Time // masters that have just failed, until when
	shares  map[string]string         // of the stores that it has made
}

// run works until ctx ends. The operation under way then is finished.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		m := c.pick()
		in, ok := c.slot.next(c.random)
		if !ok {
			c.makeStore(ctx)
			continue
		}
		if c.do(m, in) {
			continue
		}
		c.avoid[m] = time.Now().Add(500 * time.Millisecond)
		_ = rig.Pause(ctx, 20*time.Millisecond)
	}
}

// pick chooses a master, one that has not just failed if there is one.
func (c *client) pick() *rig.Master {
	var m *rig.Master
	for range 5 {
		m = c.masters[c.random.IntN(len(c.masters))]
		if time.Now().After(c.avoid[m]) {
			break
		}
	}
	return m
}

// do sends one operation and records it; it answers false when the master gave no useful answer.
func (c *client) do(m *rig.Master, in input) bool {
	floor, call := c.history.floor(), c.history.now()
	answer, err := c.http.Do(context.Background(), c.request(m, in))
	e := event{Client: c.number, Master: m.Name, Call: call, Return: c.history.now(), input: in, Index: answer.Index}
	known := true
	e.output, e.Detail, known = judge(in, answer, err)
	if in.Subject != aUser {
		e.output, e.Detail, known = judgeSecret(in, answer, err)
	}
	if e.Outcome == outUnknown {
		e.Return = never
	}
	if err == nil && unexpected(answer) {
		c.history.violate("unexpected answer: %s of %s at %s got %d %s", in.Op, in.Key, m.Name, answer.Status, answer.Body)
	}
	if known {
		c.history.add(e, floor)
		c.slot.learn(in, e.Outcome)
		c.slot.remember(in, e.output, answer.Header)
	}
	return err == nil && answer.Status < 500
}

func (c *client) request(m *rig.Master, in input) rig.Request {
	if in.Subject != aUser {
		return c.secretRequest(m, in)
	}
	r := rig.Request{Method: http.MethodGet, URL: m.API + "/acs/api/v1/users/" + in.Key, Token: c.token}
	switch in.Op {
	case opCreate:
		r.Method, r.Body = http.MethodPut, map[string]string{"description": in.Description, "password": in.Password}
	case opDescribe:
		r.Method, r.Body = http.MethodPatch, map[string]string{"description": in.Description}
	case opPassword:
		r.Method, r.Body = http.MethodPatch, map[string]string{"password": in.Password}
	case opDelete:
		r.Method = http.MethodDelete
	case opGrant:
		r.Method, r.URL = http.MethodPut, m.API+grantPath(in.Key)
	case opRevoke:
		r.Method, r.URL = http.MethodDelete, m.API+grantPath(in.Key)
	case opAsk:
		r.URL = m.API + "/acs/api/v1/internal/policyquery?action=read&rid=" + resource + "&uid=" + in.Key
	case opLogin:
		r = rig.Request{Method: http.MethodPost, URL: m.API + "/acs/api/v1/auth/login",
			Body: map[string]string{"uid": in.Key, "password": in.Password},
			// Failed logins are throttled by address; these come from everywhere.
			Header: map[string]string{"X-Forwarded-For": fmt.Sprintf("10.%d.%d.%d", c.random.IntN(256), c.random.IntN(256), 1+c.random.IntN(254))}}
	}
	return r
}

// resource is what users may read, or not. It is there from the beginning on.
const resource = "dcos:chaos"

func grantPath(uid string) string { return "/acs/api/v1/acls/" + resource + "/users/" + uid + "/read" }

// nothingHappened are the codes by which a master promises that the request had no effect.
var nothingHappened = map[string]bool{"ERR_NO_LEADER": true, "ERR_BUSY": true, "ERR_DISK_LOW": true, "ERR_LEADER_CHANGED": true, "ERR_TOO_MANY_REQUESTS": true}

// judge turns an answer into an outcome. known is false for what says nothing about the user: a read without an answer,
// a request that certainly had no effect.
func judge(in input, answer rig.Answer, err error) (out output, detail string, known bool) {
	if err != nil {
		return output{Outcome: outUnknown}, err.Error(), in.Op.writes() && !neverSent(err)
	}
	detail = fmt.Sprintf("%d %s", answer.Status, answer.Code)
	switch {
	case answer.Status/100 == 2:
		out = output{Outcome: outOK}
		switch in.Op {
		case opGet:
			out.Read, err = description(answer.Body)
		case opAsk:
			out.Read, err = verdict(answer.Body)
		}
		if err != nil {
			return output{Outcome: outOK, Read: "undecodable"}, err.Error(), true
		}
		return out, detail, true
	case answer.Code == "ERR_UNKNOWN_USER_ID":
		return output{Outcome: outAbsent}, detail, true
	case answer.Code == "ERR_USER_EXISTS", answer.Code == "ERR_PERMISSION_EXISTS":
		return output{Outcome: outExists}, detail, true
	case answer.Code == "ERR_ACTION_NOT_YET_STORED":
		return output{Outcome: outMissing}, detail, true
	case answer.Code == "ERR_INVALID_CREDENTIALS" && in.Op == opLogin:
		return output{Outcome: outRefused}, detail, true
	case nothingHappened[answer.Code]:
		return output{}, detail, false
	}
	return output{Outcome: outUnknown}, detail, in.Op.writes()
}

// expected are the codes that a correct request may be answered with; beside them there are 502 and 503 of any kind.
var expected = map[string]bool{"ERR_UNKNOWN_USER_ID": true, "ERR_USER_EXISTS": true, "ERR_INVALID_CREDENTIALS": true, "ERR_TOO_MANY_REQUESTS": true,
	"ERR_PERMISSION_EXISTS": true, "ERR_ACTION_NOT_YET_STORED": true,
	"ERR_UNKNOWN_SECRET": true, "ERR_SECRET_EXISTS": true, "ERR_PRECONDITION_FAILED": true, "ERR_CONFLICT": true}

// unexpected says that no fault of ours excuses the answer.
func unexpected(answer rig.Answer) bool {
	return answer.Status/100 != 2 && answer.Status != 502 && answer.Status != 503 && !expected[answer.Code]
}

// neverSent says that no connection could be made, so that no master has seen the request.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func description(body []byte) (string, error) {
	var u struct{ Description string }
	if err := json.Unmarshal(body, &u); err != nil {
		return "", fmt.Errorf("decode the user: %w", err)
	}
	return u.Description, nil
}

func verdict(body []byte) (string, error) {
	var v struct{ Allowed *bool }
	if err := json.Unmarshal(body, &v); err != nil || v.Allowed == nil {
		return "", fmt.Errorf("decode the verdict %q: %w", body, err)
	}
	if *v.Allowed {
		return allowed, nil
	}
	return denied, nil
}
