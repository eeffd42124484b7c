package httpapi

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzIndenting(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, `{"a":[1,-2.5e3,"x{[,:]}\"\\",null,true,{"b":{},"c":[]}]}`, `"\u2028\\u2029"`, `[[[1],[]],{"":""}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var v any
		if json.Unmarshal(doc, &v) != nil {
			return
		}
		r := renderers.Get().(*renderer)
		defer r.release()
		got, err := r.render(v, iamStyle)
		if err != nil {
			return
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		plain := want.Bytes()
		if !bytes.Contains(doc, []byte("u202")) && !bytes.Contains(doc, []byte("\xe2\x80")) && !bytes.Equal(got, plain) {
			t.Fatalf("%q:\ngot  %q\nwant %q", doc, got, plain)
		}
		var back any
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q became %q: %v", doc, got, err)
		}
	})
}
