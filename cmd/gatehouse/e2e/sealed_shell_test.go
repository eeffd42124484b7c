//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// shell is where somebody types what the documentation of the product shows: curl, gpg, base64 and xxd.
type shell struct {
	base  string // where the balancer is
	token string
}

// curled is what curl got.
type curled struct {
	status int
	kind   string // Content-Type
	body   string
}

// once runs curl once; path comes after /secrets/v1.
func (s *shell) once(ctx context.Context, path string, args ...string) (curled, error) {
	args = append([]string{"--silent", "--show-error", "--max-time", "30", "--path-as-is", "--write-out", `\n%{http_code} %{content_type}`,
		"--header", "Authorization: token=" + s.token, s.base + secretsPath + path}, args...)
	cmd := exec.CommandContext(ctx, "curl", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return curled{}, fmt.Errorf("curl %s: %w: %s", path, err, stderr.String())
	}
	at := strings.LastIndexByte(string(out), '\n')
	code, kind, _ := strings.Cut(string(out[at+1:]), " ")
	status, err := strconv.Atoi(code)
	return curled{status, kind, string(out[:at])}, err
}

// curl is once for a balancer behind which a master has just died: it repeats what got no answer. A creation that is
// repeated may find what it has made.
func (s *shell) curl(t *testing.T, status int, path string, args ...string) (got curled) {
	t.Helper()
	repeated := false
	await(t, 30*time.Second, "curl "+path, func(ctx context.Context) (err error) {
		got, err = s.once(ctx, path, args...)
		switch {
		case err != nil, got.status == 502, got.status == 503 && status != 503, got.status == 504:
			repeated = true
			return fmt.Errorf("got %d %s: %w", got.status, got.body, err)
		case got.status == 409 && status == 201 && repeated:
			got.status = 201
		}
		return nil
	})
	if got.status != status {
		t.Fatalf("curl %s %q: got %d %s, want %d", path, args, got.status, got.body, status)
	}
	return got
}

// The calls of the documentation.

func (s *shell) create(t *testing.T, path, body string) curled {
	t.Helper()
	return s.curl(t, 201, "/secret/default/"+path, "-X", "PUT", "-H", "Content-Type: application/json", "-d", body)
}

func (s *shell) read(t *testing.T, path string) curled {
	t.Helper()
	return s.curl(t, 200, "/secret/default/"+path, "-X", "GET")
}

// reads wants a text secret.
func (s *shell) reads(t *testing.T, path, value string) {
	t.Helper()
	var got struct{ Value string }
	answer := s.read(t, path)
	if decode(t, []byte(answer.body), &got); got.Value != value || answer.kind != "application/json" {
		t.Errorf("%s: got %q as %s, want %q", path, got.Value, answer.kind, value)
	}
}

func (s *shell) list(t *testing.T, dir string) []string {
	t.Helper()
	var got struct{ Array []string }
	decode(t, []byte(s.curl(t, 200, "/secret/default/"+dir+"?list=true", "-X", "GET").body), &got)
	if got.Array == nil {
		t.Fatalf("the list of %q is no array", dir)
	}
	return got.Array
}

func (s *shell) seal(t *testing.T) {
	t.Helper()
	s.curl(t, 200, "/seal/default", "-X", "PUT")
}

// sealed wants secrets to be refused.
func (s *shell) sealed(t *testing.T, path string) {
	t.Helper()
	await(t, 20*time.Second, "sealed", func(ctx context.Context) error {
		got, err := s.once(ctx, "/secret/default/"+path, "-X", "GET")
		if err == nil && got.status == 200 {
			err = fmt.Errorf("read %s of a sealed store: %w", path, rig.ErrFinal)
		}
		if err == nil && (got.status != 503 || !strings.Contains(got.body, "ERR_STORE_SEALED")) {
			err = fmt.Errorf("got %d %s", got.status, got.body)
		}
		return err
	})
}

func (s *shell) status(t *testing.T) (got sealStatus) {
	t.Helper()
	decode(t, []byte(s.curl(t, 200, "/seal-status/default", "-X", "GET").body), &got)
	return got
}

// unseal sends a share as it came out of gpg.
func (s *shell) unseal(t *testing.T, share string) (got sealStatus) {
	t.Helper()
	body := s.curl(t, 200, "/unseal/default", "-X", "PUT", "-H", "Content-Type: application/json", "-d", `{"key":"`+share+`"}`).body
	decode(t, []byte(body), &got)
	return got
}

// opened sends shares until the store is open. A leader that dies takes the progress with it, and the next one begins anew.
func (s *shell) opened(t *testing.T, shares ...string) {
	t.Helper()
	for range 3 {
		for _, share := range shares {
			if got := s.unseal(t, share); !got.Sealed {
				return
			}
		}
	}
	t.Fatalf("still sealed: %+v", s.status(t))
}

// keeper is somebody who keeps a share, with a key ring of the real gpg.
type keeper struct {
	gpg         *rig.GPG
	name        string
	fingerprint string
	public      string // base64 of the binary export
}

func newKeeper(t *testing.T, name, algorithm string) *keeper {
	t.Helper()
	k := &keeper{gpg: must[*rig.GPG](t)(rig.NewGPG()), name: name}
	t.Cleanup(k.gpg.Close)
	k.fingerprint = must[string](t)(k.gpg.Key(t.Context(), name, algorithm))
	k.public = must[string](t)(k.gpg.Export(t.Context(), name))
	return k
}

// decrypt is `echo -n KEY | xxd -r -p | gpg --decrypt`.
func (k *keeper) decrypt(t *testing.T, key string) string {
	t.Helper()
	return must[string](t)(k.gpg.Decrypt(t.Context(), must[[]byte](t)(hex.DecodeString(key))))
}
