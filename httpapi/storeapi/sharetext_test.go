package storeapi

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestAShareIsReadIntoMemoryThatCanBeOverwritten(t *testing.T) {
	for text, want := range map[string]string{`"abc"`: "abc", `" AbC=\n"`: " AbC=\n", `"a\/b"`: "a/b", `""`: "", `null`: ""} {
		in := []byte(`{"key":` + text + `}`)
		var got struct {
			Key shareText `json:"key"`
		}
		if err := json.Unmarshal(in, &got); err != nil || string(got.Key) != want {
			t.Errorf("%s: got %q (%v)", text, string(got.Key), err)
		}
		clear(in) // as the funnel does with the body; a handler that runs again must find it whole before
		if string(got.Key) != want {
			t.Errorf("%s: the share lies in the body", text)
		}
		if shown := fmt.Sprintf("%v %s %#v", got.Key, got.Key, got.Key); shown != "[redacted] [redacted] [redacted]" {
			t.Errorf("it shows %s", shown)
		}
	}
	var key shareText
	if json.Unmarshal([]byte(`1`), &key) == nil {
		t.Error("a number is a share")
	}
}
