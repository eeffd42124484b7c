package main

import (
	"errors"
	"io"
	"log/slog"
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

// isLogged reports whether the reader has seen the error in the log.
func isLogged(err error) bool {
	var l loggedError
	return errors.As(err, &l)
}
