package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// maxSocketPath is what the kernel keeps for the path of a socket, without the final NUL.
const maxSocketPath = 107

// shortSocketPath names a socket by a path that the kernel takes: a longer one is reached
// through its open directory. release is called when the path is not needed any more.
func shortSocketPath(path string) (short string, release func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	short, release, err := shortSocketPath(path)
	if err != nil {
		return nil, err
	}
	defer release()
	return (&net.Dialer{}).DialContext(ctx, "unix", short)
}

// listenAdmin makes the admin socket. Its mode is its only lock, so it has that mode from
// the start. One that a killed process left behind is replaced, a live one refused.
func listenAdmin(ctx context.Context, path string) (net.Listener, error) {
	conn, err := dialSocket(ctx, path)
	switch {
	case err == nil:
		conn.Close()
		return nil, fmt.Errorf("listen for admin: %s: another master uses it", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := removeSocket(path); err != nil {
			return nil, fmt.Errorf("listen for admin: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("listen for admin: %w", err)
	}
	short, release, err := shortSocketPath(path)
	if err != nil {
		return nil, fmt.Errorf("listen for admin: %w", err)
	}
	defer release()
	mask := syscall.Umask(0o177)
	l, err := net.Listen("unix", short)
	syscall.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("listen for admin: %w", err)
	}
	// A socket that is left behind is replaced at the next start; its short path may be gone.
	l.(*net.UnixListener).SetUnlinkOnClose(short == path)
	return l, nil
}

// removeSocket removes what a dead process left, and nothing but a socket.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way and no socket", path)
	}
	return os.Remove(path)
}
