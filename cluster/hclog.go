package cluster

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// raftLogger lets Raft log through slog. Raft hands whole commands to its logger in rare branches; only values known
// to be harmless are rendered. A peer that is down makes Raft repeat itself many times a second: the same message is
// let through a few times in a while, then counted.
type raftLogger struct {
	log    *slog.Logger
	name   string
	args   []any
	limits *repeatLimit
}

func newRaftLogger(l *slog.Logger) hclog.Logger {
	return &raftLogger{log: l, name: "raft", limits: newRepeatLimit(repeatBurst, repeatWindow)}
}

// Log implements hclog.Logger.
func (r *raftLogger) Log(level hclog.Level, msg string, args ...any) {
	l := raftLevel(level, msg, args)
	if level == hclog.Off || !r.log.Enabled(context.Background(), l) {
		return
	}
	attrs := raftAttrs(append(append([]any(nil), r.args...), args...))
	skipped, ok := r.limits.admit(msg, time.Now())
	if !ok {
		return
	}
	if skipped > 0 {
		attrs = append(attrs, slog.Int("repeated", skipped))
	}
	r.log.LogAttrs(context.Background(), l, "raft: "+strings.ToLower(msg[:min(1, len(msg))])+msg[min(1, len(msg)):], attrs...)
}

func slogLevel(l hclog.Level) slog.Level {
	switch l {
	case hclog.Error:
		return slog.LevelError
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Info:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}

// raftAttrs turns alternating keys and values into attributes without rendering anything that may hold an entry.
func raftAttrs(args []any) []slog.Attr {
	attrs := make([]slog.Attr, 0, len(args)/2+1)
	for i := 0; i+1 < len(args); i += 2 {
		key, ok := args[i].(string)
		if !ok {
			key = "arg"
		}
		switch key {
		case slog.TimeKey, slog.LevelKey, slog.MessageKey:
			key = "raft_" + key // a line with a key twice has a wrong time or level for whoever collects it
		}
		attrs = append(attrs, slog.Attr{Key: strings.ReplaceAll(key, " ", "_"), Value: raftValue(args[i+1])})
	}
	return attrs
}

func raftValue(v any) slog.Value {
	switch v := v.(type) {
	case string, bool, int, int64, uint64, float64, time.Duration, time.Time:
		return slog.AnyValue(v)
	case raft.ServerID:
		return slog.StringValue(string(v))
	case raft.ServerAddress:
		return slog.StringValue(string(v))
	case raft.Server:
		return slog.StringValue(string(v.ID))
	case *raft.Raft:
		return slog.StringValue(v.State().String())
	case error:
		return slog.StringValue(v.Error())
	case hclog.Format:
		return raftFormat(v)
	default:
		return slog.StringValue(fmt.Sprintf("[%T]", v))
	}
}

// raftFormat renders hclog.Fmt values except those that dump a whole Go value, which may be a command.
func raftFormat(f hclog.Format) slog.Value {
	format, ok := f[0].(string)
	if !ok || strings.Contains(format, "#v") {
		return slog.StringValue("[redacted]")
	}
	return slog.StringValue(fmt.Sprintf(format, f[1:]...))
}

const (
	repeatBurst  = 3                // so often the same message is logged
	repeatWindow = 10 * time.Second // in this time
)

// repeatLimit thins out repeated messages.
type repeatLimit struct {
	burst  int // records of one kind in a window
	window time.Duration
	mu     sync.Mutex // guards seen
	seen   map[string]*repeats
}

func newRepeatLimit(burst int, window time.Duration) *repeatLimit {
	return &repeatLimit{burst: burst, window: window, seen: map[string]*repeats{}}
}

type repeats struct {
	since   time.Time
	count   int
	skipped int
}

// admit reports whether the message may be logged now, and how many like it were dropped since the last one.
func (l *repeatLimit) admit(msg string, now time.Time) (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.seen[msg]
	if r == nil {
		r = &repeats{since: now}
		l.seen[msg] = r
	}
	if now.Sub(r.since) >= l.window {
		skipped, r.skipped = r.skipped, 0
		r.since, r.count = now, 0
	}
	r.count++
	if r.count > l.burst {
		r.skipped++
		return 0, false
	}
	return skipped, true
}

// The rest of hclog.Logger.

func (r *raftLogger) Trace(msg string, args ...any) { r.Log(hclog.Trace, msg, args...) }
func (r *raftLogger) Debug(msg string, args ...any) { r.Log(hclog.Debug, msg, args...) }
func (r *raftLogger) Info(msg string, args ...any)  { r.Log(hclog.Info, msg, args...) }
func (r *raftLogger) Warn(msg string, args ...any)  { r.Log(hclog.Warn, msg, args...) }
func (r *raftLogger) Error(msg string, args ...any) { r.Log(hclog.Error, msg, args...) }

func (r *raftLogger) IsTrace() bool { return false }
func (r *raftLogger) IsDebug() bool { return r.log.Enabled(context.Background(), slog.LevelDebug) }
func (r *raftLogger) IsInfo() bool  { return r.log.Enabled(context.Background(), slog.LevelInfo) }
func (r *raftLogger) IsWarn() bool  { return r.log.Enabled(context.Background(), slog.LevelWarn) }
func (r *raftLogger) IsError() bool { return r.log.Enabled(context.Background(), slog.LevelError) }

func (r *raftLogger) ImpliedArgs() []any { return r.args }
func (r *raftLogger) Name() string       { return r.name }

// With implements hclog.Logger.
func (r *raftLogger) With(args ...any) hclog.Logger {
	c := *r
	c.args = append(append([]any(nil), r.args...), args...)
	return &c
}

// Named implements hclog.Logger; all of Raft logs under one name.
func (r *raftLogger) Named(string) hclog.Logger      { return r }
func (r *raftLogger) ResetNamed(string) hclog.Logger { return r }
func (r *raftLogger) SetLevel(hclog.Level)           {}
func (r *raftLogger) GetLevel() hclog.Level          { return hclog.NoLevel }

// StandardLogger implements hclog.Logger.
func (r *raftLogger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(r.log.Handler(), slog.LevelInfo)
}

// StandardWriter implements hclog.Logger.
func (r *raftLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return slog.NewLogLogger(r.log.Handler(), slog.LevelInfo).Writer()
}
