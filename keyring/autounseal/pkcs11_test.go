package autounseal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mustRefuse checks that options are refused at start, with an error that says why.
func mustRefuse(t *testing.T, o Options, want string) {
	t.Helper()
	m, err := PKCS11(o)
	if err == nil {
		t.Errorf("PKCS11 accepted what should be refused for %q", want)
		_ = m.Close()
		return
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("PKCS11: %v, want it to say %q", err, want)
	}
}

// write puts text into a file of that mode.
func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOptionsAreCheckedBeforeAnythingIsLoaded(t *testing.T) {
	dir := t.TempDir()
	library := write(t, filepath.Join(dir, "module.so"), "no module", 0o644)
	pin := write(t, filepath.Join(dir, "pin"), "1234\n", 0o600)
	good := Options{Library: library, Token: "t", Key: "k", PINFile: pin}
	if err := good.Check(); err != nil {
		t.Errorf("Check of good options: %v", err)
	}
	for _, c := range []struct {
		want   string
		change func(*Options)
	}{
		{"library is not set", func(o *Options) { o.Library = "" }},
		{"token label is not set", func(o *Options) { o.Token = "" }},
		{"key label is not set", func(o *Options) { o.Key = "" }},
		{"PIN file is not set", func(o *Options) { o.PINFile = "" }},
		{"no such file", func(o *Options) { o.Library = filepath.Join(dir, "missing.so") }},
		{"is not a file", func(o *Options) { o.Library = dir }},
		{"no such file", func(o *Options) { o.PINFile = filepath.Join(dir, "missing") }},
		{"is not a file", func(o *Options) { o.PINFile = dir }},
		{"chmod 600", func(o *Options) { o.PINFile = write(t, filepath.Join(dir, "open"), "1234", 0o640) }},
		{"holds no PIN", func(o *Options) { o.PINFile = write(t, filepath.Join(dir, "empty"), "\n", 0o600) }},
		{"holds no PIN", func(o *Options) { o.PINFile = write(t, filepath.Join(dir, "long"), strings.Repeat("1", 300), 0o600) }},
	} {
		o := good
		c.change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Check: %v, want it to say %q", err, c.want)
		}
	}
}

func TestAPINIsReadWithoutItsLineEnd(t *testing.T) {
	for _, text := range []string{"12 34", "12 34\n", "12 34\r\n"} {
		pin, _, err := readPIN(write(t, filepath.Join(t.TempDir(), "pin"), text, 0o400))
		if err != nil || pin != "12 34" {
			t.Errorf("readPIN of %q: %q, %v", text, pin, err)
		}
	}
}

func TestKeysOfTokensHaveIDsThatReadBack(t *testing.T) {
	for _, want := range []struct {
		id    string
		label string
	}{{"", "gatehouse"}, {"\xa1", "gatehouse"}, {"\x00\xff", "with: colon"}} {
		id, label, err := parseTokenKeyID(tokenKeyID([]byte(want.id), want.label))
		if err != nil || string(id) != want.id || label != want.label {
			t.Errorf("%+v reads back as %q, %q, %v", want, id, label, err)
		}
	}
	for _, bad := range []string{"", "gatehouse", "zz:gatehouse"} {
		if _, _, err := parseTokenKeyID(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
