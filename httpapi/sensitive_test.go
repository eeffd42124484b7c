package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const shareOfAKey = "a-share-of-a-key"

func TestASensitiveRowLeavesNeitherBodyNorAnswer(t *testing.T) {
	var body, raw []byte
	leave := func() {}
	handle := func(ctx context.Context, r *Request) (*Response, error) {
		body, raw = r.Body, bytes.Clone(r.Body)
		leave()
		return &Response{Raw: raw}, ctx.Err()
	}
	b := newBedOf(t, Route{ID: "give", Method: "PUT", Path: iamPrefix + "/give", Access: User, Mode: Linearizable, BodyLimit: 4096, Sensitive: true, NoIdempotency: true, Handle: handle})
	give := func(ctx context.Context) string {
		r := httptest.NewRequestWithContext(ctx, http.MethodPut, iamPrefix+"/give", strings.NewReader(`{"key":"`+shareOfAKey+`"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "token="+tokenFor("alice"))
		w := httptest.NewRecorder()
		b.members[0].server.Public(KindIAM).ServeHTTP(w, r)
		return w.Body.String()
	}
	if got := give(t.Context()); !strings.Contains(got, shareOfAKey) {
		t.Fatalf("got %q", got)
	}
	if bytes.Contains(body, []byte(shareOfAKey)) || bytes.Contains(raw, []byte(shareOfAKey)) {
		t.Error("body or answer is still there")
	}
	ctx, cancel := context.WithCancel(t.Context())
	leave, body = cancel, nil
	if give(ctx); body == nil || bytes.Contains(body, []byte(shareOfAKey)) {
		t.Error("the body is still there when the client has left")
	}
}

// newBedOf is one master with one row more, and no listeners.
func newBedOf(t *testing.T, more Route) *bed {
	b := &bed{t: t, log: &fakeLog{state: initialState()}, silent: true}
	b.members = append(b.members, b.newMember("m0", []func(*Options){func(o *Options) { o.Routes = append(o.Routes, more) }}))
	b.log.lead("m0")
	return b
}

func TestASensitiveAnswerIsOverwrittenInTheRenderer(t *testing.T) {
	keys := make([]string, 255)
	for i := range keys {
		keys[i] = strings.Repeat(shareOfAKey, 4)
	}
	for name, s := range map[string]style{"compact": secretsStyle, "indented": iamStyle} {
		r := renderers.New().(*renderer)
		r.prepare()
		before := cap(r.pretty)
		if got, err := r.render(map[string]any{"keys": keys}, s); err != nil || bytes.Count(got, []byte(shareOfAKey)) != 4*len(keys) {
			t.Fatalf("%s: %s (%v)", name, got, err)
		}
		compact := r.compact.Bytes()
		r.wipe()
		if bytes.Contains(compact, []byte(shareOfAKey)) || bytes.Contains(r.pretty[:cap(r.pretty)], []byte(shareOfAKey)) || cap(r.pretty) != before {
			t.Errorf("%s: the answer is still there, or a buffer has grown", name)
		}
	}
}
