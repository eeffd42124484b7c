package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"gatehouse/httpapi/audit"
)

// Values of --audit-log that are no directory.
const (
	auditToStderr = "-"
	auditOff      = "off"
)

// auditDir is the directory of the audit trail, set or not; empty when there is none.
func (c *config) auditDir() string {
	switch c.AuditLog {
	case "":
		return filepath.Join(c.DataDir, "audit")
	case auditToStderr, auditOff:
		return ""
	}
	return c.AuditLog
}

// checkAudit looks at the settings of the audit trail and fills in what depends on others.
func (c *config) checkAudit(wrong *problems) {
	if c.AuditLog == "" {
		c.AuditLog = c.auditDir()
	}
	if c.AuditFormat == "" {
		c.AuditFormat = "logfmt"
		if c.AuditLog == auditToStderr && c.LogFormat == "json" {
			c.AuditFormat = "json"
		}
	}
	choice("audit-format", c.AuditFormat, wrong, "logfmt", "json")
	choice("audit-require", c.AuditRequire, wrong, "changes", "none")
	if c.AuditRotateSize < 1<<20 {
		wrong.add(fmt.Sprintf("--audit-rotate-size: %d: want 1MiB at least", c.AuditRotateSize))
	}
	if c.AuditKeep < 0 || c.AuditKeep == 1 {
		wrong.add(fmt.Sprintf("--audit-keep: %d: want 0 for all, or 2 at least", c.AuditKeep))
	}
}

// openAudit opens the audit trail of the master with that server id; nil when there shall be none.
func openAudit(stderr io.Writer, cfg *config, id string, logger *slog.Logger) (*audit.Log, error) {
	format := audit.Logfmt
	if cfg.AuditFormat == "json" {
		format = audit.JSON
	}
	switch cfg.AuditLog {
	case auditOff:
		logger.Warn("audit records are not kept: --audit-log is off")
		return nil, nil
	case auditToStderr:
		return audit.NewPlain(stderr, format), nil
	}
	log, err := audit.Open(audit.Options{
		Dir: cfg.AuditLog, Master: id, Format: format, RotateSize: cfg.AuditRotateSize, Keep: cfg.AuditKeep,
		Optional: cfg.AuditRequire == "none", Logger: logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	log.Append(audit.Event("audit-start", "the master starts, version "+version))
	return log, nil
}

// usableAudit reports why records cannot be written where the settings say. Nothing is made.
func usableAudit(cfg *config) error {
	dir := cfg.auditDir()
	if dir == "" {
		return nil
	}
	if err := regularFile(dir); err == nil {
		return errors.New(dir + " is a file: records are kept in files of a directory; name one that is not there yet")
	}
	return creatable(dir)
}
