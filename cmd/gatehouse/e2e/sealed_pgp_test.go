//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// badKeys are made by the real gpg, but nobody should encrypt a share to them: base64 by what is wrong with them.
func badKeys(t *testing.T, good *keeper) map[string]string {
	t.Helper()
	g := must[*rig.GPG](t)(rig.NewGPG())
	t.Cleanup(g.Close)
	run := func(input []byte, args ...string) []byte {
		t.Helper()
		return must[[]byte](t)(g.Run(t.Context(), input, args...))
	}
	encode := base64.StdEncoding.EncodeToString
	must[string](t)(g.Signer(t.Context(), "Signs Only <signs@example.com>", "ed25519", "never"))
	run(nil, "--faked-system-time", "20200101T000000!", "--quick-generate-key", "Expired <expired@example.com>", "rsa2048", "sign,encr", "20210101T000000")
	must[string](t)(g.Key(t.Context(), "Weak <weak@example.com>", "rsa1024"))
	revoked := must[string](t)(g.Key(t.Context(), "Revoked <revoked@example.com>", "cv25519"))
	certificates := must[[]string](t)(filepath.Glob(filepath.Join(g.Home(), "openpgp-revocs.d", "*")))
	for _, file := range certificates {
		if strings.Contains(strings.ToLower(file), revoked) {
			text := string(must[[]byte](t)(os.ReadFile(file)))
			run([]byte(strings.Replace(text, ":-----BEGIN", "-----BEGIN", 1)), "--import")
		}
	}
	raw := must[[]byte](t)(base64.StdEncoding.DecodeString(good.public))
	return map[string]string{
		"signs only":       encode(run(nil, "--export", "signs@example.com")),
		"expired":          encode(run(nil, "--export", "expired@example.com")),
		"revoked":          encode(run(nil, "--export", "revoked@example.com")),
		"of 1024 bits":     encode(run(nil, "--export", "weak@example.com")),
		"armoured":         encode(run(nil, "--armor", "--export", "signs@example.com")),
		"armoured, plain":  string(run(nil, "--armor", "--export", "signs@example.com")),
		"private":          encode(run(nil, "--export-secret-keys", "signs@example.com")),
		"two keys":         encode(run(nil, "--export")),
		"no base64":        "!" + good.public,
		"truncated":        encode(raw[:len(raw)-20]),
		"empty":            "",
		"no key":           encode([]byte("a key")),
		"compressed":       encode(run([]byte(strings.Repeat("x", 4000)), "--store")),
		"damaged":          encode(append([]byte{raw[0] ^ 0x80}, raw[1:]...)),
		"of ten mebibytes": encode(append(append([]byte{}, raw...), make([]byte, 10<<20)...)),
	}
}

// A key that gpg itself would not encrypt to, or that is none, is refused before anything changes (hostile S6); good ones need one
// keeper each.
func TestHostileS6KeysThatAreNoGoodAreRefused(t *testing.T) {
	c := shared(t)
	store := newStore(t, c)
	good, other := newKeeper(t, "Good <good@example.com>", "cv25519"), newKeeper(t, "Other <other@example.com>", "rsa2048")
	before := storeAPI(t, c, c.Masters[0], 200, "GET", "/init/"+store, nil)
	try := func(name string, shares, threshold int, keys ...string) {
		t.Helper()
		r := rig.Request{Method: "PUT", URL: c.Masters[len(name)%3].API + secretsPath + "/init/" + store, Token: superuser(t, c),
			Body: must[[]byte](t)(json.Marshal(map[string]any{"shares": shares, "threshold": threshold, "pgp_keys": keys}))}
		got := must[rig.Answer](t)(c.Client.Do(t.Context(), r))
		if tooLarge := got.Status == 413 && name == "of ten mebibytes"; !tooLarge && (got.Status != 400 || got.Code != "ERR_INVALID_PGP_KEY") {
			t.Errorf("%s: got %d %s, want ERR_INVALID_PGP_KEY", name, got.Status, got.Body)
		}
	}
	for name, key := range badKeys(t, good) {
		try(name, 2, 2, good.public, key)
	}
	try("one key for two shares", 2, 2, good.public)
	try("three keys for two shares", 2, 2, good.public, other.public, good.public)
	try("the same key twice", 2, 2, good.public, good.public)
	after := storeAPI(t, c, c.Masters[1], 200, "GET", "/init/"+store, nil)
	if diff := cmp.Diff(string(before.Body), string(after.Body)); diff != "" {
		t.Errorf("something has changed:\n%s", diff)
	}
	body := map[string]any{"shares": 2, "threshold": 2, "pgp_keys": []string{good.public, other.public}}
	var made initAnswer
	decode(t, storeAPI(t, c, c.Masters[2], 200, "PUT", "/init/"+store, body).Body, &made)
	if got := unseal(t, c, store, other.decrypt(t, made.Keys[1]), good.decrypt(t, made.Keys[0])); got.Sealed {
		t.Errorf("with two good keys: got %+v", got)
	}
}
