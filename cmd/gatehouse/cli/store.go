package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// cluster is one stored login. The token makes it a secret.
type cluster struct {
	// URLs are the addresses of masters or balancers, tried in this order.
	URLs []string `json:"urls"`
	// CACert is the PEM of the authorities that are trusted beside the system's.
	CACert string `json:"ca_cert,omitempty"`
	// ClientCert and ClientKey are the absolute paths of what is shown to masters that want a certificate.
	ClientCert string `json:"client_cert,omitempty"`
	ClientKey  string `json:"client_key,omitempty"`
	UID        string `json:"uid,omitempty"`
	Token      string `json:"token,omitempty"`
	// ServiceKey is the absolute path of a private key or login secret, with which a login is renewed by itself. The key
	// stays where it is.
	ServiceKey string `json:"service_key,omitempty"`
}

// LogValue leaves the token out.
func (c cluster) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// logins is the content of the file.
type logins struct {
	Current  string              `json:"current,omitempty"`
	Clusters map[string]*cluster `json:"clusters"`
}

// LogValue leaves the tokens out.
func (l logins) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// maxStore bounds what is read as the file of logins.
const maxStore = 4 << 20

// store is the file of logins. Whoever can read it can act as its owner.
type store struct{ path string }

// newStore names the file in the user's directory of configuration files: XDG_CONFIG_HOME, else ~/.config.
func newStore(env map[string]string) (store, error) {
	base := env["XDG_CONFIG_HOME"]
	if base == "" && env["HOME"] != "" {
		base = filepath.Join(env["HOME"], ".config")
	}
	if !filepath.IsAbs(base) {
		return store{}, errors.New("there is no directory for stored logins: set HOME or XDG_CONFIG_HOME to an absolute path")
	}
	return store{filepath.Join(base, "gatehouse", "clusters.json")}, nil
}

// load reads the file; none is the same as an empty one.
func (s store) load() (*logins, error) {
	empty := &logins{Clusters: map[string]*cluster{}}
	data, err := readPrivate(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return nil, fmt.Errorf("stored logins: %w", err)
	}
	l := empty
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(l); err != nil || !l.sound() {
		return nil, fmt.Errorf("stored logins: %s is damaged; remove it and log in again (gatehouse login)", s.path)
	}
	return l, nil
}

func (l *logins) sound() bool {
	for _, c := range l.Clusters {
		if c == nil || len(c.URLs) == 0 {
			return false
		}
	}
	return l.Clusters != nil
}

// change reads the file, lets edit change it, and writes it. Others that do the same at the same time wait.
func (s store) change(edit func(*logins) error) error {
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("stored logins: %w", err)
	}
	lock, err := lockFile(s.path + ".lock")
	if err != nil {
		return fmt.Errorf("stored logins: %w", err)
	}
	defer lock.Close()
	l, err := s.load()
	if err != nil {
		return err
	}
	if err := edit(l); err != nil {
		return err
	}
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("stored logins: %w", err)
	}
	if err := writePrivate(s.path, append(text, '\n')); err != nil {
		return fmt.Errorf("stored logins: %w", err)
	}
	return nil
}

// lockFile waits until the caller alone holds the lock; closing the file, or the end of the process, gives it back.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// readPrivate reads a regular file that only its owner can read. It looks at what it has opened, and waits for no pipe.
func readPrivate(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 %s, and revoke the tokens in it if others may have", path, info.Mode().Perm(), path)
	}
	return io.ReadAll(io.LimitReader(f, maxStore))
}

// writePrivate replaces the file at once or not at all; its mode is 0600.
func writePrivate(path string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
