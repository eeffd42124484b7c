package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdminSocketIsPrivateAndReplacesADeadOne(t *testing.T) {
	for name, dir := range map[string]string{
		"short path": t.TempDir(),
		"long path":  filepath.Join(t.TempDir(), strings.Repeat("d", 100)),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "admin.sock")
			l, err := listenAdmin(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("socket %v, %v; want mode 0600", info, err)
			}
			if second, err := listenAdmin(t.Context(), path); err == nil {
				second.Close()
				t.Error("the socket of a live master was taken")
			}
			conn, err := dialSocket(t.Context(), path)
			if err != nil {
				t.Fatalf("dial: %v", err)
			}
			conn.Close()
			leaveBehind(t, path)
			again, err := listenAdmin(t.Context(), path)
			if err != nil {
				t.Fatalf("the socket of a dead master is in the way: %v", err)
			}
			again.Close()
		})
	}
}

// leaveBehind replaces the socket by one that nobody serves, as a killed process does.
func leaveBehind(t *testing.T, path string) {
	t.Helper()
	remove(t, path)
	l, err := listenAdmin(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
	l.Close()
}

func TestOtherFilesAreNotTakenForSockets(t *testing.T) {
	path := writeFile(t, "admin.sock", "precious")
	if l, err := listenAdmin(t.Context(), path); err == nil {
		l.Close()
		t.Fatal("a file was replaced by the admin socket")
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "precious" {
		t.Errorf("the file is %q, %v", data, err)
	}
}
