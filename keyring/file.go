package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Load reads the key file. It refuses a file that others can read (only the modes 0600 and 0400 are accepted), and one
// that is damaged in any way. The error names the file and what to do about it, and never quotes the content.
func Load(path string) (*Ring, error) {
	data, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	ring, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("cluster key file %s: %w; copy it again from another master or from your backup"+
			" (a new key makes another cluster)", path, err)
	}
	return ring, nil
}

// readPrivate reads a regular file of mode 0600 or 0400. It looks at what it has opened, so that the path cannot be
// exchanged in between, and does not wait on a pipe.
func readPrivate(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cluster key file %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("cluster key file %s: not a regular file; name the file that `gatehouse keygen` wrote", path)
	}
	if mode := info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky); mode != 0o600 && mode != 0o400 {
		return nil, fmt.Errorf("cluster key file %s: mode is %04o; others must not read it: run `chmod 600 %s`", path, mode.Perm(), path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read cluster key file %s: %w", path, err)
	}
	return data, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cluster key file %s: %w; copy it from another master, or make one for a new cluster with `gatehouse keygen`", path, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cluster key file %s: %w; give it to the user that runs the master (chown)", path, fs.ErrPermission)
	default:
		return fmt.Errorf("cluster key file: %w", err)
	}
}

// Create writes the ring to a new file of mode 0600. It refuses to replace a file (fs.ErrExist): an overwritten cluster
// key is a lost cluster.
func (r *Ring) Create(path string) error {
	err := r.write(path, func(temp string) error { return os.Link(temp, path) })
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create cluster key file %s: %w; remove it first if it is not needed any more", path, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("create cluster key file: %w", err)
	}
	return nil
}

// Replace writes the ring over an existing key file, at once or not at all, and keeps the file's owner and mode.
func (r *Ring) Replace(path string) error {
	old, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("replace cluster key file: %w", err)
	}
	err = r.write(path, func(temp string) error {
		if err := likeOld(temp, old); err != nil {
			return err
		}
		return os.Rename(temp, path)
	})
	if err != nil {
		return fmt.Errorf("replace cluster key file: %w", err)
	}
	return nil
}

// write puts the encoded ring durably into a file beside path, has publish give it its name, and makes that durable too.
func (r *Ring) write(path string, publish func(temp string) error) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(r.encode())
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := publish(temp.Name()); err != nil {
		return err
	}
	return syncDir(dir)
}

func likeOld(temp string, old fs.FileInfo) error {
	if stat, ok := old.Sys().(*syscall.Stat_t); ok && (int(stat.Uid) != os.Getuid() || int(stat.Gid) != os.Getgid()) {
		if err := os.Chown(temp, int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(temp, old.Mode().Perm()&0o600)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
