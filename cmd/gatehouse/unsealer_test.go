package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"gatehouse/keyring"
	"gatehouse/keyring/autounseal"
)

// moody is a token that works or not.
type moody struct {
	autounseal.Method
	broken bool
}

func (*moody) Name() string { return autounseal.NamePKCS11 }

func (m *moody) Seal(ctx context.Context, ad, plaintext []byte) ([]byte, error) {
	if m.broken {
		return nil, autounseal.ErrUnavailable
	}
	return m.Method.Seal(ctx, ad, plaintext)
}

func TestATokenThatFailsIsToldOnceAndAgainWhenItWorks(t *testing.T) {
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	token := &moody{Method: autounseal.KeyFile(ring)}
	var log bytes.Buffer
	w := newUnsealerWatch(token, slog.New(slog.NewTextHandler(&log, nil)))
	for i, step := range []struct {
		broken          bool
		failed, mending int // lines so far
	}{{false, 0, 0}, {true, 1, 0}, {true, 1, 0}, {false, 1, 1}, {false, 1, 1}, {true, 2, 1}} {
		token.broken = step.broken
		w.look(t.Context())
		failed, mended := strings.Count(log.String(), "auto-unseal does not work"), strings.Count(log.String(), "auto-unseal works again")
		if failed != step.failed || mended != step.mending {
			t.Errorf("step %d: %d failures and %d mendings in the log, want %d and %d", i, failed, mended, step.failed, step.mending)
		}
		if got := measured(t, w.working)["gatehouse_auto_unseal_working"]; (got == 0) != step.broken {
			t.Errorf("step %d: the metric says %v", i, got)
		}
	}
}

func TestTheKeyFileIsNotWatched(t *testing.T) {
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []autounseal.Method{nil, autounseal.KeyFile(ring)} {
		w := newUnsealerWatch(method, slog.New(slog.DiscardHandler))
		if err := w.run(t.Context()); w != nil || err != nil || len(w.collectors()) != 0 {
			t.Errorf("a watch of %v: %v, %v", method, w, err)
		}
	}
}

func TestSettingsOfSecretsAreChecked(t *testing.T) {
	for _, c := range []struct{ flags, want string }{
		{"--auto-unseal=maybe", `--auto-unseal: "maybe": want key-file or pkcs11 or off`},
		{"--auto-unseal=pkcs11", "--auto-unseal pkcs11: needs --pkcs11-key, --pkcs11-library, --pkcs11-pin-file, --pkcs11-token"},
		{"--auto-unseal=pkcs11 --pkcs11-token=t --pkcs11-key=k --pkcs11-pin-file=/missing --pkcs11-library=/missing.so", "/missing.so: no such file"},
		{"--secrets-max-size=2MiB", "--secrets-max-size: 2097152 bytes: want 1KiB to 1MiB"},
		{"--secrets-max-size=1", "--secrets-max-size: 1 bytes"},
		{"--secrets-max-bytes=1KiB", "--secrets-max-bytes: 1024 bytes: want 1MiB to 4GiB"},
		{"--secrets-max-bytes=5GiB", "--secrets-max-bytes: 5368709120 bytes: want 1MiB to 4GiB"},
	} {
		code, out, errs := runWith(t, "", append([]string{"config", "validate", "--expect=3"}, strings.Fields(c.flags)...)...)
		if code != 2 || !strings.Contains(out+errs, c.want) {
			t.Errorf("%s: status %d, %s%s; want %q", c.flags, code, out, errs, c.want)
		}
	}
}
