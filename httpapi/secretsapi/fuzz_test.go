package secretsapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"gatehouse/fsm/secret"
	"gatehouse/httpapi/apitest"
)

// FuzzSecretPath: whatever is put after the store is refused or is one secret, whose canonical path leads to the same one again.
func FuzzSecretPath(f *testing.F) {
	for _, seed := range []string{"a/b", "/a", "%2Fa%2fb", "a/../b", "a//b", "%252e%252e", "a;b", "a%00", "%ff", "é/x?list=true", "%5c", "a/", "*", "a:b"} {
		f.Add(seed)
	}
	h := newHouse(f, 1, func(_ *Options, o *apitest.Options) { o.Quiet = true })
	u := h.superuser()
	put := func(path string) (apitest.Answer, bool) {
		c := apitest.Call{Method: http.MethodPut, Path: base + path, Token: u.token, Type: fileType}
		if _, err := c.Wire(); err != nil {
			return apitest.Answer{}, false
		}
		return u.Call(c), true
	}
	f.Fuzz(func(t *testing.T, path string) {
		before := h.Leader().AppliedIndex()
		got, possible := put(path)
		if !possible || got.Status == 400 || got.Status == 404 {
			if h.Leader().AppliedIndex() != before {
				t.Fatalf("%q: answered %d and changed something", path, got.Status)
			}
			return
		}
		if got.Status != 201 && got.Status != 409 {
			t.Fatalf("%q: got %d %s", path, got.Status, got.Body)
		}
		raw, _, _ := strings.Cut(path, "?")
		decoded, err := url.PathUnescape(raw)
		if err != nil {
			t.Fatalf("%q was accepted: %v", path, err)
		}
		canonical, err := secret.ParsePath(decoded)
		if err != nil {
			t.Fatalf("%q was accepted: %v", path, err)
		}
		if _, there := h.Leader().State().Secret(secret.Default, canonical); !there {
			t.Fatalf("%q was not written as %q", path, canonical)
		}
		if again, _ := put(url.PathEscape(canonical)); again.Status != 409 {
			t.Fatalf("%q: its canonical path %q was answered %d", path, canonical, again.Status)
		}
	})
}

// FuzzSecretBody: a JSON body is refused without a panic, or its value is what encoding/json reads; and what is stored comes back.
func FuzzSecretBody(f *testing.F) {
	for _, seed := range []string{`{"value":"x"}`, `{"value":"\u0000\ud83d\ude00","labels":["a"]}`, `{"value":null}`, `[]`, `{"value":"x","ttl":3}`, `{"a":{"value":1},"value":"\\"}`} {
		f.Add([]byte(seed))
	}
	h := newHouse(f, 1, func(_ *Options, o *apitest.Options) { o.Quiet = true })
	u := h.superuser()
	u.put(f, "a", "")
	f.Fuzz(func(t *testing.T, body []byte) {
		got := u.do("PATCH", base+"a", body)
		if got.Status == 400 || got.Status == 404 {
			u.do("PUT", base+"a", jsonOf("")) // a ttl may have ended it
			return
		}
		if got.Status != 204 {
			t.Fatalf("%q: got %d %s", body, got.Status, got.Body)
		}
		var want struct{ Value *string }
		if json.Unmarshal(body, &want) != nil || want.Value == nil || !utf8.Valid(body) {
			return
		}
		read := u.get(base + "a")
		var back struct{ Value string }
		if read.Status == 200 {
			if read.Into(t, &back); back.Value != *want.Value {
				t.Fatalf("%q: stored %q, want %q", body, back.Value, *want.Value)
			}
		}
	})
}

// FuzzPlain: what was encrypted is taken apart without a panic, and into what it was made of.
func FuzzPlain(f *testing.F) {
	f.Add([]byte("\x02{}value"))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePlain(text)
		if err != nil {
			return
		}
		again, err := p.bytes()
		if err != nil {
			return // a time that JSON cannot hold
		}
		if q, err := parsePlain(again); err != nil || string(q.value) != string(p.value) || q.Author != p.Author {
			t.Fatalf("%q became %q", text, again)
		}
	})
}
