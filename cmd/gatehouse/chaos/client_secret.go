package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

const secretsPath = "/secrets/v1"

// chooseSecret weighs the operations on a secret, and on the seal of a store of its own.
func (s *slot) chooseSecret(r *rand.Rand) operation {
	percent := r.IntN(100)
	switch {
	case s.subject == aStore && percent < 8:
		return opStatus
	case s.subject == aStore && s.sealed && percent < 35:
		return opUnseal
	case s.subject == aStore && percent < 12:
		return opSeal
	case s.subject == aSecret && (!s.exists && percent < 30 || percent < 3):
		return opPut
	case percent < 50:
		return opGet
	case percent < 60:
		return opList
	case percent < 80:
		return opPatch
	case percent < 95 && s.read[1] != "":
		return opSwap
	case s.subject == aSecret && percent < 97:
		return opDelete
	}
	return opGet
}

// remember takes note of a value that was read, for a swap.
func (s *slot) remember(in input, out output, header http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tag := header.Get("ETag"); in.Op == opGet && in.Subject != aUser && out.Outcome == outOK && tag != "" && in.Key == s.key() {
		s.read = [2]string{out.Read, tag}
	}
}

// secretRequest is request for secrets. Each is the only one of its directory, of its own store or of the default one.
func (c *client) secretRequest(m *rig.Master, in input) rig.Request {
	store, dir := "default", in.Key
	if in.Subject == aStore {
		store, dir = in.Key, "dir"
	}
	at := m.API + secretsPath + "/secret/" + store + "/" + dir
	value := map[string]string{"value": in.Value}
	r := rig.Request{Method: http.MethodGet, URL: at + "/it", Token: c.token}
	switch in.Op {
	case opPut:
		r.Method, r.Body = http.MethodPut, value
	case opPatch:
		r.Method, r.Body = http.MethodPatch, value
	case opSwap:
		r.Method, r.Body, r.Header = http.MethodPatch, value, map[string]string{"If-Match": in.tag}
	case opDelete:
		r.Method = http.MethodDelete
	case opList:
		r.URL = at + "?list=true"
	case opSeal:
		r.Method, r.URL = http.MethodPut, m.API+secretsPath+"/seal/"+store
	case opUnseal:
		r.Method, r.URL, r.Body = http.MethodPut, m.API+secretsPath+"/unseal/"+store, map[string]string{"key": in.share}
	case opStatus:
		r.URL = m.API + secretsPath + "/seal-status/" + store
	}
	return r
}

// judgeSecret is judge for secrets. That a store is sealed tells nothing, and promises that nothing has happened.
func judgeSecret(in input, answer rig.Answer, err error) (out output, detail string, known bool) {
	if err != nil {
		return output{Outcome: outUnknown}, err.Error(), in.Op.writes() && !neverSent(err)
	}
	detail = fmt.Sprintf("%d %s", answer.Status, answer.Code)
	switch {
	case answer.Status/100 == 2:
		if out, err = readSecret(in, answer.Body); err != nil {
			return output{Outcome: outOK, Read: "undecodable"}, err.Error(), true
		}
		return out, detail, true
	case answer.Code == "ERR_UNKNOWN_SECRET":
		return output{Outcome: outAbsent}, detail, true
	case answer.Code == "ERR_SECRET_EXISTS":
		return output{Outcome: outExists}, detail, true
	case answer.Code == "ERR_PRECONDITION_FAILED":
		return output{Outcome: outNewer}, detail, true
	case nothingHappened[answer.Code], answer.Code == "ERR_STORE_SEALED", answer.Code == "ERR_CONFLICT":
		return output{}, detail, false
	}
	return output{Outcome: outUnknown}, detail, in.Op.writes()
}

// readSecret is what an answer of success says.
func readSecret(in input, body []byte) (output, error) {
	out := output{Outcome: outOK}
	var got struct {
		Value  string
		Array  []string
		Sealed *bool
	}
	if in.Op == opGet || in.Op == opList || in.Op == opUnseal || in.Op == opStatus {
		if err := json.Unmarshal(body, &got); err != nil {
			return out, fmt.Errorf("decode %q: %w", body, err)
		}
	}
	switch in.Op {
	case opGet:
		out.Read = got.Value
	case opList:
		out.Read = unlisted
		if len(got.Array) > 0 {
			out.Read = listed
		}
	case opUnseal, opStatus:
		out.Read = shut
		if got.Sealed == nil {
			return out, fmt.Errorf("no seal status: %q", body)
		}
		if !*got.Sealed {
			out.Read = open
		}
		if in.Op == opUnseal && out.Read == shut { // sealed again already, or not unsealed at all
			out.Outcome = outUnknown
		}
	}
	return out, nil
}

// makeStore makes the next store of the slot: with one share, open, with a secret in it. No other client works on it before. One that
// is not finished at the first try is left alone.
func (c *client) makeStore(ctx context.Context) {
	s := c.slot
	s.making.Lock()
	defer s.making.Unlock()
	for ctx.Err() == nil && !s.ready() {
		name := s.name()
		share, err := c.tryStore(ctx, name)
		if err != nil {
			_ = rig.Pause(ctx, 50*time.Millisecond)
			s.skip()
			continue
		}
		c.shares[name] = share
		s.begin(share)
	}
}

func (s *slot) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made > s.generation
}

func (s *slot) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key()
}

func (s *slot) skip() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
}

func (s *slot) begin(share string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.share, s.made = share, s.generation+1
}

// tryStore makes a store by that name.
func (c *client) tryStore(ctx context.Context, name string) (share string, err error) {
	put := func(path string, body any, statuses ...int) []byte {
		if err != nil {
			return nil
		}
		var answer rig.Answer
		answer, err = c.http.Do(ctx, rig.Request{Method: http.MethodPut, URL: c.pick().API + secretsPath + path, Token: c.token, Body: body})
		for _, status := range statuses {
			if err == nil && answer.Status == status {
				return answer.Body
			}
		}
		if err == nil {
			err = fmt.Errorf("%s: %d %s", path, answer.Status, answer.Body)
		}
		return nil
	}
	put("/store/"+name, map[string]string{"driver": "vault"}, http.StatusCreated)
	body := put("/init/"+name, map[string]int{"shares": 1, "threshold": 1}, http.StatusOK)
	var made struct{ Keys []string }
	if err == nil {
		err = json.Unmarshal(body, &made)
	}
	if err == nil && len(made.Keys) != 1 {
		err = fmt.Errorf("%d shares", len(made.Keys))
	}
	if err != nil {
		return "", err
	}
	put("/unseal/"+name, map[string]string{"key": made.Keys[0]}, http.StatusOK)
	put("/secret/"+name+"/dir/it", map[string]string{"value": firstValue}, http.StatusCreated)
	return made.Keys[0], err
}
