package gossip

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net"
	"strings"
)

// newLogger turns memberlist's lines, "[WARN] memberlist: text", into records. Its warnings about single failed
// packets are routine and become debug records.
func newLogger(l *slog.Logger) *log.Logger {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return log.New(lineWriter{l}, "", 0)
}

type lineWriter struct{ log *slog.Logger }

// Write implements io.Writer; log.Logger writes one line at a time.
func (w lineWriter) Write(b []byte) (int, error) {
	level, text := parseLine(string(bytes.TrimSpace(b)))
	w.log.Log(context.Background(), level, "gossip: "+text)
	return len(b), nil
}

// parseLine takes the level off a line. Errors are warnings to us: gossip is only a hint.
func parseLine(line string) (slog.Level, string) {
	level := slog.LevelDebug
	ending := strings.Contains(line, net.ErrClosed.Error()) // this master closed its sockets, so it is stopping
	if rest, ok := strings.CutPrefix(line, "["); ok {
		if name, text, ok := strings.Cut(rest, "] "); ok {
			line = text
			switch name {
			case "INFO":
				level = slog.LevelInfo
			case "ERR", "ERROR":
				level = slog.LevelWarn
				if ending {
					level = slog.LevelDebug
				}
			}
		}
	}
	return level, strings.TrimPrefix(line, "memberlist: ")
}
