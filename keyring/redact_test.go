package keyring

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNoPrinterShowsAKey(t *testing.T) {
	ring, _ := addKey(t, generate(t))
	type holder struct{ ring Ring } // an unexported copy, which fmt cannot ask how to print itself
	values := []any{ring, *ring, ring.keys, ring.keys[0], holder{*ring}, &holder{*ring}, map[string]*Ring{"r": ring}}
	var out bytes.Buffer
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		_ = json.NewEncoder(&out).Encode(v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
	}
	for _, k := range ring.keys {
		secret := k.reveal().secret[:]
		decimal := strings.Trim(fmt.Sprint(secret[:8]), "[]")
		goSyntax := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret[:8]), "[]byte{"), "}")
		for _, leak := range []string{
			string(secret[:8]), hex.EncodeToString(secret[:8]), strings.ToUpper(hex.EncodeToString(secret[:8])),
			base64.StdEncoding.EncodeToString(secret)[:10], decimal, goSyntax, strings.ReplaceAll(decimal, " ", ","),
		} {
			if strings.Contains(out.String(), leak) {
				t.Errorf("a printer shows the key as %q", leak)
			}
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing was redacted: the test prints nothing")
	}
}
