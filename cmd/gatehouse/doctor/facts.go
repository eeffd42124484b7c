package doctor

import (
	"context"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/cluster"
	"gatehouse/cluster/disk"
	"gatehouse/keyring"
)

// facts are all that was seen. Checks read them and nothing else.
type facts struct {
	in     Input
	now    time.Time
	key    keyFacts
	dir    dirFacts
	audit  auditFacts
	daemon daemonFacts
	names  []nameFact
	peers  []peerFact
	ports  []portFact
	clock  clockFacts
	tls    tlsFacts
}

type keyFacts struct {
	err  error // why it cannot be used
	mode fs.FileMode
	uid  int
	ring *keyring.Ring // nil if it cannot be used
}

type dirFacts struct {
	missing     bool
	err         error // why it cannot be looked at
	mode        fs.FileMode
	uid         int
	identity    *disk.Identity // nil before there is one
	identityErr error
	holder      int // process id, 0 if no process has it
	holderErr   error
	room        disk.Room
	roomErr     error
	syncs       []time.Duration // of small writes, the fastest first
	syncErr     error
	inspected   bool
	damage      error
}

type nameFact struct {
	name  string // host of a join address
	addrs []string
	err   error
}

// peerFact is what came of asking one peer port.
type peerFact struct {
	address string
	origin  string // why it was asked: "--peer", "--join NAME", "node.json", …
	sure    bool   // a peer port is really there, rather than guessed
	result  cluster.ProbeResult
	err     error
}

// portFact is what came of one connection.
type portFact struct {
	what    string // "api", "gossip", "gossip-udp"
	master  string
	address string
	err     error
}

const (
	firstLooks  = 3 * time.Second
	damageLook  = 7 * time.Second // reads all that is on disk
	probeLimit  = 2500 * time.Millisecond
	portsLimit  = 2 * time.Second
	daemonLimit = 2500 * time.Millisecond
)

// examine looks at everything.
func examine(ctx context.Context, in Input) *facts {
	f := &facts{in: in, now: time.Now()}
	f.key = lookAtKey(in.KeyFile)
	f.dir = lookAtDir(in)
	var local, remote errgroup.Group
	local.Go(func() error { f.lookAtDisk(ctx); return nil })
	local.Go(func() error { f.clock = lookAtClock(); return nil })
	local.Go(func() error { f.tls = lookAtTLS(in); return nil })
	local.Go(func() error { f.audit = lookAtAudit(in.AuditLog); return nil })
	remote.Go(func() error { f.daemon = lookAtDaemon(ctx, in); return nil })
	remote.Go(func() error { f.names = resolve(ctx, in); return nil })
	_ = remote.Wait() // never fails
	f.askPeers(ctx)
	f.knock(ctx)
	_ = local.Wait() // never fails
	return f
}

// within gives a step that cannot be interrupted, such as a call to a disk that hangs, a limited time.
func within(ctx context.Context, limit time.Duration, step func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- step() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
