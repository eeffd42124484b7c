package autounseal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// Options say where a PKCS#11 token and its key are.
type Options struct {
	Library string        // path of the module, a shared library such as /usr/lib/softhsm/libsofthsm2.so
	Token   string        // label of the token
	Key     string        // label of the AES secret key in it
	PINFile string        // file with the user PIN, mode 0600 or 0400
	Timeout time.Duration // of one operation, waiting included; 0 is 5 s
}

const (
	usualTimeout = 5 * time.Second
	maxPIN       = 256 // bytes
)

// Check looks at what can be seen without loading the module, and reports the first thing that is wrong.
func (o Options) Check() error {
	for _, given := range []struct{ what, value string }{
		{"library", o.Library}, {"token label", o.Token}, {"key label", o.Key}, {"PIN file", o.PINFile},
	} {
		if given.value == "" {
			return fmt.Errorf("the PKCS#11 %s is not set", given.what)
		}
	}
	info, err := os.Stat(o.Library)
	if err != nil {
		return fmt.Errorf("PKCS#11 library: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("PKCS#11 library %s is not a file", o.Library)
	}
	_, _, err = readPIN(o.PINFile)
	return err
}

// readPIN reads the user PIN, less the line end that editors put behind it. Others must not be able to read the file.
func readPIN(path string) (string, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", nil, fmt.Errorf("PKCS#11 PIN file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", nil, fmt.Errorf("PKCS#11 PIN file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", nil, fmt.Errorf("PKCS#11 PIN file %s is not a file", path)
	}
	if mode := info.Mode().Perm(); mode != 0o600 && mode != 0o400 {
		return "", nil, fmt.Errorf("PKCS#11 PIN file %s: mode is %04o; others must not read it: run `chmod 600 %s`", path, mode, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPIN+1))
	if err != nil {
		return "", nil, fmt.Errorf("read PKCS#11 PIN file %s: %w", path, err)
	}
	defer clear(data)
	pin := bytes.TrimRight(data, "\r\n")
	if len(pin) == 0 || len(data) > maxPIN {
		return "", nil, fmt.Errorf("PKCS#11 PIN file %s holds no PIN: want one line of at most %d bytes", path, maxPIN)
	}
	return string(pin), info, nil
}

// A key in a token is named by its CKA_ID in hex, which may be empty, and its label: "a1:gatehouse".
func tokenKeyID(id []byte, label string) string { return hex.EncodeToString(id) + ":" + label }

func parseTokenKeyID(keyID string) (id []byte, label string, err error) {
	text, label, found := strings.Cut(keyID, ":")
	if !found {
		return nil, "", fmt.Errorf("%w: %q names no key of a token", ErrBlob, keyID)
	}
	id, err = hex.DecodeString(text)
	if err != nil {
		return nil, "", errors.Join(ErrBlob, err)
	}
	return id, label, nil
}
