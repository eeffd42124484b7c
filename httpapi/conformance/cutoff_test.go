package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/command"
)

const applyPath = "/gatehouse/v1/iam/apply"

// slowly lets the clock reach the cut-off of the next bulk change before it is committed; meanwhile somebody logs in.
func (h *house) slowly(meanwhile func()) {
	h.before = func(c command.Command) {
		if _, bulk := c.(command.ApplyChanges); !bulk {
			return
		}
		h.before = nil
		h.clock.advance(2 * time.Second)
		meanwhile()
	}
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// otherPEM is the public key of nobody in these tests.
func otherPEM() string {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(&key.PublicKey))}))
}

// A login elsewhere may read a state without a change of many things while that is on its way to the log.
func TestASlowBulkRemovalLeavesNoTokenForTheNextOwnerOfTheUID(t *testing.T) {
	h := newHouse(t, setting{})
	token, old := h.login(root, rootPassword), ""
	h.addUser(token, "alice")
	h.slowly(func() { old = h.loginUser("alice") })
	h.do("POST", applyPath, token, `{"changes":[{"user":{"uid":"alice"},"remove":true},{"user":{"uid":"nobody"},"remove":true}]}`).want(t, http.StatusNoContent, "")
	h.addUser(token, "alice")
	h.everywhere("GET", userPath("alice"), old, "").want(t, http.StatusUnauthorized, "")
	h.everywhere("GET", prefix+"/users/alice/groups", h.loginUser("alice"), "").want(t, http.StatusOK, "")
}

func TestASlowChangeOfAKeyEndsTheTokensOfTheOldOne(t *testing.T) {
	h := newHouse(t, setting{})
	token, old, kept := h.login(root, rootPassword), "", ""
	h.addService(token, "robot")
	h.addService(token, "other")
	h.slowly(func() { old, kept = h.loginService("robot"), h.loginService("other") })
	change := func(uid, key string) string { return `{"user":` + object("uid", uid, "public_key", key) + `}` }
	h.do("POST", applyPath, token, `{"changes":[`+change("robot", otherPEM())+`,`+change("other", publicPEM())+`]}`).want(t, http.StatusNoContent, "")
	h.everywhere("GET", prefix+"/users/robot/groups", old, "").want(t, http.StatusUnauthorized, "")
	h.everywhere("GET", prefix+"/users/other/groups", kept, "").want(t, http.StatusOK, "")
}

func TestABulkRemovalThatNeverCatchesUpSaysSo(t *testing.T) {
	h := newHouse(t, setting{})
	token := h.login(root, rootPassword)
	h.addUser(token, "alice")
	h.before = func(command.Command) { h.clock.advance(2 * time.Second) }
	h.do("POST", applyPath, token, `{"changes":[{"user":{"uid":"alice"},"remove":true}]}`).want(t, http.StatusServiceUnavailable, "ERR_OUTCOME_UNKNOWN")
}

func TestWhatABulkChangeIsAboutToDoIsRecordedBefore(t *testing.T) {
	h := newHouse(t, setting{audited: true, masters: 1})
	token := h.login(root, rootPassword)
	before := ""
	h.before = func(command.Command) { before = h.records(t, h.leader()) }
	body := `{"changes":[{"acl":{"rid":"thing"}},{"grant":{"rid":"thing","uid":"` + root + `","actions":["read"]}}]}`
	for _, again := range []bool{false, true} {
		h.ask(h.leader().public, request{method: "POST", target: applyPath, token: token, body: body, header: map[string]string{"Idempotency-Key": "k"}}).want(t, http.StatusNoContent, "")
		for _, object := range []string{"resource `thing`", "user `" + root + "` on resource `thing`: read"} {
			if !recorded(before, object, "intent") {
				t.Errorf("again %v: nothing says %q before the change is made:\n%s", again, object, before)
			}
			if all := h.records(t, h.leader()); recorded(all, object, "outcome") || !recorded(all, "1 acl, 1 grant", "outcome") {
				t.Errorf("again %v: the outcome is not that of the whole:\n%s", again, all)
			}
		}
		before = ""
	}
}

// recorded reports whether a part of a change is in the records with that stage.
func recorded(records, object, stage string) bool {
	for line := range strings.Lines(records) {
		line = strings.TrimSpace(line) + " "
		if strings.Contains(line, "object="+string(must(json.Marshal(object)))+" ") && strings.Contains(line, ` reason="part of the change" `) && strings.Contains(line, " stage="+stage+" ") {
			return true
		}
	}
	return false
}
