package cluster

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

const (
	transportTimeout = 5 * time.Second
	transportPool    = 3
	// maxAppendBytes bounds the entries of one AppendEntries call, so that a follower that lags by many large entries
	// gets them in pieces that fit the transport's time-out, and learns between them what is committed. At least one entry
	// is always sent.
	maxAppendBytes = 1 << 20
)

// transport is Raft's network transport with three changes.
//
// Heartbeats. The library processes heartbeats beside its main thread, and such a heartbeat may change the term and
// the state while the main thread counts votes: a candidate can become leader of a term it was not elected in, and a
// term can go back. Both break the term echo, and the first breaks Raft. Here a heartbeat from the known leader in
// the current term is answered at once, which is all that the fast path is for, and a copy goes through the main
// thread, which alone changes anything. Every other heartbeat goes through the main thread only.
//
// Size. Calls are cut to maxAppendBytes.
//
// Memory. What followers acknowledged is noted, to promote servers that caught up, to see one that is stuck, and to
// tell a server that was restored from an old image (see rollback.go).
type transport struct {
	*raft.NetworkTransport
	stream   *stream
	self     string
	raft     atomic.Pointer[raft.Raft]
	rpcs     chan raft.RPC
	beats    chan raft.RPC
	done     chan struct{}
	once     sync.Once
	progress *progress
}

func newTransport(self string, s *stream, p *progress, timeout time.Duration, log hclog.Logger) *transport {
	t := &transport{
		NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream: s, MaxPool: transportPool, MaxRPCsInFlight: 1, Timeout: timeout, Logger: log,
		}),
		stream: s, self: self, progress: p,
		rpcs: make(chan raft.RPC), beats: make(chan raft.RPC, 1), done: make(chan struct{}),
	}
	go t.pump()
	return t
}

// Consumer implements raft.Transport.
func (t *transport) Consumer() <-chan raft.RPC { return t.rpcs }

// pump brings remote calls and copies of heartbeats to Raft's main thread.
func (t *transport) pump() {
	for {
		var rpc raft.RPC
		select {
		case rpc = <-t.NetworkTransport.Consumer():
		case rpc = <-t.beats:
		case <-t.done:
			return
		}
		select {
		case t.rpcs <- rpc:
		case <-t.done:
			rpc.Respond(nil, raft.ErrTransportShutdown)
			return
		}
	}
}

// SetHeartbeatHandler implements raft.Transport; Raft's own handler is not used.
func (t *transport) SetHeartbeatHandler(func(raft.RPC)) {
	t.NetworkTransport.SetHeartbeatHandler(t.heartbeat)
}

func (t *transport) heartbeat(rpc raft.RPC) {
	req, ok := rpc.Command.(*raft.AppendEntriesRequest)
	if resp := t.quickAnswer(req); ok && resp != nil {
		copied := *req
		select {
		case t.beats <- raft.RPC{Command: &copied, RespChan: make(chan raft.RPCResponse, 1)}:
		default: // the main thread has one waiting already
		}
		rpc.Respond(resp, nil)
		return
	}
	select {
	case t.rpcs <- rpc:
	case <-t.done:
		rpc.Respond(nil, raft.ErrTransportShutdown)
	}
}

// quickAnswer is the reply to a heartbeat that changes nothing, or nil.
func (t *transport) quickAnswer(req *raft.AppendEntriesRequest) *raft.AppendEntriesResponse {
	r := t.raft.Load()
	if r == nil || req == nil || r.State() != raft.Follower {
		return nil
	}
	term := r.CurrentTerm()
	if _, leader := r.LeaderWithID(); req.Term != term || string(leader) != string(req.ID) || len(req.ID) == 0 {
		return nil
	}
	return &raft.AppendEntriesResponse{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(t.self), Addr: []byte(t.self)},
		Term:      term, LastLog: r.LastIndex(), Success: true,
	}
}

// AppendEntries implements raft.Transport.
func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	req.Entries = cutEntries(req.Entries, maxAppendBytes)
	if err := t.NetworkTransport.AppendEntries(id, target, req, resp); err != nil {
		return err
	}
	t.progress.contact(string(id), resp.Term)
	if resp.Success && !isHeartbeat(req) {
		t.progress.acknowledged(string(id), req.PrevLogEntry+uint64(len(req.Entries)), req.LeaderCommitIndex)
	}
	return nil
}

// RequestVote implements raft.Transport.
func (t *transport) RequestVote(id raft.ServerID, target raft.ServerAddress, req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return again(func() error { return t.NetworkTransport.RequestVote(id, target, req, resp) })
}

// RequestPreVote implements raft.WithPreVote.
func (t *transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return again(func() error { return t.NetworkTransport.RequestPreVote(id, target, req, resp) })
}

// again repeats a call that failed at once. The library keeps connections in a pool and does not notice when a peer that
// restarted has closed them; a vote that is lost for that reason costs a whole election time-out. Asking twice for the
// same vote is harmless.
func again(call func() error) (err error) {
	start := time.Now()
	for range transportPool + 1 {
		if err = call(); err == nil || time.Since(start) > 100*time.Millisecond {
			break
		}
	}
	return err
}

// isHeartbeat tells a heartbeat, which says nothing about the follower's log, by the fields it leaves empty.
func isHeartbeat(req *raft.AppendEntriesRequest) bool {
	return req.PrevLogEntry == 0 && req.PrevLogTerm == 0 && len(req.Entries) == 0 && req.LeaderCommitIndex == 0
}

// cutEntries keeps as many entries as fit, but at least one.
func cutEntries(entries []*raft.Log, limit int) []*raft.Log {
	size := 0
	for i, e := range entries {
		size += len(e.Data)
		if size > limit && i > 0 {
			return entries[:i]
		}
	}
	return entries
}

// InstallSnapshot implements raft.Transport.
func (t *transport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, req *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	defer t.progress.installed(string(id))
	if err := t.NetworkTransport.InstallSnapshot(id, target, req, resp, &snapshotReader{data, string(id), t.progress}); err != nil {
		return err
	}
	t.progress.contact(string(id), resp.Term)
	if resp.Success {
		t.progress.acknowledged(string(id), req.LastLogIndex, req.LastLogIndex)
	}
	return nil
}

// snapshotReader notes that a snapshot is on its way: a server that gets one may be behind for minutes.
type snapshotReader struct {
	io.Reader
	to       string
	progress *progress
}

func (r *snapshotReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.progress.sent(r.to, err == io.EOF)
	return n, err
}

// Close implements raft.WithClose.
func (t *transport) Close() error {
	t.once.Do(func() { close(t.done) })
	t.stream.end()
	err := t.NetworkTransport.Close()
	t.NetworkTransport.CloseStreams()
	t.stream.dialed.closeAll()
	return err
}

// stream is Raft's StreamLayer: addresses are server ids.
type stream struct {
	*queue
	port   *port
	dialed connSet
	// Connecting ends with the node: Raft does not wait for the goroutine that hands leadership over.
	life context.Context
	end  context.CancelFunc
}

func newStream(q *queue, p *port) *stream {
	s := &stream{queue: q, port: p}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Dial implements raft.StreamLayer.
func (s *stream) Dial(id raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.life, timeout)
	defer cancel()
	conn, err := s.port.dialServer(ctx, string(id), protoRaft)
	if err != nil {
		return nil, err
	}
	return s.dialed.add(conn, string(id), protoRaft, nil), nil
}
