package pgp

import (
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzParse(f *testing.F) {
	for _, text := range seeds {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(frame(tagUserID, []byte("alice")))
	f.Add(compressedTimes(3))
	f.Add(rsaPacket(f, 2048))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := Parse(b64(data))
		if err != nil {
			return
		}
		again, err := Parse(b64(data))
		if err != nil || !cmp.Equal(again.Fingerprint(), k.Fingerprint()) {
			t.Errorf("read twice: %v, %v", k.Fingerprint(), err)
		}
		if _, err := k.Encrypt(share); err != nil {
			t.Errorf("a key that was accepted does not encrypt: %v", err)
		}
	})
}
