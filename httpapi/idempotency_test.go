package httpapi

import (
	"strings"
	"testing"
)

func TestIdempotencyKeyIsBoundToMethodPathAndBody(t *testing.T) {
	b := newBed(t, 2)
	leader := b.members[0]
	hash := func(m *testMaster, method, path, body string) [32]byte {
		t.Helper()
		drain(leader)
		m.call(method, path, "alice", body, "Idempotency-Key: k")
		r := <-leader.seen
		if r.Idempotency == nil || r.Idempotency.Key != "k" {
			t.Fatalf("%s %s: key %+v", method, path, r.Idempotency)
		}
		return r.Idempotency.Hash
	}
	const path = "/acs/api/v1/users/bob"
	first := hash(leader, "PUT", path, `{}`)
	for _, c := range [][2]string{{path + "/", `{}`}, {path + "?_timestamp=7", `{}`}, {"/acs/api/v1/users/b%6fb", `{}`}} {
		for _, m := range b.members {
			if hash(m, "PUT", c[0], c[1]) != first {
				t.Errorf("%s through %s is another request", c[0], m.id)
			}
		}
	}
	for _, c := range [][3]string{{"PUT", path, `{ }`}, {"PUT", "/acs/api/v1/users/bo", `{}`}, {"DELETE", path, ""}} {
		if hash(leader, c[0], c[1], c[2]) == first {
			t.Errorf("%s is the same request", c)
		}
	}
	if requestHash("PUT", "/ab", []byte("c")) == requestHash("PUT", "/a", []byte("bc")) {
		t.Error("a byte moved from the path to the body unnoticed")
	}
}

func TestIdempotencyKeyIsRefusedWhereItMeansNothing(t *testing.T) {
	m := newBed(t, 1).members[0]
	for name, c := range map[string][3]string{
		"GET": {"GET", "/acs/api/v1/users/alice", ""}, "login": {"POST", "/acs/api/v1/auth/login", `{"uid":"a"}`}, "leader read": {"GET", "/acs/api/v1/leaderread", ""},
	} {
		expect(t, name, m.call(c[0], c[1], "alice", c[2], "Idempotency-Key: k"), 400)
	}
	for name, key := range map[string]string{"empty": "", "129 bytes": strings.Repeat("k", 129), "not ASCII": "é", "tab": "a\tb"} {
		expect(t, name, m.call("PUT", target, "alice", `{}`, "Idempotency-Key: "+key), 400)
	}
	w := m.dial().send("DELETE "+target+" HTTP/1.1", "Host: x", authorized(), "Idempotency-Key: a", "Idempotency-Key: a", "", "")
	expect(t, "two keys", w.receive("DELETE"), 400)
	expect(t, "128 bytes", m.call("PUT", target, "alice", `{}`, "Idempotency-Key: "+strings.Repeat("~", 128)), 201)
}
