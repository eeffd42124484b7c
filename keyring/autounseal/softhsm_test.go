//go:build cgo

package autounseal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
)

// hsm is a token of SoftHSM in a directory of its own. Its tests fail where SoftHSM is missing: scripts/test-deps
// installs it.
type hsm struct {
	t   *testing.T
	dir string
	o   Options
}

const softHSM = "/usr/lib/softhsm/libsofthsm2.so" // Debian's

// newHSM makes a token "gatehouse" with one AES key "root".
func newHSM(t *testing.T) *hsm {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf := write(t, filepath.Join(dir, "softhsm2.conf"), "directories.tokendir = "+filepath.Join(dir, "tokens")+"\nlog.level = ERROR\n", 0o600)
	t.Setenv("SOFTHSM2_CONF", conf) // for the tools, and for the module in this process
	h := &hsm{t: t, dir: dir, o: Options{Library: softHSM, Token: "gatehouse", Key: "root",
		PINFile: write(t, filepath.Join(dir, "pin"), "1234\n", 0o600), Timeout: time.Minute}}
	h.util("--init-token", "--free", "--label", "gatehouse", "--pin", "1234", "--so-pin", "5678")
	h.key("root", "a1", 32)
	return h
}

func (h *hsm) util(args ...string) {
	h.t.Helper()
	if out, err := exec.Command("softhsm2-util", args...).CombinedOutput(); err != nil {
		h.t.Fatalf("softhsm2-util %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// key puts an AES key of so many bytes into the token. softhsm2-util reads keys as text: of bytes that are blanks or zero
// it makes a key of another length.
func (h *hsm) key(label, id string, size int) {
	h.t.Helper()
	secret := fmt.Sprintf("%0*d", size, time.Now().UnixNano())
	file := write(h.t, filepath.Join(h.dir, "aes"), secret[:size], 0o600)
	h.util("--import", file, "--aes", "--token", "gatehouse", "--label", label, "--id", id, "--pin", "1234")
}

// open makes the method, which is closed when the test ends.
func (h *hsm) open() Method {
	h.t.Helper()
	m, err := PKCS11(h.o)
	if err != nil {
		h.t.Fatalf("PKCS11: %v", err)
	}
	h.t.Cleanup(func() {
		if err := m.Close(); err != nil {
			h.t.Errorf("Close: %v", err)
		}
	})
	return m
}

// hide takes the token away, as pulling a cable does; the function that it returns brings it back.
func (h *hsm) hide() func() {
	h.t.Helper()
	tokens, away := filepath.Join(h.dir, "tokens"), filepath.Join(h.dir, "away")
	move := func(from, to string) {
		h.t.Helper()
		if err := os.Rename(from, to); err != nil {
			h.t.Fatal(err)
		}
	}
	move(tokens, away)
	if err := os.Mkdir(tokens, 0o700); err != nil {
		h.t.Fatal(err)
	}
	return func() {
		h.t.Helper()
		if err := os.RemoveAll(tokens); err != nil {
			h.t.Fatal(err)
		}
		move(away, tokens)
	}
}

func TestATokenOpensWhatItSealed(t *testing.T) {
	h := newHSM(t)
	m := h.open()
	blob := mustSeal(t, m)
	mustOpen(t, m, blob)
	if method, keyID, err := Inspect(blob); method != NamePKCS11 || m.Name() != NamePKCS11 || keyID != "a1:root" || m.KeyID() != keyID || err != nil {
		t.Errorf("Inspect: %q, %q, %v; the method says %q, %q", method, keyID, err, m.Name(), m.KeyID())
	}
	if err := Check(t.Context(), m); err != nil {
		t.Errorf("Check: %v", err)
	}
	if again := mustSeal(t, m); string(again) == string(blob) {
		t.Error("two seals are alike: the IV is not random")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	mustNotOpen(t, m, "comes after Close", "", ad, blob, ErrUnavailable)
	mustOpen(t, h.open(), blob) // as after a restart
}

func TestATokenRefusesEveryChangeOfABlob(t *testing.T) {
	m := newHSM(t).open()
	refusesEveryChange(t, m, mustSeal(t, m), 7)
	mustNotOpen(t, m, "the key file sealed", "", ad, mustSeal(t, KeyFile(newRing(t))), ErrOtherMethod)
}

func TestManyCallersShareOneToken(t *testing.T) {
	m := newHSM(t).open()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { mustOpen(t, m, mustSeal(t, m)) })
	}
	wg.Wait()
}

func TestAWrongPINIsTriedOnceAndThenOnlyWhenTheFileChanges(t *testing.T) {
	h := newHSM(t)
	write(t, h.o.PINFile, "4321", 0o600)
	m := h.open()
	_, err := m.Seal(t.Context(), ad, root)
	if !errors.Is(err, ErrPIN) || !strings.Contains(err.Error(), "not tried again") {
		t.Errorf("Seal with a wrong PIN: %v, want ErrPIN, not tried again", err)
	}
	if strings.Contains(err.Error(), "4321") {
		t.Errorf("the error tells the PIN: %v", err)
	}
	write(t, h.o.PINFile, "87654321", 0o600)
	if _, err := m.Seal(t.Context(), ad, root); !errors.Is(err, ErrPIN) {
		t.Errorf("Seal with another wrong PIN: %v, want ErrPIN", err)
	}
	write(t, h.o.PINFile, "1234", 0o600)
	mustOpen(t, m, mustSeal(t, m))
}

func TestATokenThatIsAwayIsUsedWhenItIsBack(t *testing.T) {
	h := newHSM(t)
	back := h.hide()
	m := h.open()
	if err := Check(t.Context(), m); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), `no PKCS#11 token has the label "gatehouse"`) {
		t.Errorf("Check without the token: %v", err)
	}
	if m.KeyID() != "" {
		t.Errorf("the key is known as %q", m.KeyID())
	}
	back()
	mustOpen(t, m, mustSeal(t, m))
}

func TestASessionThatEndedIsOpenedAnew(t *testing.T) {
	h := newHSM(t)
	m := h.open()
	blob := mustSeal(t, m)
	_, err := do(t.Context(), m.(*token), func() (struct{}, error) { // as a token's server does when it restarts
		return struct{}{}, m.(*token).lib.Finalize()
	})
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, m, blob)
}

func TestARemovedKeyIsMissed(t *testing.T) {
	h := newHSM(t)
	m := h.open()
	blob := mustSeal(t, m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	h.util("--delete-token", "--token", "gatehouse")
	h.util("--init-token", "--free", "--label", "gatehouse", "--pin", "1234", "--so-pin", "5678")
	mustRefuse(t, h.o, `has no secret key ":root"`)
	h.key("root", "b2", 32)
	mustNotOpen(t, h.open(), "a removed key sealed", "", ad, blob, ErrKeyMissing)
}

func TestAnOlderKeyOfTheTokenStillOpens(t *testing.T) {
	h := newHSM(t)
	m := h.open()
	old := mustSeal(t, m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	h.key("newer", "b2", 16)
	h.o.Key = "newer"
	m = h.open()
	mustOpen(t, m, old)
	if blob := mustSeal(t, m); keyOf(t, blob) != "b2:newer" {
		t.Errorf("sealed by %s, want b2:newer", keyOf(t, blob))
	}
}

func TestATokenWithSeveralKeysOfOneLabelIsRefused(t *testing.T) {
	h := newHSM(t)
	h.key("root", "b2", 32)
	mustRefuse(t, h.o, `several secret keys ":root"`)
}

func TestAKeyThatCannotSealIsRefused(t *testing.T) {
	h := newHSM(t)
	h.generate("des", pkcs11.CKM_DES3_KEY_GEN, pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true))
	h.util("--import", write(t, filepath.Join(h.dir, "short"), "fifteen bytes..", 0o600), "--aes", "--token", "gatehouse", "--label", "short", "--id", "d4", "--pin", "1234")
	h.generate("wrap", pkcs11.CKM_AES_KEY_GEN, pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32), pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, false))
	h.o.Key = "des"
	mustRefuse(t, h.o, "is not an AES key")
	h.o.Key = "wrap"
	mustRefuse(t, h.o, "may not both encrypt and decrypt")
	h.o.Key = "short"
	mustRefuse(t, h.o, "cannot be used with CKM_AES_GCM")
}

// generate has the token make a key of a kind that its tool does not know.
func (h *hsm) generate(label string, mechanism uint, more ...*pkcs11.Attribute) {
	h.t.Helper()
	m := h.open()
	_, err := do(h.t.Context(), m.(*token), func() (struct{}, error) {
		lib := m.(*token).lib
		slot, err := m.(*token).findSlot()
		if err != nil {
			return struct{}{}, err
		}
		session, err := lib.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			return struct{}{}, err
		}
		template := append([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label)}, more...)
		_, err = lib.GenerateKey(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, template)
		return struct{}{}, err
	})
	if err != nil {
		h.t.Fatalf("generate key %s: %v", label, err)
	}
	if err := m.Close(); err != nil {
		h.t.Fatal(err)
	}
}

func TestALibraryThatIsNoModuleIsRefused(t *testing.T) {
	h := newHSM(t)
	h.o.Library = write(t, filepath.Join(h.dir, "text.so"), "text", 0o644)
	mustRefuse(t, h.o, "cannot be loaded")
}

func TestACallThatHangsMakesOthersFailInTime(t *testing.T) {
	m := newHSM(t).open()
	hung, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = do(ctx, m.(*token), func() (struct{}, error) { close(hung); <-release; return struct{}{}, nil })
	}()
	<-hung
	cancel()
	short, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if _, err := m.Seal(short, ad, root); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "has not returned") {
		t.Errorf("Seal beside a call that hangs: %v", err)
	}
}
