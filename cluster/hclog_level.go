package cluster

import (
	"errors"
	"log/slog"
	"net"

	"github.com/hashicorp/go-hclog"
)

// raftLevels lowers messages that Raft rates for itself alone (hashicorp/raft v1.7.3). An ERROR here means that this
// master needs somebody; that another master is down or was restarted is a warning, and what happens in every election
// and whenever a follower catches up is for information.
var raftLevels = map[string]slog.Level{
	"failed to appendEntries to":              slog.LevelWarn,
	"failed to pipeline appendEntries":        slog.LevelWarn,
	"failed to start pipeline replication to": slog.LevelWarn,
	"failed to heartbeat to":                  slog.LevelWarn,
	"failed to make requestVote RPC":          slog.LevelWarn,
	"failed to send snapshot to":              slog.LevelWarn,
	"failed to decode incoming command":       slog.LevelWarn,
	"failed to flush response":                slog.LevelWarn,

	"peer has newer term, stopping replication":  slog.LevelInfo,
	"appendEntries rejected, sending older logs": slog.LevelInfo,
	"failed to get previous log":                 slog.LevelInfo,
	"no known peers, aborting election":          slog.LevelInfo,
}

// raftLevel rates a message. What ends because this master closed the connection itself, as it does when it stops, is
// nothing to tell.
func raftLevel(level hclog.Level, msg string, args []any) slog.Level {
	for _, a := range args {
		if err, ok := a.(error); ok && errors.Is(err, net.ErrClosed) {
			return slog.LevelDebug
		}
	}
	l := slogLevel(level)
	if lower, ok := raftLevels[msg]; ok {
		return min(l, lower)
	}
	return l
}
