package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"gatehouse/httpapi"
)

// newLogger makes the log of a master. check has accepted level and format.
func newLogger(w io.Writer, cfg *config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel))
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, options)).With("master", cfg.Name)
	}
	return slog.New(slog.NewJSONHandler(w, options)).With("master", cfg.Name)
}

// openAudit opens where audit records go. The file is appended to and never truncated;
// copytruncate rotates it. It stays open as long as the process.
func openAudit(stderr io.Writer, cfg *config) (*httpapi.Auditor, error) {
	format := httpapi.AuditLogfmt
	if cfg.AuditFormat == "json" {
		format = httpapi.AuditJSON
	}
	if cfg.AuditLog == "-" {
		return httpapi.NewAuditor(stderr, format), nil
	}
	f, err := os.OpenFile(cfg.AuditLog, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	return httpapi.NewAuditor(f, format), nil
}

// isLogged reports whether the reader has seen the error in the log.
func isLogged(err error) bool {
	var l loggedError
	return errors.As(err, &l)
}
