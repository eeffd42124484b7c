package login

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

func TestInfoCookieIsASCIIAndShort(t *testing.T) {
	for _, c := range []struct{ description, want string }{
		{"Alice", `{"uid": "alice", "description": "Alice", "is_remote": false}`},
		{"é😀\u2028", `{"uid": "alice", "description": "\u00e9\ud83d\ude00\u2028", "is_remote": false}`},
		{"a;b\r\n<\"\\>&\x7f", `{"uid": "alice", "description": "a;b\u000d\u000a\u003c\"\\\u003e\u0026\u007f", "is_remote": false}`},
	} {
		if got := decodeInfo(t, infoValue("alice", c.description, false)); got != c.want {
			t.Errorf("info cookie of %q is %s, want %s", c.description, got, c.want)
		}
	}
	long := infoValue(strings.Repeat("u", 96), strings.Repeat("😀", 1024), true)
	if len(long) > maxInfoCookie {
		t.Errorf("info cookie of a long description has %d bytes, want at most %d", len(long), maxInfoCookie)
	}
	if text := decodeInfo(t, long); !strings.HasSuffix(text, `\ude00", "is_remote": true}`) {
		t.Errorf("cut info cookie ends with %q", text[len(text)-40:])
	}
}

// decodeInfo does what the user interface does with the info cookie.
func decodeInfo(t testing.TB, value string) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatalf("info cookie %q: %v", value, err)
	}
	if !json.Valid(text) {
		t.Fatalf("info cookie holds %q, want JSON", text)
	}
	return string(text)
}
