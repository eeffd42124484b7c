//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// spellings are the forms in which a secret might lie around: as it is, in hex, in base64 at each of the three
// alignments, and percent-encoded.
func spellings(secret string) [][]byte {
	forms := [][]byte{[]byte(secret), []byte(hex.EncodeToString([]byte(secret))), []byte(strings.ToUpper(hex.EncodeToString([]byte(secret)))),
		[]byte(url.QueryEscape(secret))}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			padded := strings.Repeat("x", shift) + secret
			whole := encoding.EncodeToString([]byte(padded))
			// Characters that also depend on what stands before and after the secret are left out.
			first := (shift*8 + 5) / 6
			last := len(padded) * 8 / 6
			forms = append(forms, []byte(whole[first:last]))
		}
	}
	return forms
}

// find answers in which files under dirs any spelling of a secret stands.
func find(t *testing.T, secrets map[string]string, dirs ...string) []string {
	t.Helper()
	var found []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if len(bytes.Trim(content, "\x00")) == 0 {
				return nil // room kept free
			}
			for name, secret := range secrets {
				for _, form := range spellings(secret) {
					if bytes.Contains(content, form) {
						found = append(found, name+" in "+path)
						break
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func TestTheSearchForSecretsFindsThemInEverySpelling(t *testing.T) {
	const secret = "correct horse battery staple?"
	encoded := map[string]string{"plain": secret, "hex": hex.EncodeToString([]byte(secret)), "query": url.QueryEscape(secret)}
	for _, before := range []string{"", "a", "ab", "abc"} {
		encoded["std "+before] = base64.StdEncoding.EncodeToString([]byte(before + secret + "zz"))
		encoded["url "+before] = base64.URLEncoding.EncodeToString([]byte(before + secret))
	}
	for name, text := range encoded {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "log"), []byte("before "+text+" after"), 0o600); err != nil {
			t.Fatal(err)
		}
		if found := find(t, map[string]string{"it": secret}, dir); len(found) != 1 {
			t.Errorf("%s: got %v, want it found in %s", name, found, text)
		}
	}
}

// Nothing that opens a door stands in logs, audit records or data directories (hostile L18, I10): passwords right and
// wrong, tokens, keys, hashes. The logs are those of the most talkative level.
func TestSecretsStandNowhere(t *testing.T) {
	c := start(t, rig.Options{Flags: []string{"--log-level", "debug"}})
	secrets := map[string]string{"the superuser's password": rig.SuperuserPassword}
	plant := func(name, secret string) string {
		secrets[name] = secret
		return secret
	}
	m := c.Masters
	plant("the superuser's token", superuser(t, c))
	putUser(t, c, m[0], "person", map[string]string{"password": plant("a first password", "first-canary-3871"), "description": "x"})
	ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: userURL(m[1], "person"), Token: superuser(t, c),
		Body: map[string]string{"password": plant("a changed password", "second-canary-5522")}})
	plant("a token", must[string](t)(c.Client.Login(t.Context(), m[2].API, "person", secrets["a changed password"])))
	if _, err := c.Client.Login(t.Context(), m[0].API, "person", plant("a wrong password", "third-canary-9416")); err == nil {
		t.Error("a wrong password was accepted")
	}
	key := must[*rig.ServiceKey](t)(rig.NewServiceKey())
	putUser(t, c, m[1], "service", map[string]string{"public_key": key.PublicPEM})
	signed := plant("a service login token", must[string](t)(key.Sign("service", time.Now().Add(time.Hour))))
	for _, at := range m {
		plant("a service's token at "+at.Name, must[string](t)(c.Client.LoginService(t.Context(), at.API, "service", signed)))
	}
	foreign := must[*rig.ServiceKey](t)(rig.NewServiceKey())
	if _, err := c.Client.LoginService(t.Context(), m[0].API, "service", plant("a refused login token", must[string](t)(foreign.Sign("service", time.Now().Add(time.Minute))))); err == nil {
		t.Error("a token of a foreign key was accepted")
	}
	// Broken requests: what is said about them must not repeat them.
	ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodGet, URL: userURL(m[0], "person"), Token: plant("a broken token", "fourth-canary-7739.broken-canary-7740.canary-7741-end")})
	for _, body := range []string{`{"uid":"person","password":"fifth-canary-6120","password":"x"}`, `{"uid":"person","password":"fifth-canary-6120"`} {
		plant("a password in broken JSON", "fifth-canary-6120")
		ask(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodPost, URL: m[1].API + "/acs/api/v1/auth/login", Body: []byte(body)})
	}
	ask(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodPut, URL: userURL(m[2], "person-2"), Token: superuser(t, c),
		Body: map[string]string{"password": plant("a password with a key", "sixth-canary-8841"), "public_key": key.PublicPEM}})
	must[string](t)(c.Run(t.Context(), plant("a reset password", "seventh-canary-2907")+"\n", "reset-superuser", "--admin-socket", m[0].AdminSocket, "admin-2"))
	if out, err := keysCommand(t, c, m[0], "prepare"); err != nil {
		t.Fatalf("prepare: %v\n%s", err, out)
	}
	for name, secret := range secrets {
		if parts := strings.Split(secret, "."); len(parts) == 3 {
			secrets["the signature of "+name] = parts[2]
		}
	}
	for i, line := range keyMaterial(t, c.KeyFile) {
		secrets["the cluster key "+string(rune('a'+i))] = line
	}
	secrets["a hash"] = "$argon2id$"
	secrets["a private key in PEM"] = "PRIVATE KEY"
	// PKCS#8 of any RSA key: version 0, rsaEncryption, NULL, an octet string.
	secrets["a private key in DER"] = "\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04"
	for _, at := range m {
		if err := at.Stop(); err != nil {
			t.Fatal(err)
		}
		records := trailOf(t, at)
		for _, want := range []string{"type=audit ", " action=password-login ", " uid=person "} {
			if !strings.Contains(records, want) && at == m[0] {
				t.Errorf("the audit records of %s have no %q: are they those?", at.Name, want)
			}
		}
	}
	for _, where := range find(t, secrets, filepath.Dir(m[0].LogFile)) {
		if !strings.HasSuffix(where, "/cluster.key") {
			t.Error(where)
		}
	}
}

// keyMaterial are the secret halves of the lines of a cluster key file: words that are long enough to be keys.
func keyMaterial(t *testing.T, file string) []string {
	t.Helper()
	var keys []string
	for _, word := range strings.FieldsFunc(string(must[[]byte](t)(os.ReadFile(file))), func(r rune) bool { return strings.ContainsRune(" \n\t\":,{}", r) }) {
		if len(word) >= 40 {
			keys = append(keys, word)
			if raw, err := base64.StdEncoding.DecodeString(word); err == nil {
				keys = append(keys, string(raw))
			}
		}
	}
	if len(keys) == 0 {
		t.Fatalf("found no key in %s", file)
	}
	return keys
}
