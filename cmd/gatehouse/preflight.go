package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"gatehouse/httpapi/iamapi"
	"gatehouse/keyring"
	"gatehouse/keyring/autounseal"
)

// means are what a master takes from its surroundings before it starts.
type means struct {
	ring      *keyring.Ring
	tls       *clientTLS    // nil when no listener is https
	authority func() []byte // what clients need to trust its certificate, PEM
	listeners *listeners
	bootstrap *bootstrap        // nil without --bootstrap-file
	unsealer  autounseal.Method // nil with --auto-unseal off

	primary atomic.Pointer[func() string] // see follow
}

// follow tells which cluster key is primary as soon as the replicated state is there to say so: that is decided by the
// cluster, not by one master's file.
func (m *means) follow(primary func() string) { m.primary.Store(&primary) }

func (m *means) primaryID() string {
	if primary := m.primary.Load(); primary != nil {
		return (*primary)()
	}
	return ""
}

// preflight looks at everything outside the settings that could keep a master from starting, so that whoever mends it mends
// it once. What the settings name and is wrong goes to wrong, what is in the way on this host to found. Nothing is made.
func preflight(ctx context.Context, cfg *config, wrong, found *problems) *means {
	m := &means{}
	m.readFiles(cfg, wrong, found)
	m.openUnsealer(cfg, wrong)
	m.listeners = openPorts(ctx, cfg, found)
	if conn, err := dialSocket(ctx, cfg.AdminSocket); err == nil {
		conn.Close()
		found.add(fmt.Sprintf("--admin-socket: %s: another master uses it", cfg.AdminSocket))
	}
	return m
}

// settle makes the data directory and the admin socket, when everything else is as it should be.
func (m *means) settle(ctx context.Context, cfg *config) (err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	m.listeners.admin, err = listenAdmin(ctx, cfg.AdminSocket)
	return err
}

// readFiles reads every file that the settings name and looks at the places that are written to.
func (m *means) readFiles(cfg *config, wrong, found *problems) {
	ring, err := keyring.Load(cfg.ClusterKeyFile)
	if err != nil {
		found.add(err.Error())
	} else {
		m.ring = ring.Following(m.primaryID)
	}
	if err := iamapi.CheckUIConfig(cfg.UIConfigFile); err != nil {
		wrong.add("--ui-config-file: " + err.Error())
	}
	if _, err := loadPool(cfg.TLSCAFile); err != nil {
		wrong.add("--tls-ca-file: " + err.Error())
	}
	cfg.checkPKCS11(wrong)
	m.readTLS(cfg, wrong)
	m.bootstrap = readBootstrap(cfg, wrong)
	if err := creatable(cfg.DataDir); err != nil {
		found.add("--data-dir: " + err.Error())
	}
	if dir := filepath.Dir(cfg.AdminSocket); dir != cfg.DataDir {
		if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
			found.add(fmt.Sprintf("--admin-socket: %s: %v", dir, err))
		}
	}
	if err := usableAudit(cfg); err != nil {
		found.add("--audit-log: " + err.Error())
	}
}

// readTLS loads the certificate, from wherever it comes.
func (m *means) readTLS(cfg *config, wrong *problems) {
	m.authority = func() []byte { return readAuthority(cfg.TLSCAFile) }
	var from certificates
	switch {
	case cfg.TLSCert != "" && cfg.TLSKey != "":
		from = pairFiles{cert: cfg.TLSCert, key: cfg.TLSKey, ca: cfg.TLSCAFile}
	case cfg.TLSAuto && m.ring != nil:
		from = &ownAuthority{ring: m.ring, names: cfg.certificateNames()}
	default:
		return
	}
	t, err := newClientTLS(from, cfg.TLSClientCA)
	if err != nil {
		wrong.addAll(err)
		return
	}
	m.tls, m.authority = t, from.authority
}

// creatable reports why nothing can be written into a directory that may not exist yet.
func creatable(dir string) error {
	info, err := os.Stat(dir)
	switch parent := filepath.Dir(dir); {
	case errors.Is(err, fs.ErrNotExist) && parent != dir:
		return creatable(parent)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s: %w; give it to the user that runs the master (chown)", dir, err)
	}
	return nil
}
