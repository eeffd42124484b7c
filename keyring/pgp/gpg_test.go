package pgp

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gnupg is a real gpg with a home of its own. Its tests fail where gpg is missing: scripts/test-deps installs it.
type gnupg struct {
	t    *testing.T
	home string
}

// newGnuPG makes an empty home. The path is short because the agent's socket lies in it, and 108 bytes are all that a
// socket's path may have.
func newGnuPG(t *testing.T) *gnupg {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	if len(home) > 80 {
		t.Fatalf("TMPDIR is too long for the socket of gpg-agent: %s", home)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("gpgconf", "--homedir", home, "--kill", "all").CombinedOutput(); err != nil {
			t.Errorf("stop gpg-agent: %v\n%s", err, out)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return &gnupg{t, home}
}

// run runs gpg with that standard input and returns its standard output.
func (g *gnupg) run(input string, args ...string) []byte {
	g.t.Helper()
	args = append([]string{"--homedir", g.home, "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)
	cmd := exec.Command("gpg", args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}

// Parameters of gpg's key generation.
const (
	rsaWithSubkey = "Key-Type: RSA\nKey-Length: 2048\nKey-Usage: sign\nSubkey-Type: RSA\nSubkey-Length: 2048\nSubkey-Usage: encrypt\n"
	curve25519    = "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign\nSubkey-Type: ECDH\nSubkey-Curve: cv25519\nSubkey-Usage: encrypt\n"
	onlySigning   = "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign\n"
)

// nist are the parameters of a key on one of the curves of NIST (or Brainpool).
func nist(curve string) string {
	return "Key-Type: ECDSA\nKey-Curve: " + curve + "\nKey-Usage: sign\nSubkey-Type: ECDH\nSubkey-Curve: " + curve + "\nSubkey-Usage: encrypt\n"
}

// key makes a key for a person, as if at that time ("" is now), and returns its fingerprint in lower case.
func (g *gnupg) key(person, parameters, at string) string {
	g.t.Helper()
	var args []string
	if at != "" {
		args = append(args, "--faked-system-time", at+"!")
	}
	if !strings.Contains(parameters, "Expire-Date") {
		parameters += "Expire-Date: 0\n"
	}
	g.run("%no-protection\n"+parameters+"Name-Real: "+person+"\nName-Email: "+person+"@example.com\n%commit\n", append(args, "--gen-key")...)
	return g.fingerprint(person)
}

// fingerprint asks gpg for that of a person's primary key.
func (g *gnupg) fingerprint(person string) string {
	g.t.Helper()
	for line := range strings.Lines(string(g.run("", "--with-colons", "--list-keys", mail(person)))) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			return strings.ToLower(fields[9])
		}
	}
	g.t.Fatalf("gpg lists no key of %s", person)
	return ""
}

// mail is how gpg finds exactly one person's key.
func mail(person string) string { return "<" + person + "@example.com>" }

// export is the binary export of people's keys.
func (g *gnupg) export(people ...string) []byte {
	g.t.Helper()
	args := []string{"--export"}
	for _, p := range people {
		args = append(args, mail(p))
	}
	return g.run("", args...)
}

// revoke makes the revocation that gpg prepared with the key take effect.
func (g *gnupg) revoke(fingerprint string) {
	g.t.Helper()
	prepared, err := os.ReadFile(filepath.Join(g.home, "openpgp-revocs.d", strings.ToUpper(fingerprint)+".rev"))
	if err != nil {
		g.t.Fatal(err)
	}
	g.run(strings.Replace(string(prepared), ":-----BEGIN", "-----BEGIN", 1), "--import")
}

// edit gives commands to gpg's key editor.
func (g *gnupg) edit(fingerprint string, commands ...string) {
	g.t.Helper()
	g.run(strings.Join(commands, "\n")+"\n", "--yes", "--command-fd", "0", "--status-fd", "2", "--edit-key", fingerprint)
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
