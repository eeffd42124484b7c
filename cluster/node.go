package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/sync/errgroup"

	"gatehouse/cluster/disk"
	"gatehouse/cluster/gossip"
)

// Node is one master's Raft node, peer port and gossip. Its methods are safe for concurrent use.
type Node struct {
	cfg     Config
	id      string
	log     *slog.Logger
	lock    *disk.DirLock
	machine *watchedMachine
	changed *signal // something about leadership, configuration or formation may have changed
	ready   chan struct{}

	idMu     sync.Mutex // guards identity and its file
	identity disk.Identity

	book     *book
	port     *port
	client   *peerClient
	meetings *meetings
	clocks   *clocks
	roll     *roll
	progress *progress
	echo     *echo
	gossip   atomic.Pointer[gossip.Gossip]

	stores    *disk.Stores // set before raft
	transport *transport   // set before raft
	raft      atomic.Pointer[raft.Raft]

	formMu   sync.Mutex // one promise is given or asked for at a time
	joins    chan struct{}
	removing sync.Map // server ids that this leader took out; they may not join again
	lanes    lanes
	futures  futures
	spread   float64 // see newSpread
	// snapshotting is set while a snapshot is taken because of the size of the log.
	snapshotting atomic.Bool
	vouched      vouchers
	health       health

	fatal chan error  // the stores' last word; ends Run
	lost  chan string // leaders whose connections broke
}

// New loads or creates the identity, proves the stores sound, and takes the peer listener over. Nothing talks yet.
// A *disk.Damage in the error's chain names the damaged file and the remedy.
func New(ctx context.Context, cfg Config) (*Node, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, closing(cfg.PeerListener, err)
	}
	n := &Node{
		cfg: cfg, log: cfg.Logger, changed: newSignal(), ready: make(chan struct{}),
		meetings: newMeetings(), clocks: newClocks(), roll: newRoll(), progress: newProgress(), joins: make(chan struct{}, maxJoins),
		lanes: newLanes(), spread: newSpread(),
		fatal: make(chan error, 1), lost: make(chan string, 1),
	}
	n.machine = newWatchedMachine(cfg.Machine, n.snapshotLimit(), n.changed)
	if err := n.openDisk(ctx); err != nil {
		n.closeDisk()
		return nil, closing(cfg.PeerListener, err)
	}
	if err := n.openPort(); err != nil {
		n.closeDisk()
		return nil, closing(cfg.PeerListener, err)
	}
	return n, nil
}

// closing closes the listener that New was given and passes the error on.
func closing(l interface{ Close() error }, err error) error {
	if l != nil {
		l.Close()
	}
	return err
}

// openDisk takes the directory, loads or makes the identity, and opens the stores if they exist.
func (n *Node) openDisk(ctx context.Context) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.lock, err = disk.Lock(n.cfg.DataDir); err != nil {
		return err
	}
	n.identity, err = disk.LoadIdentity(n.cfg.DataDir)
	if errors.Is(err, disk.ErrNoIdentity) {
		n.identity = disk.NewIdentity(n.cfg.Name)
		err = n.identity.Save(n.cfg.DataDir)
	}
	if err != nil {
		return err
	}
	n.id = n.identity.ServerID
	if n.identity.Level > n.cfg.MaxLevel {
		return tooOld(n.identity.Level, n.cfg.MaxLevel)
	}
	if n.identity.Initialised {
		return n.openStores()
	}
	return nil
}

// tooOld refuses a binary below the cluster's level.
func tooOld(level, known int) error {
	return fmt.Errorf("the cluster is at level %d and this binary understands levels up to %d: start a newer version", level, known)
}

// openStores opens or creates the stores of the identity's cluster.
func (n *Node) openStores() (err error) {
	o := n.cfg.Disk
	o.Dir, o.Lock, o.Keys, o.Logger = n.cfg.DataDir, n.lock, n.cfg.Keys, n.log
	o.ServerID, o.ClusterID = n.id, n.identity.ClusterID
	o.Fatal = func(err error) {
		n.log.Error("the stores cannot be trusted any longer", "error", err)
		select {
		case n.fatal <- fmt.Errorf("the stores failed: %w", err):
		default:
		}
		if n.cfg.Fatal != nil {
			n.cfg.Fatal(err)
		}
	}
	n.stores, err = disk.Open(o)
	if err == nil {
		n.identity.Initialised = true
	}
	return err
}

func (n *Node) closeDisk() {
	if n.stores != nil {
		if err := n.stores.Close(); err != nil {
			n.log.Error("closing the stores failed", "error", err)
		}
	}
	if n.lock != nil {
		n.lock.Release()
	}
}

// openPort prepares the peer port and its clients.
func (n *Node) openPort() error {
	a, err := newAuthority(n.cfg.Keys.Derive(caLabel, 32))
	if err != nil {
		return err
	}
	n.book = newBook(n.identity.Peers)
	n.port = newPort(n.id, a, n.cfg.PeerListener, n.log)
	n.port.dialer, n.port.book, n.port.allow = n.cfg.Dial, n.book, n.admit
	if err := n.port.identify(n.identity.ClusterID); err != nil {
		return err
	}
	n.client = newPeerClient(n.port)
	n.echo = newEcho(echoConfig{
		self: n.id, own: n.ownAnswer, peers: n.echoPeers, log: n.log,
		dial: n.dialEcho,
	})
	n.port.echo, n.port.lost = n.serveEcho, n.peerLost
	return nil
}

// ErrAbort as the cause of Run's context ends it without handing over or saying goodbye, as a crash would.
var ErrAbort = errors.New("aborted")

// Run serves until ctx ends, then hands leadership over, leaves the gossip and closes the stores. peer handles the
// requests that other masters send with RoundTrip. Run is called once.
func (n *Node) Run(ctx context.Context, peer http.Handler, duties ...Duty) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	server := n.newPeerServer()
	n.port.relay = n.relayTo(peer)
	var g errgroup.Group // what serves until everything else has ended
	g.Go(n.port.serve)
	g.Go(func() error { return ignoreClosed(server.Serve(n.port.http)) })

	work, stop := context.WithCancel(ctx)
	defer stop()
	var w errgroup.Group // what talks and decides
	w.Go(func() error { return n.live(work, fail, duties) })
	<-ctx.Done()

	aborted := errors.Is(context.Cause(ctx), ErrAbort)
	if !aborted {
		n.handOver()
	}
	stop()
	err := w.Wait()
	n.writeDown()
	n.leaveGossip(aborted)
	n.echo.close()
	err = errors.Join(err, n.stopRaft())
	server.Close()
	n.client.close()
	n.port.close()
	err = errors.Join(err, g.Wait())
	n.port.wait()
	n.closeDisk()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return errors.Join(cause, err)
	}
	return err
}

// live is a master's life: find out who is around, get a cluster, start Raft, do what members do.
func (n *Node) live(ctx context.Context, fail context.CancelCauseFunc, duties []Duty) error {
	var g errgroup.Group
	spawn := func(f func(context.Context) error) {
		g.Go(func() error {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				fail(err)
			}
			return nil
		})
	}
	if err := n.startGossip(); err != nil {
		fail(err)
		return nil
	}
	spawn(func(ctx context.Context) error {
		select {
		case err := <-n.fatal:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	spawn(n.greet)
	spawn(n.gossipOn)
	spawn(func(ctx context.Context) error {
		if err := n.settleIn(ctx); err != nil {
			return err
		}
		spawn(n.join)
		spawn(n.awaitReady)
		spawn(n.watch)
		spawn(n.mourn)
		spawn(func(ctx context.Context) error { return n.lead(ctx, duties) })
		return nil
	})
	return g.Wait()
}

// settleIn returns once this master has a cluster and Raft runs.
func (n *Node) settleIn(ctx context.Context) error {
	if n.stores == nil {
		if err := n.form(ctx); err != nil {
			return err
		}
	}
	if err := n.checkRollback(ctx); err != nil {
		return err
	}
	if err := n.finishBootstrap(); err != nil {
		return err
	}
	if err := n.startRaft(); err != nil {
		return err
	}
	n.log.Info("raft started", "server", n.id, "cluster", n.ClusterID(), "servers", len(n.configuration()))
	return nil
}

// awaitReady closes Ready once this server knows a configuration.
func (n *Node) awaitReady(ctx context.Context) error {
	for {
		changed := n.changed.wait()
		if len(n.configuration()) > 0 {
			if err := n.remember(func(i *disk.Identity) { i.Promise = nil }); err != nil {
				return err
			}
			n.writeDown()
			close(n.ready)
			n.changed.notify()
			return nil
		}
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond): // an appended configuration is not announced by Raft
		case <-ctx.Done():
			return nil
		}
	}
}

// handOver gives leadership to another voter before this one stops, so that nobody waits for an election time-out.
func (n *Node) handOver() {
	if !n.leads() || len(voterIDs(n.configuration())) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := n.TransferLeadership(ctx); err != nil {
		n.log.Warn("handing leadership over failed", "error", err)
	}
}

// ID is this server's random id.
func (n *Node) ID() string { return n.id }

// ClusterID is the cluster's id, "" until it was formed or joined.
func (n *Node) ClusterID() string {
	n.idMu.Lock()
	defer n.idMu.Unlock()
	return n.identity.ClusterID
}

// Ready is closed when the cluster was formed or joined, Raft runs and this server knows the configuration.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// remember changes the identity on disk.
func (n *Node) remember(change func(*disk.Identity)) error {
	n.idMu.Lock()
	defer n.idMu.Unlock()
	next := n.identity
	change(&next)
	if err := next.Save(n.cfg.DataDir); err != nil {
		return fmt.Errorf("save the identity: %w", err)
	}
	n.identity = next
	return nil
}

// identityNow returns a copy of the identity. Its map must not be changed.
func (n *Node) identityNow() disk.Identity {
	n.idMu.Lock()
	defer n.idMu.Unlock()
	return n.identity
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, errListenerClosed) {
		return nil
	}
	return err
}
