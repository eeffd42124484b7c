package conformance

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/httpapi/apitest"
)

const applyPath = "/gatehouse/v1/iam/apply"

// slowly lets the clock reach the cut-off of the next bulk change before it is committed; meanwhile somebody logs in.
func (h *house) slowly(meanwhile func()) {
	h.Before = func(c command.Command) error {
		if _, bulk := c.(command.ApplyChanges); bulk {
			h.Before = nil
			h.Clock.Advance(2 * time.Second)
			meanwhile()
		}
		return nil
	}
}

// A login elsewhere may read a state without a change of many things while that is on its way to the log.
func TestASlowBulkRemovalLeavesNoTokenForTheNextOwnerOfTheUID(t *testing.T) {
	h := newHouse(t, apitest.Options{Masters: 3})
	token, old := h.login(root, rootPassword), ""
	h.addUser(token, "alice")
	h.slowly(func() { old = h.loginUser("alice") })
	h.do("POST", applyPath, token, `{"changes":[{"user":{"uid":"alice"},"remove":true},{"user":{"uid":"nobody"},"remove":true}]}`).Is(t, http.StatusNoContent)
	h.addUser(token, "alice")
	h.everywhere("GET", userPath("alice"), old, "").Is(t, http.StatusUnauthorized)
	h.everywhere("GET", prefix+"/users/alice/groups", h.loginUser("alice"), "").Is(t, http.StatusOK)
}

func TestASlowChangeOfAKeyEndsTheTokensOfTheOldOne(t *testing.T) {
	h := newHouse(t, apitest.Options{Masters: 3})
	token, old, kept := h.login(root, rootPassword), "", ""
	h.addService(token, "robot")
	h.addService(token, "other")
	h.slowly(func() { old, kept = h.loginService("robot"), h.loginService("other") })
	change := func(uid, key string) string { return `{"user":` + object("uid", uid, "public_key", key) + `}` }
	h.do("POST", applyPath, token, `{"changes":[`+change("robot", apitest.PublicPEM(apitest.OtherKey()))+`,`+change("other", publicPEM())+`]}`).Is(t, http.StatusNoContent)
	h.everywhere("GET", prefix+"/users/robot/groups", old, "").Is(t, http.StatusUnauthorized)
	h.everywhere("GET", prefix+"/users/other/groups", kept, "").Is(t, http.StatusOK)
}

func TestABulkRemovalThatNeverCatchesUpSaysSo(t *testing.T) {
	h := newHouse(t, apitest.Options{Masters: 3})
	token := h.login(root, rootPassword)
	h.addUser(token, "alice")
	h.Before = func(command.Command) error {
		h.Clock.Advance(2 * time.Second)
		return nil
	}
	h.do("POST", applyPath, token, `{"changes":[{"user":{"uid":"alice"},"remove":true}]}`).Want(t, http.StatusServiceUnavailable, "ERR_OUTCOME_UNKNOWN")
}

func TestWhatABulkChangeIsAboutToDoIsRecordedBefore(t *testing.T) {
	h := newHouse(t, apitest.Options{})
	token := h.login(root, rootPassword)
	before := ""
	h.Before = func(command.Command) error {
		before = h.records(t, h.Leader())
		return nil
	}
	body := `{"changes":[{"acl":{"rid":"thing"}},{"grant":{"rid":"thing","uid":"` + root + `","actions":["read"]}}]}`
	for _, again := range []bool{false, true} {
		h.ask(h.Leader().Public, apitest.Call{Method: "POST", Path: applyPath, Token: token, JSON: body, Header: map[string]string{"Idempotency-Key": "k"}}).Is(t, http.StatusNoContent)
		for _, object := range []string{"resource `thing`", "user `" + root + "` on resource `thing`: read"} {
			if !recorded(before, object, "intent") {
				t.Errorf("again %v: nothing says %q before the change is made:\n%s", again, object, before)
			}
			if all := h.records(t, h.Leader()); recorded(all, object, "outcome") || !recorded(all, "1 acl, 1 grant", "outcome") {
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
