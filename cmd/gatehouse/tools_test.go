package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/keyring"
	"gatehouse/keyring/password"
)

// runWith runs a command with input and returns its status and output.
func runWith(t *testing.T, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{env: map[string]string{}, stdin: strings.NewReader(input), stdout: &out, stderr: &errs, exit: func(code int) { t.Errorf("exit(%d)", code) }}
	code = p.run(context.Background(), args)
	return code, out.String(), errs.String()
}

func testPublicKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestVersionSaysWhatThisIs(t *testing.T) {
	code, out, _ := runWith(t, "", "version")
	want := regexp.MustCompile(`^gatehouse 0\.5\.0\ncommit \S+\ngo go1\.\S+\nlevel 4\nmemory copies of keys are (not )?erased.*\npkcs11 (yes|no .*)\n$`)
	if code != 0 || !want.MatchString(out) {
		t.Errorf("status %d, output %q; want %v", code, out, want)
	}
}

func TestChangelogHasAnEntryForThisVersion(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\n## "+version) {
		t.Errorf("CHANGELOG.md has no section %q", "## "+version)
	}
}

func TestHashPasswordPrintsAHashThatVerifies(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		prefix string
	}{{nil, "$argon2id$"}, {[]string{"--sha512"}, "$6$"}} {
		code, out, errs := runWith(t, "pa ss\nignored\n", append([]string{"hash-password"}, tt.args...)...)
		hash := strings.TrimSuffix(out, "\n")
		if code != 0 || !strings.HasPrefix(hash, tt.prefix) {
			t.Fatalf("%q: status %d, output %q, errors %q; want a %s hash", tt.args, code, out, errs, tt.prefix)
		}
		ok, _, err := password.New(password.Options{}).Verify(context.Background(), hash, "pa ss")
		if err != nil || !ok {
			t.Errorf("%s does not verify: %v, %v", hash, ok, err)
		}
		if err := password.Check(hash); err != nil {
			t.Errorf("%s is not accepted as a superuser's hash: %v", hash, err)
		}
	}
}

func TestHashPasswordRefusesAnEmptyPassword(t *testing.T) {
	for _, input := range []string{"", "\n", "\r\n"} {
		if code, out, _ := runWith(t, input, "hash-password"); code != 1 || out != "" {
			t.Errorf("input %q: status %d, output %q; want 1 and none", input, code, out)
		}
	}
}

func TestKeygenWritesAKeyOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cluster.key")
	code, out, errs := runWith(t, "", "keygen", "-o", path)
	if code != 0 {
		t.Fatalf("status %d: %s", code, errs)
	}
	ring, err := keyring.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, ring.PrimaryID()) {
		t.Errorf("output %q does not name the key %s", out, ring.PrimaryID())
	}
	before, _ := os.ReadFile(path)
	if code, _, errs := runWith(t, "", "keygen", "-o", path); code != 1 || !strings.Contains(errs, path) {
		t.Errorf("a second keygen: status %d, %q; want a refusal that names the file", code, errs)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the key file was overwritten")
	}
}

func TestKeygenAddsAndDropsKeysInTheOrderOfTheirAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cluster.key")
	keygen := func(args ...string) (out, errs string) {
		t.Helper()
		code, out, errs := runWith(t, "", append([]string{"keygen"}, args...)...)
		if code != 0 {
			t.Fatalf("keygen %q: status %d: %s", args, code, errs)
		}
		return out, errs
	}
	ids := func() []string {
		t.Helper()
		ring, err := keyring.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return ring.KeyIDs()
	}
	keygen("-o", path)
	first := ids()[0]
	added, _ := keygen("--add", path)
	keygen("--add", path)
	all := ids()
	if len(all) != 3 || all[0] != first || !strings.Contains(added, all[1]) || !strings.Contains(added, "cluster-keys activate "+all[1]) {
		t.Fatalf("keys %v after adding two to %s; said %q", all, first, added)
	}
	if _, warned := keygen("--drop", first, path); !strings.Contains(warned, "refuses to start") || !slices.Equal(ids(), all[1:]) {
		t.Errorf("keys %v after dropping the first of %v; warned %q", ids(), all, warned)
	}
	keygen("--drop", all[2], path)
	for _, args := range [][]string{{"--drop", all[1], path}, {"--drop", first, path}} {
		if code, _, errs := runWith(t, "", append([]string{"keygen"}, args...)...); code != 1 || !strings.Contains(errs, path) {
			t.Errorf("keygen %q: status %d, %q; want a refusal that names the file", args, code, errs)
		}
	}
	if got := ids(); !slices.Equal(got, all[1:2]) {
		t.Errorf("keys %v after refusals, want %v", got, all[1:2])
	}
}

func TestResetSuperuserSaysWhereToRunIt(t *testing.T) {
	dir := t.TempDir()
	code, _, errs := runWith(t, "a-passphrase\n", "reset-superuser", "--data-dir", dir, "admin")
	if code != 1 || !strings.Contains(errs, filepath.Join(dir, "admin.sock")) || !strings.Contains(errs, "--data-dir") {
		t.Errorf("status %d, %q; want the socket and what to do", code, errs)
	}
}

func TestUnknownCommandsAndFlagsAreUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"serve"}, {"agent", "--no-such-flag"}, {"version", "extra"}, {"keys", "activate"}, {"keys", "rotate"},
		{"keygen", "--add"}, {"keygen", "--drop", "x"}, {"keygen", "file"}, {"keygen", "--add", "-o", "x", "y"}, {"cluster-keys", "activate"}} {
		if code, _, errs := runWith(t, "", args...); code != 2 || errs == "" {
			t.Errorf("%q: status %d, %q; want 2 and a reason", args, code, errs)
		}
	}
}
