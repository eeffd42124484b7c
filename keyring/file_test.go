package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeFile puts content into a new key file of that mode.
func writeFile(t *testing.T, content []byte, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cluster.key")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// withSum appends the checksum line that makes edited content well-formed again.
func withSum(lines ...string) []byte {
	body := strings.Join(lines, "\n") + "\n"
	return fmt.Appendf(nil, "%s{\"sha256\":\"%x\"}\n", body, sha256.Sum256([]byte(body)))
}

func lineOf(secret []byte) string {
	k := newKey([keySize]byte(secret))
	return fmt.Sprintf(`{"id":"%s","key":"%s"}`, k.id, base64.StdEncoding.EncodeToString(secret))
}

// mustRefuse checks that Load fails, names the file, and quotes none of the planted secrets.
func mustRefuse(t *testing.T, path, want string, secrets ...string) {
	t.Helper()
	_, err := Load(path)
	if err == nil {
		t.Fatalf("Load accepted a file that should be refused for %q", want)
	}
	if text := err.Error(); !strings.Contains(text, path) || !strings.Contains(text, want) {
		t.Errorf("Load: %v, want it to name %s and say %q", err, path, want)
	}
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("Load quotes the key: %v", err)
		}
	}
}

func TestLoadReadsWhatCreateWrote(t *testing.T) {
	ring, _ := addKey(t, generate(t))
	path := filepath.Join(t.TempDir(), "cluster.key")
	if err := ring.Create(path); err != nil {
		t.Fatalf("Create: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
	loaded, err := Load(path)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if diff := cmp.Diff(ring.KeyIDs(), loaded.KeyIDs()); diff != "" {
		t.Errorf("key ids differ (-created +loaded):\n%s", diff)
	}
	if got, err := loaded.Open("l", ring.Seal("l", []byte("x"), nil), nil); err != nil || string(got) != "x" {
		t.Errorf("the loaded ring opens %q, %v", got, err)
	}
}

func TestTheFilesFirstKeyIsThePrimaryOne(t *testing.T) {
	both, added := addKey(t, generate(t))
	rotated, err := both.WithPrimary(added)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(rotated.encode())
	if err != nil || again.PrimaryID() != added {
		t.Errorf("primary after writing and reading = %v, %v, want %s", again.PrimaryID(), err, added)
	}
}

func TestLoadRefusesAModeThatOthersCanUse(t *testing.T) {
	content := generate(t).encode()
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		if _, err := Load(writeFile(t, content, mode)); err != nil {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o604, 0o660, 0o620, 0o610, 0o700, 0o500, 0o777, 0o600 | fs.ModeSetuid} {
		path := writeFile(t, content, mode)
		mustRefuse(t, path, "chmod 600")
	}
}

func TestLoadRefusesWhatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	mustRefuse(t, dir, "not a regular file")
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, pipe, "not a regular file") // and does not wait for a writer
	missing := filepath.Join(dir, "missing")
	mustRefuse(t, missing, "gatehouse keygen")
	if _, err := Load(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a missing file: %v, want fs.ErrNotExist", err)
	}
}

func TestLoadRefusesEveryFlippedBitAndEveryTruncation(t *testing.T) {
	content := generate(t).encode()
	for bit := range len(content) * 8 {
		changed := bytes.Clone(content)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := Parse(changed); err == nil {
			t.Fatalf("bit %d flipped in byte %q: accepted", bit%8, content[bit/8])
		}
	}
	for n := range content {
		if _, err := Parse(content[:n]); err == nil {
			t.Fatalf("cut to %d of %d bytes: accepted", n, len(content))
		}
	}
	mustRefuse(t, writeFile(t, content[:len(content)-20], 0o600), "cut off or damaged")
	mustRefuse(t, writeFile(t, bytes.Replace(content, []byte("Do not"), []byte("Do mot"), 1), 0o600), "copy it again from another master")
	mustRefuse(t, writeFile(t, nil, 0o600), "the file is empty")
	mustRefuse(t, writeFile(t, append(content, '\n'), 0o600), "cut off or damaged")
	mustRefuse(t, writeFile(t, bytes.ReplaceAll(content, []byte("\n"), []byte("\r\n")), 0o600), "cut off or damaged")
	mustRefuse(t, writeFile(t, make([]byte, 1<<20), 0o600), "larger than")
}

func TestLoadRefusesKeysThatDoNotBelong(t *testing.T) {
	const format = `{"format":"` + formatName + `"}`
	one, two := bytes.Repeat([]byte{1}, keySize), bytes.Repeat([]byte{2}, keySize)
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	id := newKey([keySize]byte(one)).id
	var many []string
	for i := range maxKeys + 1 {
		many = append(many, lineOf(bytes.Repeat([]byte{byte(i)}, keySize)))
	}
	for _, c := range []struct {
		name, want string
		content    []byte
	}{
		{"no key", "no key", withSum(format)},
		{"duplicate", "occurs twice", withSum(format, lineOf(one), lineOf(two), lineOf(one))},
		{"short", "31 bytes long, want 32", withSum(format, fmt.Sprintf(`{"id":"%s","key":"%s"}`, id, b64(one[1:])))},
		{"long", "33 bytes long, want 32", withSum(format, fmt.Sprintf(`{"id":"%s","key":"%s"}`, id, b64(append(one[:32:32], 1))))},
		{"empty key", "0 bytes long, want 32", withSum(format, fmt.Sprintf(`{"id":"%s","key":""}`, id))},
		{"not base64", "not base64", withSum(format, fmt.Sprintf(`{"id":"%s","key":"%s"}`, id, strings.Repeat("*", 44)))},
		{"foreign id", "does not belong", withSum(format, strings.Replace(lineOf(one), id, "0000000000000000", 1))},
		{"too many", "more than 16 keys", withSum(append([]string{format}, many...)...)},
		{"other format", "format", withSum(`{"format":"gatehouse-cluster-key/2"}`, lineOf(one))},
		{"no format", "format", withSum(lineOf(one))},
		{"only comment", "cut off", withSum("# nothing")},
		{"unknown member", "not an id and a key", withSum(format, strings.Replace(lineOf(one), "}", `,"x":1}`, 1))},
		{"other spelling", "not an id and a key", withSum(format, strings.Replace(lineOf(one), `"id"`, `"ID"`, 1))},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustRefuse(t, writeFile(t, c.content, 0o600), c.want, b64(one), hex.EncodeToString(one), "AQEBAQEB")
		})
	}
}

func TestCreateNeverReplacesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cluster.key")
	var wg sync.WaitGroup
	rings, errs := make([]*Ring, 4), make([]error, 4)
	for i := range rings {
		rings[i] = generate(t)
		wg.Go(func() { errs[i] = rings[i].Create(path) })
	}
	wg.Wait()
	loaded, err := Load(path)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	for i, err := range errs {
		won := loaded.PrimaryID() == rings[i].PrimaryID()
		if won != (err == nil) || !won && !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create %d: %v, though its key is in the file: %v", i, err, won)
		}
	}
	onlyFile(t, path)
}

func TestReplaceKeepsTheModeAndLeavesNothingBehind(t *testing.T) {
	ring := generate(t)
	path := writeFile(t, ring.encode(), 0o400)
	more, _ := addKey(t, ring)
	if err := more.Replace(path); err != nil {
		t.Fatalf("Replace: %v", err)
	}
	loaded, err := Load(path)
	if err != nil || len(loaded.KeyIDs()) != 2 {
		t.Errorf("after Replace: %v, %v, want two keys", loaded.KeyIDs(), err)
	}
	if info, _ := os.Stat(path); info.Mode() != 0o400 {
		t.Errorf("mode = %v, want 0400 as before", info.Mode())
	}
	onlyFile(t, path)
	if err := more.Replace(path + ".missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Replace of a missing file: %v, want fs.ErrNotExist", err)
	}
}

func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v, want only %s", entries, err, filepath.Base(path))
	}
}

func FuzzParse(f *testing.F) {
	ring := generate(f)
	f.Add(ring.encode())
	more, _ := addKey(f, ring)
	f.Add(more.encode())
	f.Add(withSum(`{"format":"gatehouse-cluster-key/1"}`, lineOf(make([]byte, keySize))))
	f.Add(withSum("#", "{}"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, content := range [][]byte{data, withSum(string(data))} { // also behind the checksum
			ring, err := Parse(content)
			if err != nil {
				continue
			}
			again, err := Parse(ring.encode())
			if err != nil || !cmp.Equal(again.KeyIDs(), ring.KeyIDs()) {
				t.Errorf("reading what was read and written again: %v", err)
			}
		}
	})
}
